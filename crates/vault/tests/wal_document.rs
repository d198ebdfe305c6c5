//! Does docs/format/wal.md tell what the code reads and writes?

use serde::Serialize;
use serde::de::DeserializeOwned;
use vault::wal::{SealedInfo, WalDescription, WalGap};

const DOCUMENT: &str = include_str!("../../../docs/format/wal.md");

/// Reads the document's example of a kind, and checks that writing it again gives the same.
fn example<T: Serialize + DeserializeOwned>(kind: &str) -> T {
    let (_, rest) = DOCUMENT.split_once(&format!("```json {kind}\n")).unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let written: serde_json::Value = serde_json::from_str(text).unwrap();
    let value: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{kind}: {error}"));
    assert_eq!(serde_json::to_value(&value).unwrap(), written, "{kind}");
    value
}

/// Checks that the tables of the document name a field.
fn named(field: &str) {
    assert!(DOCUMENT.contains(&format!("`{field}`")), "docs/format/wal.md does not tell of {field}");
}

#[test]
fn the_examples_in_the_document_are_what_the_code_reads_and_writes() {
    let description: WalDescription = example("description");
    assert_eq!(description.format_version, 1);
    for field in serde_json::to_value(description.geometry).unwrap().as_object().unwrap().keys() {
        named(&format!("geometry.{field}"));
    }
    let sealed: SealedInfo = example("sealed");
    let value = serde_json::to_value(&sealed).unwrap();
    for field in value.as_object().unwrap().keys() {
        named(field);
    }
    for field in value["summary"].as_object().unwrap().keys().filter(|field| *field != "latest_time") {
        named(&format!("summary.{field}"));
    }
    let gap: WalGap = example("gap");
    assert!(gap.from_lsn < gap.to_lsn);
}

//! Every format against bytes that real servers wrote (see `fixtures/README.md`), against examples, and against
//! arbitrary bytes.

mod any_bytes;
mod backup_label;
mod backup_manifest;
mod block_reference;
mod control_file;
#[path = "../support/controldata.rs"]
mod controldata;
mod exclusion;
mod incremental_file;
mod lsn;
mod page;
mod relation_file;
mod wal_changes;
#[path = "../support/wal_crafter.rs"]
mod wal_crafter;
mod wal_decoder;
mod wal_record;
mod wal_segment;
mod wal_summary;

/// Reads a fixture.
fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a fixture that is text.
fn fixture_text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

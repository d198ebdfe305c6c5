//! Validation of backups that stand on others: their changes, their label and their chain.

mod chain_support;
mod restore_support;

use chain_support::*;
use engine::verify::{FindingSeverity, ValidationLevel, ValidationReport, ValidationRequest, validate};
use engine::{Cancel, SilentProgress};
use restore_support::*;
use std::collections::BTreeMap;
use vault::repository::{BackupRecord, Repository};

fn look(repository: &Repository, record: &BackupRecord, level: ValidationLevel) -> ValidationReport {
    validate(repository, record, &ValidationRequest::new(level, 2), &SilentProgress, &Cancel::new()).unwrap()
}

/// `key path` of every finding, errors with an exclamation mark.
fn findings(report: &ValidationReport) -> Vec<String> {
    let show = |finding: &engine::verify::Finding| {
        let mark = if finding.severity == FindingSeverity::Error { "!" } else { "" };
        let path = finding.what["path"].as_str().unwrap_or_default();
        format!("{mark}{} {path}", finding.what["key"].as_str().unwrap()).trim_end().to_owned()
    };
    report.findings.iter().map(show).collect()
}

/// Changes with pages that carry the right checksums; `first` is the number of the segment's first block.
fn pages(limit: u32, first: u32, numbers: &[u32]) -> Held {
    let page = |number: &u32| (*number, relation(1, first + number));
    Held::Changes(numbers.iter().map(page).collect(), limit)
}

fn full() -> Link {
    link(&[("base/1/1000", Held::Whole(relation(200, 0))), ("base/1/1000.1", Held::Whole(relation(3, 131_072)))])
}

fn increment() -> Link {
    link(&[
        ("base/1/1000", pages(200, 0, &[0, 7, 31, 32, 150])),
        ("base/1/1000.1", pages(3, 131_072, &[2])),
        ("base/1/1001", Held::Whole(relation(4, 0))),
        ("base/1/1002", pages(0, 0, &[])),
    ])
}

/// Seals a FULL and an increment of it, whose members `change` may spoil.
fn sealed(sandbox: &Sandbox, sealing: &Sealing, change: impl FnOnce(&mut Members)) -> Vec<BackupRecord> {
    let mut base = full();
    base.insert("base/1/1002".to_owned(), Held::Whole(vec![]));
    let full = seal_link(&sandbox.repository, None, 0, &cluster_with(&base, start_lsn(0), None), sealing);
    let mut members = cluster_with(&increment(), start_lsn(1), Some(&full));
    change(&mut members);
    let increment = seal_link(&sandbox.repository, Some(&full), 1, &members, sealing);
    vec![full, increment]
}

fn content<'m>(members: &'m mut Members, path: &str) -> &'m mut Vec<u8> {
    members.iter_mut().find(|(found, _)| found == path.as_bytes()).unwrap().1.as_mut().unwrap()
}

#[test]
fn a_sound_increment_is_valid_whatever_its_frames() {
    for frame_bytes in [512, 5000, 8192, 65_536, 16 << 20] {
        let sandbox = Sandbox::new();
        let records = sealed(&sandbox, &Sealing { frame_bytes, ..Sealing::default() }, |_| ());
        let shallow = look(&sandbox.repository, &records[1], ValidationLevel::Checksum);
        assert_eq!(findings(&shallow), Vec::<String>::new());
        let deep = look(&sandbox.repository, &records[1], ValidationLevel::Deep);
        assert_eq!(findings(&deep), Vec::<String>::new());
        // 5 + 1 changed ones and 4 of a whole file.
        assert_eq!(deep.pages, 10);
    }
}

#[test]
fn a_page_that_is_damaged_or_under_another_number_is_found() {
    let sandbox = Sandbox::new();
    let records = sealed(&sandbox, &Sealing::default(), |members| {
        // The last byte of the last page of the first, which is block 150.
        *content(members, "base/1/INCREMENTAL.1000").last_mut().unwrap() ^= 1;
        // Block 2 is said to be block 1.
        content(members, "base/1/INCREMENTAL.1000.1")[12] = 1;
    });
    let deep = look(&sandbox.repository, &records[1], ValidationLevel::Deep);
    let wanted = ["!verify-page-checksum base/1/1000", "!verify-page-checksum base/1/1000.1"];
    assert_eq!(findings(&deep), wanted);
    let blocks: Vec<u64> = deep.findings.iter().filter_map(|finding| finding.what["block"].as_u64()).collect();
    assert_eq!(blocks, [150, 131_073]);
}

#[test]
fn a_head_that_can_not_be_is_found_also_without_checksums() {
    let good = incremental_content(&BTreeMap::from([(3, relation(1, 3)), (5, relation(1, 5))]), 10);
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("half a head", good[..11].to_vec()),
        ("no numbers", good[..12].to_vec()),
        ("half the numbers' padding", good[..4000].to_vec()),
        ("another magic number", [&[0; 4], &good[4..]].concat()),
        ("a page too few", good[..good.len() - BLOCK_BYTES].to_vec()),
        ("a page too many", [&good[..], &relation(1, 9)].concat()),
        ("numbers that go down", [&good[..12], &[9, 0, 0, 0], &good[16..]].concat()),
    ];
    for data_checksums in [true, false] {
        for (what, head) in &bad {
            let sandbox = Sandbox::new();
            let sealing = Sealing { frame_bytes: 3000, ..Sealing::default() };
            let mut records = sealed(&sandbox, &sealing, |members| {
                content(members, "base/1/INCREMENTAL.1000").clone_from(head);
            });
            records.iter_mut().for_each(|record| record.data_checksums = data_checksums);
            let deep = look(&sandbox.repository, &records[1], ValidationLevel::Deep);
            let mut found = findings(&deep);
            // The repository's own record says that there are checksums.
            found.retain(|finding| data_checksums || finding != "!chain-mismatch");
            assert_eq!(found, ["!verify-changes base/1/1000"], "{what}, checksums {data_checksums}");
        }
    }
}

#[test]
fn a_chain_that_is_broken_is_a_finding_on_both_levels() {
    let sandbox = Sandbox::new();
    let records = sealed(&sandbox, &Sealing::default(), |_| ());
    let base = sandbox.archive_path(&records[0]);
    let moved = sandbox.path("moved");
    std::fs::rename(&base, &moved).unwrap();
    for level in [ValidationLevel::Checksum, ValidationLevel::Deep] {
        let found = findings(&look(&sandbox.repository, &records[1], level));
        assert_eq!(found, ["!chain-archive-missing"]);
    }
    std::fs::remove_file(base.with_extension("json")).unwrap();
    let found = findings(&look(&sandbox.repository, &records[1], ValidationLevel::Checksum));
    assert_eq!(found, ["!chain-base-missing"]);
}

#[test]
fn a_label_that_names_another_base_is_a_finding() {
    let sandbox = Sandbox::new();
    let records = sealed(&sandbox, &Sealing::default(), |members| {
        let label = content(members, "backup_label");
        let text = String::from_utf8(std::mem::take(label)).unwrap();
        *label = text.replace("FROM TLI: 1", "FROM TLI: 3").into_bytes();
    });
    let shallow = look(&sandbox.repository, &records[1], ValidationLevel::Checksum);
    assert_eq!(findings(&shallow), Vec::<String>::new());
    let deep = look(&sandbox.repository, &records[1], ValidationLevel::Deep);
    assert_eq!(findings(&deep), ["!chain-label"]);
}

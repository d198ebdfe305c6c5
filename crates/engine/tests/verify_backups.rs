//! Validation of backups made by hand: sound ones are valid, and every kind of damage is named.

mod restore_support;

use engine::verify::{FindingSeverity, ValidationLevel, ValidationReport, ValidationRequest, validate};
use engine::{Cancel, SilentProgress};
use restore_support::*;
use vault::repository::{BackupRecord, CorruptPage, Repository};

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

#[test]
fn a_sound_backup_is_valid_on_both_levels_whatever_its_frames() {
    for frame_bytes in [512, 700, 8192, 65_536, 16 << 20] {
        let sandbox = Sandbox::new();
        let sealing = Sealing { frame_bytes, ..Sealing::default() };
        let record = seal(&sandbox.repository, &cluster_members(), &sealing, |_| ());
        let shallow = look(&sandbox.repository, &record, ValidationLevel::Checksum);
        assert!(shallow.is_valid() && shallow.findings.is_empty());
        assert_eq!(shallow.sha256_found, record.sha256);
        let deep = look(&sandbox.repository, &record, ValidationLevel::Deep);
        assert_eq!(findings(&deep), Vec::<String>::new());
        // Sixteen and the manifest; 3 + 1 + 150 + 1 pages, of which the free space map's counts, too.
        assert_eq!((deep.files, deep.pages), (17, 155));
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found_on_both_levels() {
    let sandbox = Sandbox::new();
    let record = seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    let archive = sandbox.archive_path(&record);
    let good = std::fs::read(&archive).unwrap();
    let steps = 41;
    for step in 0..steps {
        let mut bad = good.clone();
        let position = (good.len() - 1) * step / (steps - 1);
        bad[position] ^= 1 << (step % 8);
        std::fs::remove_file(&archive).unwrap();
        std::fs::write(&archive, bad).unwrap();
        for level in [ValidationLevel::Checksum, ValidationLevel::Deep] {
            let report = look(&sandbox.repository, &record, level);
            assert!(!report.is_valid(), "byte {position}");
            assert_eq!(findings(&report)[0], "!repository-archive-digest");
        }
    }
}

#[test]
fn missing_truncated_and_longer_archives_are_found() {
    let sandbox = Sandbox::new();
    let record = seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    let archive = sandbox.archive_path(&record);
    let good = std::fs::read(&archive).unwrap();
    for bad in [&good[..good.len() / 2], &[good.as_slice(), &[0]].concat()] {
        std::fs::remove_file(&archive).unwrap();
        std::fs::write(&archive, bad).unwrap();
        let report = look(&sandbox.repository, &record, ValidationLevel::Deep);
        assert_eq!(findings(&report), ["!repository-archive-size", "!repository-archive-digest"]);
    }
    std::fs::remove_file(&archive).unwrap();
    let report = look(&sandbox.repository, &record, ValidationLevel::Deep);
    assert_eq!(findings(&report), ["!repository-archive-missing"]);
    assert_eq!(report.sha256_found, None);
}

/// Seals, and returns the deep findings.
fn deep(members: &Members, sealing: &Sealing, change: impl FnOnce(&mut BackupRecord)) -> Vec<String> {
    let sandbox = Sandbox::new();
    let record = seal(&sandbox.repository, members, sealing, change);
    findings(&look(&sandbox.repository, &record, ValidationLevel::Deep))
}

fn position_of(plain: &[u8], needle: &[u8]) -> usize {
    plain.windows(needle.len()).position(|window| window == needle).unwrap()
}

#[test]
fn damage_that_a_right_digest_covers_is_found_in_header_content_padding_and_end() {
    let damaged = |damage: fn(&mut Vec<u8>)| {
        deep(&cluster_members(), &Sealing { damage: Some(damage), ..Sealing::default() }, |_| ())
    };
    // The mode in the header of the first file.
    let header = damaged(|plain| {
        let at = position_of(plain, b"postgresql.conf\0");
        plain[at + 105] ^= 1;
    });
    assert_eq!(header, ["!verify-tar-header postgresql.conf"]);
    let content = damaged(|plain| {
        let at = position_of(plain, b"port = 5432");
        plain[at] ^= 1;
    });
    assert_eq!(content, ["!verify-member-content postgresql.conf", "!verify-manifest-checksum postgresql.conf"]);
    let padding = damaged(|plain| {
        let at = position_of(plain, b"port = 5432");
        plain[at + 100] = 1;
    });
    assert_eq!(padding, ["!verify-tar-header postgresql.conf"]);
    let end = damaged(|plain| *plain.last_mut().unwrap() = 1);
    assert_eq!(end, ["!verify-tar-end"]);
}

#[test]
fn a_wrong_checksum_in_the_index_is_found() {
    let sealing = Sealing { wrong_crc_of: Some("base/1/16384"), ..Sealing::default() };
    assert_eq!(deep(&cluster_members(), &sealing, |_| ()), ["!verify-member-content base/1/16384"]);
}

#[test]
fn corrupt_pages_are_errors_unless_the_record_knows_them() {
    let mut members = cluster_members();
    for (path, content) in &mut members {
        if path == b"base/1/16384" {
            let content = content.as_mut().unwrap();
            content[7 * BLOCK_BYTES + 5000] ^= 1;
            content[9 * BLOCK_BYTES + 5000] ^= 1;
        }
    }
    members.insert(9, file("base/1/16390.1", relation(2, 131_072)));
    members.insert(9, file("base/1/16391.1", relation(2, 0)));
    let wrong_segment = ["!verify-page-checksum base/1/16391.1"; 2];
    let found = deep(&members, &Sealing::default(), |_| ());
    assert_eq!(found, [&wrong_segment[..], &["!verify-page-checksum base/1/16384"; 2]].concat());

    let known = |block| CorruptPage { file: "base/1/16384".to_owned(), block, found: None, expected: None };
    let found = deep(&members, &Sealing::default(), |record| {
        record.corrupt_pages = vec![known(9)];
        record.corrupt_pages_total = 1;
    });
    let mixed = ["!verify-page-checksum base/1/16384", "verify-page-known-corrupt base/1/16384"];
    assert_eq!(found, [&wrong_segment[..], &mixed].concat());

    let unchecked = deep(&members, &Sealing::default(), |record| record.data_checksums = false);
    assert_eq!(unchecked, Vec::<String>::new());
}

#[test]
fn a_relation_file_that_ends_within_a_page_is_a_warning() {
    let mut members = cluster_members();
    members.insert(9, file("base/1/16390", relation(2, 0)[..BLOCK_BYTES + 100].to_vec()));
    assert_eq!(deep(&members, &Sealing::default(), |_| ()), ["verify-partial-page base/1/16390"]);
}

#[test]
fn a_backup_that_could_not_be_restored_is_invalid() {
    for path in ["backup_label", "PG_VERSION", "global/pg_control", "pg_wal/000000010000000000000012"] {
        let mut members = cluster_members();
        members.retain(|(member, _)| member != path.as_bytes());
        assert_eq!(deep(&members, &Sealing::default(), |_| ()), [format!("!restore-incomplete {path}")]);
    }
    let without = deep(&cluster_members(), &Sealing { with_manifest: false, ..Sealing::default() }, |_| ());
    assert_eq!(without, ["!restore-incomplete backup_manifest"]);
}

#[test]
fn a_manifest_that_lists_something_else_is_found() {
    let sandbox = Sandbox::new();
    let mut members = cluster_members();
    let mut listed = members.clone();
    listed.push(file("base/1/gone", "x"));
    members.insert(9, file("base/1/extra", "x"));
    let place = members.len() - 1;
    members.insert(place, file("backup_manifest", manifest_of(&listed)));
    let sealing = Sealing { with_manifest: false, ..Sealing::default() };
    let record = seal(&sandbox.repository, &members, &sealing, |_| ());
    let found = findings(&look(&sandbox.repository, &record, ValidationLevel::Deep));
    assert_eq!(found, ["!verify-manifest-unlisted base/1/extra", "!verify-manifest-absent base/1/gone"]);

    let record = seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |record| {
        record.stop_lsn = Some(pgformat::Lsn(STOP_LSN.0 + 16));
    });
    let found = findings(&look(&sandbox.repository, &record, ValidationLevel::Deep));
    assert_eq!(found, ["!verify-manifest-mismatch"]);
}

#[test]
fn a_cancelled_validation_says_so() {
    let sandbox = Sandbox::new();
    let record = seal(&sandbox.repository, &cluster_members(), &Sealing::default(), |_| ());
    let cancel = Cancel::new();
    cancel.cancel();
    for level in [ValidationLevel::Checksum, ValidationLevel::Deep] {
        let result =
            validate(&sandbox.repository, &record, &ValidationRequest::new(level, 2), &SilentProgress, &cancel);
        assert!(result.unwrap_err().is_cancelled());
    }
}

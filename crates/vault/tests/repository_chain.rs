//! Chains: which backups must be put together, and what is refused.

mod repository_common;

use pgformat::{Lsn, SystemIdentifier, TimelineId};
use repository_common::*;
use vault::repository::*;

/// A FULL (1), a DIFERENCIAL on it (2), an INCREMENTAL on that (3), one on that (4), as a reader would have found them.
fn contents() -> RepositoryContents {
    let folder = tempfile::tempdir().unwrap();
    let repository = create(folder.path());
    let kinds = [BackupKind::Full, BackupKind::Differential, BackupKind::Incremental, BackupKind::Incremental];
    let mut records: Vec<BackupRecord> = Vec::new();
    for (kind, start) in kinds.into_iter().zip([0x2000028_u64, 0x3000028, 0x4000028, 0x5000028]) {
        let slot = repository.begin_backup(kind, &at("2026-11-24T03:00:00")).unwrap();
        let mut record = completed(&slot, format!("archive {start}").as_bytes());
        drop(slot);
        (record.start_lsn, record.stop_lsn) = (Some(Lsn(start)), Some(Lsn(start + 0x100)));
        if let Some(base) = records.last() {
            record.base_id = Some(base.id);
            record.base = Some(RecordBase {
                start_lsn: base.start_lsn.unwrap(),
                timeline: base.timeline.unwrap(),
                sha256: base.sha256.clone().unwrap(),
            });
        }
        records.push(record);
    }
    RepositoryContents { records, ..RepositoryContents::default() }
}

/// What the chain of the last backup is, as ids, after `change`.
fn chain_after(change: impl FnOnce(&mut RepositoryContents)) -> Result<Vec<u64>, ChainFault> {
    let mut contents = contents();
    change(&mut contents);
    let tip = contents.records.last().unwrap().clone();
    Ok(contents.chain(&tip)?.iter().map(|record| record.id.0).collect())
}

#[test]
fn a_chain_is_named_from_its_full_to_its_tip() {
    assert_eq!(chain_after(|_| ()).unwrap(), [1, 2, 3, 4]);
    let contents = contents();
    assert_eq!(contents.chain(&contents.records[0]).unwrap().len(), 1);
    assert_eq!(contents.chain(&contents.records[1]).unwrap().len(), 2);
}

#[test]
fn a_missing_link_is_named() {
    let fault = chain_after(|contents| drop(contents.records.remove(1))).unwrap_err();
    assert_eq!(fault, ChainFault::ChainBaseMissing { id: "3".into(), base: "2".into() });
}

#[test]
fn a_link_whose_record_can_not_be_read_or_whose_archive_is_gone_is_named() {
    let fault = chain_after(|contents| {
        contents.records.remove(1);
        let (key, detail) = ("differential/x.json".to_owned(), "newer".to_owned());
        contents.unreadable.push(UnreadableRecord { key, id: Some(BackupId(2)), detail });
    });
    assert!(matches!(fault, Err(ChainFault::ChainBaseUnreadable { base, .. }) if base == "2"));
    let fault = chain_after(|contents| contents.without_archive.push(BackupId(1)));
    assert!(matches!(fault, Err(ChainFault::ChainArchiveMissing { base, .. }) if base == "1"));
}

#[test]
fn a_backup_that_took_the_place_of_a_link_is_found_out() {
    type Change = fn(&mut BackupRecord);
    let changes: [(&str, Change); 3] = [
        ("SHA-256", |record| record.sha256 = Some("f".repeat(64))),
        ("start LSN", |record| record.start_lsn = Some(Lsn(0x3000030))),
        ("timeline", |record| record.timeline = Some(TimelineId(2))),
    ];
    for (expected, change) in changes {
        let fault = chain_after(|contents| change(&mut contents.records[1])).unwrap_err();
        assert!(matches!(fault, ChainFault::ChainBaseSwapped { what, .. } if what == expected), "{expected}");
    }
}

#[test]
fn links_of_other_kinds_clusters_forms_and_orders_are_refused() {
    type Change = fn(&mut Vec<BackupRecord>);
    let changes: [(&str, Change); 8] = [
        ("a failed base", |records| records[2].state = BackupState::Failed),
        ("a FULL with a base", |records| records[3].kind = BackupKind::Full),
        ("a DIFERENCIAL on an INCREMENTAL", |records| records[3].kind = BackupKind::Differential),
        ("another cluster", |records| records[2].system_identifier = SystemIdentifier(7)),
        ("another version", |records| records[2].postgresql_version = pgformat::MajorVersion::V16),
        ("another block size", |records| records[1].block_size_bytes = 4096),
        ("checksums switched on", |records| records[0].data_checksums = false),
        ("the base being later", |records| records[3].start_lsn = Some(Lsn(0x3000000))),
    ];
    for (name, change) in changes {
        let fault = chain_after(|contents| change(&mut contents.records)).unwrap_err();
        let of_a_kind = matches!(fault, ChainFault::ChainBaseKind { .. } | ChainFault::ChainMismatch { .. });
        assert!(of_a_kind, "{name}: {fault}");
    }
}

#[test]
fn a_link_without_a_description_of_its_base_is_not_trusted() {
    let fault = chain_after(|contents| contents.records[3].base = None).unwrap_err();
    assert!(matches!(fault, ChainFault::ChainBaseMissing { .. }));
}

#[test]
fn nothing_stands_on_a_dump() {
    let fault = chain_after(|contents| {
        let full = &mut contents.records[0];
        full.method = BackupMethod::Logical;
        (full.start_lsn, full.stop_lsn, full.timeline) = (None, None, None);
    })
    .unwrap_err();
    let (found, wanted) = ("logical".to_owned(), "physical".to_owned());
    assert_eq!(fault, ChainFault::ChainBaseKind { id: "2".into(), base: "1".into(), found, wanted });
}

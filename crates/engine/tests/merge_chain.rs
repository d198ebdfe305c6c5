//! A chain that is put together into a new FULL restores to the same, verifies, and carries increments of its own.

mod backup_support;

use backup_support::{increment, options, repository_for, restore};
use engine::backup::{ChangesChoice, MergeOutcome, merge};
use engine::reader::ReaderChoice;
use engine::verify::{ValidationLevel, ValidationRequest, validate};
use engine::{Cancel, Error, Progress, SilentProgress};
use pgformat::MajorVersion;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::compare::{Snapshot, recover_to_restore_point};
use testkit::oracle::{check_all_pages, extract_with_public_tools, pg_verifybackup};
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions, is_available};
use vault::repository::{BackupId, BackupKind, BackupRecord, BackupState, Repository};

fn merged(repository: &Repository, id: BackupId) -> Result<MergeOutcome, Error> {
    merge(repository, id, &options(ReaderChoice::Auto, None), &SilentProgress, &Cancel::new())
}

fn take(source: &TestCluster, repository: &Repository, kind: BackupKind) -> BackupRecord {
    increment(source, repository, kind, ChangesChoice::Auto, &options(ReaderChoice::Auto, None)).record
}

fn becomes_a_full(version: MajorVersion) {
    if !is_available(version) {
        return;
    }
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &ClusterOptions::default().tablespace("aside").set("wal_keep_size", "4GB"));
    let repository_folder = folder.path().join("repository");
    let repository = repository_for(&source, &repository_folder);
    let workload = Workload::start(&source, &WorkloadOptions::default());
    workload.wait_for_rounds(1);
    take(&source, &repository, BackupKind::Full);
    take(&source, &repository, BackupKind::Differential);
    workload.wait_for_rounds(1);
    let tip = take(&source, &repository, BackupKind::Incremental);

    // The FULL says of itself what the tip does, and what it was made of.
    let full = merged(&repository, tip.id).unwrap();
    assert!(!full.already_there);
    let full = full.record;
    assert_eq!((full.kind, full.base_id, full.state), (BackupKind::Full, None, BackupState::Completed));
    assert_eq!(full.merged_from, [BackupId(1), BackupId(2), BackupId(3)]);
    assert_eq!((full.start_lsn, full.stop_lsn, full.timeline), (tip.start_lsn, tip.stop_lsn, tip.timeline));
    let deep = validate(
        &repository,
        &full,
        &ValidationRequest::new(ValidationLevel::Deep, 2),
        &SilentProgress,
        &Cancel::new(),
    )
    .unwrap();
    // A file that grew while it was read may end within a page: replay mends that, and it is told.
    let others = deep.findings.iter().filter(|finding| finding.what["key"] != "verify-partial-page");
    assert_eq!(others.count(), 0, "{:?}", deep.findings);
    let extracted = folder.path().join("extracted");
    extract_with_public_tools(&repository_folder.join("full").join(&full.archive_name), &extracted).unwrap();
    pg_verifybackup(&extracted).unwrap();

    // Asked for again, it is there.
    let again = merged(&repository, tip.id).unwrap();
    assert!(again.already_there && again.record.id == full.id);
    assert_eq!(merged(&repository, full.id).unwrap_err().key(), "backup-merge-alone");

    // The next backup stands on it, and needs nothing of the chain any more.
    let next = take(&source, &repository, BackupKind::Incremental);
    assert_eq!((next.kind, next.base_id), (BackupKind::Incremental, Some(full.id)));
    workload.stop();
    let after = Snapshot::at_restore_point(&source, "after");
    for name in ["full", "differential", "incremental"] {
        for entry in std::fs::read_dir(repository_folder.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let kept = [&full, &next].map(|record| record.archive_name.trim_end_matches(".backup").to_owned());
            if !kept.iter().any(|stem| path.file_name().unwrap().to_string_lossy().starts_with(stem.as_str())) {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    let (target, aside) = (folder.path().join("data"), folder.path().join("aside"));
    restore(&repository, &target, &[("aside", &aside)]);
    let restored = recover_to_restore_point(&target, version, &source.pg_wal(), "after");
    after.assert_equals(&restored);
    restored.stop();
    if testkit::own_program(version, "pg_checksums").is_some() {
        assert!(check_all_pages(&target).unwrap() > 1_000);
    }
}

#[test]
fn a_chain_becomes_a_full() {
    becomes_a_full(MajorVersion::V15);
}

/// Cancels after a number of bytes, wherever that is.
struct CancelAfter<'a> {
    bytes: AtomicU64,
    limit: u64,
    cancel: &'a Cancel,
}

impl Progress for CancelAfter<'_> {
    fn phase(&self, _: engine::Phase, _: Option<u64>) {}

    fn advance(&self, bytes: u64) {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes >= self.limit {
            self.cancel.cancel();
        }
    }
}

fn archives(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".backup")).count()
}

#[test]
fn a_merge_that_is_interrupted_leaves_nothing_and_may_be_repeated_and_damage_is_refused_before_it_writes() {
    let Some(version) = testkit::available_versions().pop() else { return };
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &ClusterOptions::default());
    let repository_folder = folder.path().join("repository");
    let repository = repository_for(&source, &repository_folder);
    take(&source, &repository, BackupKind::Full);
    source.sql("CREATE TABLE kept AS SELECT generate_series(1, 50000) AS n");
    let tip = take(&source, &repository, BackupKind::Incremental);
    assert_eq!(tip.kind, BackupKind::Incremental);

    let full_folder = repository_folder.join("full");
    for limit in [1, 3_000_000, 12_000_000] {
        let cancel = Cancel::new();
        let progress = CancelAfter { bytes: AtomicU64::new(0), limit, cancel: &cancel };
        let ended = merge(&repository, tip.id, &options(ReaderChoice::Auto, None), &progress, &cancel).unwrap_err();
        assert!(ended.is_cancelled(), "{ended}");
        assert_eq!(archives(&full_folder), 1);
    }
    // Damage in a link: refused, and nothing is left of the attempt.
    let archive = repository_folder.join("incremental").join(&tip.archive_name);
    let sound = std::fs::read(&archive).unwrap();
    let mut damaged = sound.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&archive, &damaged).unwrap();
    assert_eq!(merged(&repository, tip.id).unwrap_err().key(), "repository-archive-digest");
    assert_eq!(archives(&full_folder), 1);
    std::fs::write(&archive, &sound).unwrap();

    let full = merged(&repository, tip.id).unwrap().record;
    let target = folder.path().join("data");
    restore(&repository, &target, &[]);
    let restored = TestCluster::adopt(version, &target);
    restored.start();
    restored.wait_until("SELECT NOT pg_is_in_recovery()");
    assert_eq!(restored.sql("SELECT count(*), sum(n) FROM kept"), "50000|1250025000");
    assert_eq!(repository.latest().unwrap().id, full.id);
}

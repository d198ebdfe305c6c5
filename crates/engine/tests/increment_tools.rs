//! Chains of DIFERENCIAL and INCREMENTAL backups are PostgreSQL's own: from 17 on, its tools verify them and put them together,
//! and the result is what the source was.

mod backup_support;

use backup_support::{increment, options, repository_for};
use engine::backup::ChangesChoice;
use engine::reader::ReaderChoice;
use pgformat::MajorVersion;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::compare::{Snapshot, recover_to_restore_point};
use testkit::oracle::{check_all_pages, extract_with_public_tools, give_to_server, pg_verifybackup};
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions, is_available, own_program};
use vault::repository::{BackupKind, BackupRecord};

/// Unpacks an archive and has PostgreSQL's verifier look at it.
fn unpacked(repository: &Path, record: &BackupRecord, folder: &Path) -> PathBuf {
    let archive = repository.join(record.kind.folder()).join(&record.archive_name);
    let target = folder.join(format!("unpacked{}", record.id));
    extract_with_public_tools(&archive, &target).unwrap();
    pg_verifybackup(&target).unwrap();
    target
}

/// Runs pg_combinebackup of the version.
fn combine(version: MajorVersion, chain: &[PathBuf], target: &Path) {
    let output = Command::new(own_program(version, "pg_combinebackup").unwrap())
        .args(chain)
        .arg("-o")
        .arg(target)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    give_to_server(target);
}

fn is_put_together(version: MajorVersion, changes: ChangesChoice, reader: ReaderChoice) {
    if !is_available(version) {
        return;
    }
    let folder = TestFolder::new();
    let cluster = ClusterOptions::default().set("summarize_wal", "on").set("wal_keep_size", "4GB");
    let source = TestCluster::new(version, &cluster);
    let repository_folder = folder.path().join("repository");
    let repository = repository_for(&source, &repository_folder);
    let workload = Workload::start(&source, &WorkloadOptions::default());
    let mut records = Vec::new();
    for kind in [BackupKind::Full, BackupKind::Differential, BackupKind::Incremental, BackupKind::Incremental] {
        workload.wait_for_rounds(1);
        let options = options(reader, None);
        records.push(increment(&source, &repository, kind, changes, &options).record);
    }
    workload.wait_for_rounds(1);
    workload.stop();
    let snapshot = Snapshot::at_restore_point(&source, "after");

    let kinds: Vec<BackupKind> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds[1..], [BackupKind::Differential, BackupKind::Incremental, BackupKind::Incremental]);
    for record in &records[1..] {
        assert_eq!(record.changes_found_by.as_deref(), Some(word(changes)), "{:?}", record.changes_passed_over);
        assert_eq!((record.corrupt_pages_total, record.warnings.as_slice()), (0, [].as_slice()));
    }
    let chain: Vec<PathBuf> =
        records.iter().map(|record| unpacked(&repository_folder, record, folder.path())).collect();
    let combined = folder.path().join("combined");
    combine(version, &chain, &combined);
    pg_verifybackup(&combined).unwrap();
    let restored = recover_to_restore_point(&combined, version, &source.pg_wal(), "after");
    snapshot.assert_equals(&restored);
    restored.stop();
    assert!(check_all_pages(&combined).unwrap() > 1_000);
}

fn word(changes: ChangesChoice) -> &'static str {
    match changes {
        ChangesChoice::Auto | ChangesChoice::Wal => "wal",
        ChangesChoice::Server => "server",
        ChangesChoice::Scan => "scan",
    }
}

#[test]
fn a_chain_by_the_server_s_summaries_is_put_together_by_postgresql() {
    is_put_together(MajorVersion::V18, ChangesChoice::Server, ReaderChoice::Auto);
}

#[test]
fn a_chain_by_scan_over_sql_is_put_together_by_postgresql() {
    is_put_together(MajorVersion::V17, ChangesChoice::Scan, ReaderChoice::Sql);
}

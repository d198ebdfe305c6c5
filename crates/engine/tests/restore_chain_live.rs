//! Chains of real servers of every version: what is restored is what the source was, and block for block what PostgreSQL's own
//! pg_combinebackup makes of the same archives.

mod backup_support;

use backup_support::{increment, options, repository_for, restore, restore_over};
use engine::backup::ChangesChoice;
use engine::reader::ReaderChoice;
use engine::verify::{ValidationLevel, ValidationRequest, validate};
use engine::{Cancel, SilentProgress};
use pgformat::MajorVersion;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::compare::{Snapshot, recover_to_restore_point};
use testkit::oracle::{check_all_pages, extract_with_public_tools, pg_verifybackup};
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions, is_available, own_program};
use vault::repository::{BackupKind, BackupRecord, Repository};

const KINDS: [BackupKind; 4] =
    [BackupKind::Full, BackupKind::Differential, BackupKind::Incremental, BackupKind::Incremental];

/// A repository with a FULL, a DIFERENCIAL and two INCREMENTALs taken under load, and what the source held afterwards.
struct Chain {
    repository: Repository,
    records: Vec<BackupRecord>,
    after: Snapshot,
    source: TestCluster,
    folder: TestFolder,
}

fn chain_of(version: MajorVersion, cluster: &ClusterOptions, changes: ChangesChoice) -> Chain {
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &cluster.clone().set("wal_keep_size", "4GB"));
    let repository = repository_for(&source, &folder.path().join("repository"));
    let workload = Workload::start(&source, &WorkloadOptions::default());
    let mut records = Vec::new();
    for kind in KINDS {
        workload.wait_for_rounds(1);
        records.push(increment(&source, &repository, kind, changes, &options(ReaderChoice::Auto, None)).record);
    }
    workload.wait_for_rounds(1);
    workload.stop();
    let after = Snapshot::at_restore_point(&source, "after");
    assert_eq!(records.iter().map(|record| record.kind).collect::<Vec<_>>(), KINDS);
    Chain { repository, records, after, source, folder }
}

fn comes_back(version: MajorVersion, changes: ChangesChoice) {
    if !is_available(version) {
        return;
    }
    let chain = chain_of(version, &ClusterOptions::default().tablespace("fast"), changes);
    for record in &chain.records {
        let report = validate(
            &chain.repository,
            record,
            &ValidationRequest::new(ValidationLevel::Deep, 2),
            &SilentProgress,
            &Cancel::new(),
        )
        .unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
    let (target, tablespace) = (chain.folder.path().join("data"), chain.folder.path().join("new-fast"));
    restore(&chain.repository, &target, &[("fast", &tablespace)]);
    let restored = recover_to_restore_point(&target, version, &chain.source.pg_wal(), "after");
    chain.after.assert_equals(&restored);
    // It goes on by itself, is damaged, and is put back to the same state.
    restored.sql("CREATE TABLE newer AS SELECT n, md5(n::text) FROM generate_series(1, 20000) n");
    restored.sql("CREATE DATABASE another");
    restored.sql("ALTER TABLE newer SET TABLESPACE fast");
    restored.stop();
    damage(&target);
    let tablespaces = [("fast", tablespace.as_path())];
    let (written_bytes, plain_bytes) = restore_over(&chain.repository, &target, &tablespaces);
    // The template databases, at least, stayed as they were: some 15 MB.
    assert!(written_bytes + 10_000_000 < plain_bytes, "{written_bytes} of {plain_bytes}");
    let restored = recover_to_restore_point(&target, version, &chain.source.pg_wal(), "after");
    chain.after.assert_equals(&restored);
    restored.stop();
    if own_program(version, "pg_checksums").is_some() {
        assert!(check_all_pages(&target).unwrap() > 1_000);
    }
}

/// Flips a byte in the middle of every seventh relation file, and cuts every eleventh.
fn damage(data_directory: &Path) {
    let mut paths: Vec<String> = files(data_directory).into_keys().filter(|path| path.starts_with("base/")).collect();
    paths.sort();
    for (number, path) in paths.iter().enumerate() {
        let path = data_directory.join(path);
        let mut content = std::fs::read(&path).unwrap();
        let middle = content.len() / 2;
        if number % 11 == 0 {
            content.truncate(middle);
        } else if let Some(byte) = content.get_mut(middle).filter(|_| number % 7 == 0) {
            *byte ^= 0x20;
        }
        // In place: the file keeps its owner and mode.
        std::fs::write(path, content).unwrap();
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn is_what_postgresql_makes_of_it(version: MajorVersion) {
    if !is_available(version) {
        return;
    }
    let chain = chain_of(version, &ClusterOptions::default(), ChangesChoice::Auto);
    let unpacked: Vec<PathBuf> = chain
        .records
        .iter()
        .map(|record| {
            let folder = chain.folder.path().join("repository").join(record.kind.folder());
            let target = chain.folder.path().join(format!("unpacked{}", record.id));
            extract_with_public_tools(&folder.join(&record.archive_name), &target).unwrap();
            pg_verifybackup(&target).unwrap();
            target
        })
        .collect();
    let combined = chain.folder.path().join("combined");
    let program = own_program(version, "pg_combinebackup").expect("17 and 18 have it");
    let output = Command::new(program).args(&unpacked).arg("-o").arg(&combined).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let target = chain.folder.path().join("data");
    restore(&chain.repository, &target, &[]);
    let (mut ours, mut theirs) = (files(&target), files(&combined));
    // A restored directory is no backup, and says so by having no manifest; theirs lists what they put together.
    assert!(theirs.remove("backup_manifest").is_some() && !ours.contains_key("backup_manifest"));
    // How the server is to recover.
    let (settings, before) =
        (ours.remove("postgresql.auto.conf").unwrap(), theirs.remove("postgresql.auto.conf").unwrap());
    assert!(settings.starts_with(&before));
    assert_eq!(ours.remove("recovery.signal"), Some(vec![]));
    assert!(ours.len() > 900);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (path, content) in &theirs {
        assert!(ours[path] == *content, "{path} differs");
    }
}

macro_rules! chains {
    ($($module:ident: $version:ident),*) => {$(
        mod $module {
            use super::*;

            // The other ways of finding changes have their turn on every version in the command's `chain_links`.
            #[test]
            fn a_chain_comes_back() {
                comes_back(MajorVersion::$version, ChangesChoice::Auto);
            }
        }
    )*};
}

chains!(version_14: V14, version_15: V15, version_16: V16, version_17: V17, version_18: V18);

#[test]
fn a_restore_of_17_is_what_pg_combinebackup_makes() {
    is_what_postgresql_makes_of_it(MajorVersion::V17);
}

#[test]
fn a_restore_of_18_is_what_pg_combinebackup_makes() {
    is_what_postgresql_makes_of_it(MajorVersion::V18);
}

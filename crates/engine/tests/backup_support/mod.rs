//! Backups of test clusters, and what is done with them.

#![allow(dead_code, reason = "each test binary uses its own part")]

use engine::backup::{BackupOptions, BackupOutcome, BackupRequest, ChangesChoice, run_backup, run_full};
use engine::restore::{RestoreRequest, RestoreSelector, apply, plan};
use engine::{Cancel, Error, SilentProgress};
use std::path::Path;
use testkit::TestCluster;
pub use testkit::{backup_options as options, repository_for};
use vault::repository::{BackupKind, Repository};

/// Slow enough that much happens while a cluster of some ten megabytes is read.
pub const RATE_BYTES: u64 = 24_000_000;

pub fn full(source: &TestCluster, repository: &Repository, options: &BackupOptions) -> BackupOutcome {
    try_full(source, repository, options).unwrap()
}

/// Takes a backup of any kind.
pub fn increment(
    source: &TestCluster,
    repository: &Repository,
    kind: BackupKind,
    changes: ChangesChoice,
    options: &BackupOptions,
) -> BackupOutcome {
    let settings = source.connection_settings("postgres");
    let request = BackupRequest { changes, ..BackupRequest::of(kind) };
    run_backup(&settings, repository, request, options, &SilentProgress, &Cancel::new()).unwrap()
}

pub fn try_full(
    source: &TestCluster,
    repository: &Repository,
    options: &BackupOptions,
) -> Result<BackupOutcome, Error> {
    let settings = source.connection_settings("postgres");
    run_full(&settings, repository, options, &SilentProgress, &Cancel::new())
}

pub fn restore(repository: &Repository, target: &Path, tablespaces: &[(&str, &Path)]) {
    let request = RestoreRequest {
        selector: RestoreSelector::Latest,
        target: Some(target.to_owned()),
        tablespaces: tablespaces.iter().map(|(old, new)| ((*old).to_owned(), new.to_path_buf())).collect(),
        owner: Some(testkit::server_owner().name),
        jobs: 2,
        over: false,
        recovery: Default::default(),
    };
    let plan = plan(repository, &request).unwrap();
    apply(repository, &plan, &SilentProgress, &Cancel::new()).unwrap();
}

/// Restores over the cluster in `target`; returns how many bytes of the backup's files were written, and how many there are.
pub fn restore_over(repository: &Repository, target: &Path, tablespaces: &[(&str, &Path)]) -> (u64, u64) {
    let request = RestoreRequest {
        selector: RestoreSelector::Latest,
        target: Some(target.to_owned()),
        tablespaces: tablespaces.iter().map(|(old, new)| ((*old).to_owned(), new.to_path_buf())).collect(),
        owner: Some(testkit::server_owner().name),
        jobs: 2,
        over: true,
        recovery: Default::default(),
    };
    let plan = plan(repository, &request).unwrap();
    let outcome = apply(repository, &plan, &SilentProgress, &Cancel::new()).unwrap();
    (outcome.over.expect("the target is a cluster").written_bytes, plan.plain_bytes)
}

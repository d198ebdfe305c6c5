//! Backups of test clusters, and what is done with them.

#![allow(dead_code, reason = "each test binary uses its own part")]

use engine::backup::{BackupOptions, BackupOutcome, run_full};
use engine::cluster::{Connection, probe};
use engine::reader::ReaderChoice;
use engine::restore::{RestoreRequest, RestoreSelector, apply, plan};
use engine::{Cancel, Error, SilentProgress};
use std::path::Path;
use std::sync::Arc;
use testkit::TestCluster;
use vault::repository::{Repository, RepositoryDescription};
use vault::storage::LocalFolder;

/// Slow enough that much happens while a cluster of some ten megabytes is read.
pub const RATE_BYTES: u64 = 12_000_000;

pub fn repository_for(source: &TestCluster, folder: &Path) -> Repository {
    let info = probe(&mut Connection::connect(&source.connection_settings("postgres")).unwrap()).unwrap();
    let description = RepositoryDescription {
        format_version: vault::repository::FORMAT_VERSION,
        system_identifier: info.system_identifier,
        postgresql_version: info.version,
        encryption_recipients: Vec::new(),
        created_by: "test".to_owned(),
    };
    Repository::create(Arc::new(LocalFolder::new(folder)), &description).unwrap()
}

pub fn options(reader: ReaderChoice, max_rate_bytes: Option<u64>) -> BackupOptions {
    BackupOptions {
        reader,
        jobs: 2,
        compression_level: 1,
        max_rate_bytes,
        fast_checkpoint: true,
        label: None,
        tool_version: "test".to_owned(),
        time_zone: jiff::tz::TimeZone::UTC,
        temporary_folder: std::env::temp_dir(),
    }
}

pub fn full(source: &TestCluster, repository: &Repository, options: &BackupOptions) -> BackupOutcome {
    try_full(source, repository, options).unwrap()
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
        recovery: Default::default(),
    };
    let plan = plan(repository, &request).unwrap();
    apply(repository, &plan, &SilentProgress, &Cancel::new()).unwrap();
}

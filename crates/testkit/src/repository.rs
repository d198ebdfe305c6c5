//! A repository for a test cluster, and options for its backups.

use crate::TestCluster;
use engine::backup::BackupOptions;
use engine::cluster::{Connection, probe};
use engine::reader::ReaderChoice;
use std::path::Path;
use std::sync::Arc;
use vault::repository::{FORMAT_VERSION, Repository, RepositoryDescription};
use vault::storage::LocalFolder;

/// Makes the repository of a running cluster in `folder`.
///
/// # Panics
/// When the cluster does not answer or the folder can't be written.
pub fn repository_for(source: &TestCluster, folder: &Path) -> Repository {
    let connection = Connection::connect(&source.connection_settings("postgres"));
    let info = connection.and_then(|mut connection| probe(&mut connection)).unwrap_or_else(|error| panic!("{error}"));
    let description = RepositoryDescription {
        format_version: FORMAT_VERSION,
        system_identifier: info.system_identifier,
        postgresql_version: info.version,
        encryption_recipients: Vec::new(),
        created_by: "test".to_owned(),
    };
    Repository::create(Arc::new(LocalFolder::new(folder)), &description).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns options for a quick backup with two workers.
pub fn backup_options(reader: ReaderChoice, max_rate_bytes: Option<u64>) -> BackupOptions {
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

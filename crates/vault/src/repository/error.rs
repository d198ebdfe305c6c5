use crate::archive::ArchiveError;
use crate::storage::StorageError;
use serde::Serialize;

/// Says what is wrong with a repository. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum RepositoryError {
    #[error("there is no repository in {storage}")]
    RepositoryAbsent { storage: String },
    #[error("{storage} holds the repository of cluster {found}, not of {wanted}")]
    RepositoryForeign { storage: String, found: String, wanted: String },
    #[error("the repository in {storage} has format version {found}; this program reads up to {supported}")]
    RepositoryNewer { storage: String, found: u32, supported: u32 },
    #[error("{object} in {storage} can't be read: {detail}")]
    RepositoryUnreadable { storage: String, object: String, detail: String },
    #[error("a backup is running: {name}, process {pid} on {host}, since {since}")]
    RepositoryBusy { name: String, pid: u32, host: String, since: String },
    #[error("there is no backup {id}")]
    RepositoryNoBackup { id: String },
    #[error("there is no completed backup")]
    RepositoryEmpty {},
    #[error("the archive of backup {id}, {object}, is missing")]
    RepositoryArchiveMissing { id: String, object: String },
    #[error("the archive of backup {id}, {object}, has {found_bytes} bytes; its record says {recorded_bytes}")]
    RepositoryArchiveSize { id: String, object: String, found_bytes: u64, recorded_bytes: u64 },
    #[error("the archive of backup {id}, {object}, has SHA-256 {found}; its record says {recorded}")]
    RepositoryArchiveDigest { id: String, object: String, found: String, recorded: String },
    #[error(transparent)]
    #[serde(untagged)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    #[serde(untagged)]
    Archive(#[from] ArchiveError),
}

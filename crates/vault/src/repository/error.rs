use super::ChainFault;
use crate::archive::ArchiveError;
use crate::storage::StorageError;
use serde::Serialize;

/// Says what is wrong with a repository. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs)] // of the fields: each is named by the sentence above it
pub enum RepositoryError {
    /// No `cadena.json`.
    #[error("there is no repository in {storage}")]
    RepositoryAbsent { storage: String },
    /// The repository belongs to another cluster.
    #[error("{storage} holds the repository of cluster {found}, not of {wanted}")]
    RepositoryForeign { storage: String, found: String, wanted: String },
    /// Made by a newer version of the layout.
    #[error("the repository in {storage} has format version {found}; this program reads up to {supported}")]
    RepositoryNewer { storage: String, found: u32, supported: u32 },
    /// An object that has to be understood is not.
    #[error("{object} in {storage} can't be read: {detail}")]
    RepositoryUnreadable { storage: String, object: String, detail: String },
    /// Another backup, or a cleanup, holds the lock. `work` says which.
    #[error("a {work} is running: {name}, process {pid} on {host}, since {since}")]
    RepositoryBusy { work: &'static str, name: String, pid: u32, host: String, since: String },
    /// No record has the id.
    #[error("there is no backup {id}")]
    RepositoryNoBackup { id: String },
    /// No backup is COMPLETADO.
    #[error("there is no completed backup")]
    RepositoryEmpty {},
    /// Databases can be restored from it, a cluster can't. `id` is the newest logical backup.
    #[error("there are logical backups only, of which {id} is the newest")]
    RepositoryOnlyLogical { id: String },
    /// The record is there, the archive is not.
    #[error("the archive of backup {id}, {object}, is missing")]
    RepositoryArchiveMissing { id: String, object: String },
    /// The archive was cut or grew.
    #[error("the archive of backup {id}, {object}, has {found_bytes} bytes; its record says {recorded_bytes}")]
    RepositoryArchiveSize { id: String, object: String, found_bytes: u64, recorded_bytes: u64 },
    /// The archive was changed.
    #[error("the archive of backup {id}, {object}, has SHA-256 {found}; its record says {recorded}")]
    RepositoryArchiveDigest { id: String, object: String, found: String, recorded: String },
    /// Only completed backups have an archive.
    #[error("backup {id} is {state}, so it has no archive")]
    RepositoryNotCompleted { id: String, state: String },
    /// A record that was to be written would not be read again: a fault of the caller.
    #[error("the record of backup {id} can't be written: {detail}")]
    RepositoryRecordInvalid { id: String, detail: String },
    /// A backup that was to be removed is still needed, or has changed: a fault of the caller, or of somebody who works beside us.
    #[error("backup {id} is not removed: {detail}")]
    RepositoryRemovalRefused { id: String, detail: String },
    /// The process that made a backup died, or gave up without a word. Never returned: FALLIDO records hold it.
    #[error("process {pid} on {host} ended before the backup was complete")]
    BackupInterrupted { host: String, pid: u32 },
    /// A chain can't be restored.
    #[error(transparent)]
    #[serde(untagged)]
    Chain(Box<ChainFault>),
    /// The storage failed.
    #[error(transparent)]
    #[serde(untagged)]
    Storage(#[from] StorageError),
    /// The archive is not what it should be.
    #[error(transparent)]
    #[serde(untagged)]
    Archive(#[from] ArchiveError),
}

impl From<ChainFault> for RepositoryError {
    fn from(fault: ChainFault) -> Self {
        RepositoryError::Chain(Box::new(fault))
    }
}

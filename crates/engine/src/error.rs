use serde::Serialize;
use vault::archive::ArchiveError;
use vault::journal::JournalError;
use vault::repository::RepositoryError;
use vault::storage::StorageError;
use vault::wal::WalArchiveError;

/// Any error of this library. Serializes to `{"key": …, arguments}`; the key names its sentence and its remedy in the
/// message catalogues.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(untagged)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] crate::cluster::ClusterError),
    #[error(transparent)]
    Read(#[from] crate::reader::ReadError),
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
    #[error(transparent)]
    Restore(#[from] crate::restore::RestoreError),
    #[error(transparent)]
    ThrowAway(#[from] crate::restore::ThrowAwayError),
    #[error(transparent)]
    Database(#[from] crate::restore::DatabaseError),
    #[error(transparent)]
    Chain(#[from] crate::chain::ChainError),
    #[error(transparent)]
    Verify(#[from] crate::verify::VerifyError),
    #[error(transparent)]
    Retention(#[from] crate::retention::RetentionError),
    #[error(transparent)]
    Replica(#[from] crate::replica::ReplicaError),
    #[error(transparent)]
    Pipeline(#[from] crate::pipeline::PipelineError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Wal(#[from] crate::wal::WalError),
    #[error(transparent)]
    WalArchive(#[from] WalArchiveError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Format(#[from] pgformat::FormatError),
}

impl Error {
    /// Returns the error's key, such as `repository-busy`.
    pub fn key(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["key"].as_str().unwrap_or("unknown").to_owned()
    }

    /// Tells whether something could not be read because no identity was given: whoever only encrypts goes on without it.
    pub(crate) fn lacks_identity(&self) -> bool {
        self.key() == "encryption-identity-missing"
    }

    /// Tells whether the operation ended because its [`crate::Cancel`] was set.
    pub fn is_cancelled(&self) -> bool {
        self.key() == "cancelled"
    }
}

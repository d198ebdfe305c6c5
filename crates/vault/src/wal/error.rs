use crate::repository::RepositoryError;
use crate::storage::StorageError;
use serde::Serialize;

/// Says what went wrong with archived WAL. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each message says what its fields are")]
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum WalArchiveError {
    /// Not archived.
    #[error("WAL segment {segment} is not in {storage}")]
    WalMissing { segment: String, storage: String },
    /// What is stored is not what was archived.
    #[error("WAL segment {segment} in {storage} is damaged: {detail}")]
    WalDamaged { segment: String, storage: String, detail: String },
    /// The bytes that are to be archived are no WAL of that segment.
    #[error("these bytes are not WAL segment {segment}: {detail}")]
    WalInvalid { segment: String, detail: String },
    /// The same segment with other bytes.
    #[error("WAL segment {segment} is in {storage} already, with other content: {detail}")]
    WalConflict { segment: String, storage: String, detail: String },
    /// The same timeline with another history.
    #[error("the history of timeline {timeline} is in {storage} already, with other content")]
    WalHistoryConflict { timeline: String, storage: String },
    /// WAL of another cluster.
    #[error("this WAL is of the cluster with system identifier {found}; the repository belongs to {expected}")]
    WalForeign { expected: String, found: String },
    /// WAL of the same cluster with other sizes or of another version.
    #[error("the WAL archive has {what} {expected}; this is {found}")]
    WalGeometry { what: &'static str, expected: String, found: String },
    /// Made by a newer version.
    #[error("{object} has format {found}; this version reads up to {supported}")]
    WalNewer { object: String, found: u32, supported: u32 },
    /// The description or a gap's note can't be read.
    #[error("{object} in {storage} can't be read: {detail}")]
    WalUnreadable { object: String, storage: String, detail: String },
    #[error(transparent)]
    #[serde(untagged)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    #[serde(untagged)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    #[serde(untagged)]
    Format(#[from] pgformat::FormatError),
}

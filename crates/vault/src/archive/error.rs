use crate::storage::StorageError;
use serde::Serialize;

/// Says what is wrong with an archive. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ArchiveError {
    /// No seek table, no index, bad lengths, a frame that does not decode, a digest that differs.
    #[error("the archive is damaged at byte {offset}: {detail}")]
    ArchiveDamaged { offset: u64, detail: String },
    /// A member whose path could leave the target: `..`, absolute, empty part, NUL, a link, a device.
    #[error("the archive holds a member that is refused: {path:?}: {reason}")]
    ArchiveHostileMember { path: String, reason: &'static str },
    /// Sizes that no real archive has.
    #[error("the archive claims an absurd size: {what} = {value}")]
    ArchiveAbsurd { what: &'static str, value: u64 },
    /// Made by a newer version of this format.
    #[error("the archive has format version {found}; this program reads up to {supported}")]
    ArchiveNewer { found: u32, supported: u32 },
    #[error("the archive has no member {path:?}")]
    ArchiveNoMember { path: String },
    #[error("compression failed: {detail}")]
    ArchiveCodec { detail: String },
    #[error(transparent)]
    #[serde(untagged)]
    Storage(#[from] StorageError),
}

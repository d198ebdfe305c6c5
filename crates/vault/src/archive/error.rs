use crate::encryption::EncryptionError;
use crate::storage::StorageError;
use serde::Serialize;

/// Says what is wrong with an archive. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ArchiveError {
    /// No seek table, no index, bad lengths, a frame that does not decode, a checksum that differs.
    #[error("the archive is damaged at byte {offset}: {detail}")]
    ArchiveDamaged {
        /// Counted in the archive file.
        offset: u64,
        /// What is wrong there, in English.
        detail: String,
    },
    /// The tar stream is not the one that the index describes.
    #[error("the archive's tar stream is wrong at its byte {plain_offset}: {detail}")]
    ArchiveTarDamaged {
        /// Counted in the tar stream, that is, after decompression.
        plain_offset: u64,
        /// What is wrong there, in English.
        detail: String,
    },
    /// A member's content does not match the CRC-32C that the index has for it.
    #[error("the archive's content of {path:?} does not match its checksum")]
    ArchiveContentDamaged {
        /// The member.
        path: String,
        /// The index's.
        expected_crc32c: u32,
        /// The content's.
        found_crc32c: u32,
    },
    /// A member whose path could leave the target: `..`, absolute, empty part, NUL; or one that would overwrite another member.
    #[error("the archive holds a member that is refused: {path:?}: {reason}")]
    ArchiveHostileMember {
        /// The member; bytes that are not UTF-8 are escaped.
        path: String,
        /// Why, in English.
        reason: &'static str,
    },
    /// Sizes that no real archive has.
    #[error("the archive claims an absurd size: {what} = {value}")]
    ArchiveAbsurd {
        /// Which size, in English.
        what: &'static str,
        /// The claim.
        value: u64,
    },
    /// Made by a newer version of this format.
    #[error("the archive has format version {found}; this program reads up to {supported}")]
    ArchiveNewer {
        /// The archive's.
        found: u32,
        /// This program's.
        supported: u32,
    },
    /// The index has no such member.
    #[error("the archive has no member {path:?}")]
    ArchiveNoMember {
        /// The path that was looked for.
        path: String,
    },
    /// zstd refused: a level that does not exist, no memory, bytes that are no frame.
    #[error("compression failed: {detail}")]
    ArchiveCodec {
        /// zstd's words.
        detail: String,
    },
    /// The caller broke the rules of the writer or reader: a defect of this program, found before harm was done.
    #[error("the archive was put together or read wrongly: {detail}")]
    ArchiveMisuse {
        /// Which rule, in English.
        detail: String,
    },
    /// The storage failed.
    #[error(transparent)]
    #[serde(untagged)]
    Storage(StorageError),
}

impl From<StorageError> for ArchiveError {
    /// What can't be decrypted, because it was changed since, is damaged.
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Encryption(EncryptionError::EncryptionDamaged { detail, .. }) => {
                ArchiveError::ArchiveDamaged { offset: 0, detail: format!("it can't be decrypted: {detail}") }
            }
            error => ArchiveError::Storage(error),
        }
    }
}

impl ArchiveError {
    pub(super) fn damaged(offset: u64, detail: impl Into<String>) -> Self {
        ArchiveError::ArchiveDamaged { offset, detail: detail.into() }
    }

    pub(super) fn misuse(detail: impl Into<String>) -> Self {
        ArchiveError::ArchiveMisuse { detail: detail.into() }
    }

    pub(super) fn hostile(path: &[u8], reason: &'static str) -> Self {
        ArchiveError::ArchiveHostileMember { path: printable(path), reason }
    }
}

/// Shows a path in a message: UTF-8 as it is, other bytes escaped, so that two paths never look the same.
pub(super) fn printable(path: &[u8]) -> String {
    const SHOWN_BYTES: usize = 512;
    let shown = &path[..path.len().min(SHOWN_BYTES)];
    match std::str::from_utf8(shown) {
        Ok(text) => text.to_owned(),
        Err(_) => shown.escape_ascii().to_string(),
    }
}

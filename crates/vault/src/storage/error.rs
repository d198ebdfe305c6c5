use serde::Serialize;

/// Says what went wrong with stored bytes. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum StorageError {
    #[error("there is no {object} in {storage}")]
    StorageMissing { storage: String, object: String },
    #[error("{object} is already in {storage}")]
    StorageExists { storage: String, object: String },
    #[error("{object} in {storage} ends at {size_bytes} bytes, {wanted_bytes} were wanted")]
    StorageShort { storage: String, object: String, size_bytes: u64, wanted_bytes: u64 },
    #[error("{object:?} is no valid key: {reason}")]
    StorageKey { object: String, reason: &'static str },
    #[error("no space left for {object} in {storage}")]
    StorageFull { storage: String, object: String },
    #[error("permission denied for {object} in {storage}")]
    StorageDenied { storage: String, object: String },
    #[error("{action} {object} in {storage} failed: {cause}")]
    StorageIo { storage: String, object: String, action: &'static str, cause: String },
}

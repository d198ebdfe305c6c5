use crate::encryption::EncryptionError;
use serde::Serialize;
use std::io;

/// Says what went wrong with stored bytes. Serializes to `{"key": …, arguments}`.
#[derive(Debug, Clone, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum StorageError {
    /// Nothing lies under the key.
    #[error("there is no {object} in {storage}")]
    StorageMissing {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
    },
    /// Something lies under the key already, and it is kept.
    #[error("{object} is already in {storage}")]
    StorageExists {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
    },
    /// The object ends before the bytes that were asked for.
    #[error("{object} in {storage} ends at {size_bytes} bytes, {wanted_bytes} were wanted")]
    StorageShort {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
        /// Where the object ends.
        size_bytes: u64,
        /// Where the wanted range ends.
        wanted_bytes: u64,
    },
    /// The key could leave the storage, or no storage could keep it.
    #[error("{object:?} is no valid key: {reason}")]
    StorageKey {
        /// The key.
        object: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A symbolic link stands where a write or a delete would have to follow it out of the storage.
    #[error("a symbolic link, {link}, stands in the way of {object} in {storage}")]
    StorageLink {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
        /// The name of the link.
        link: String,
    },
    /// The disk or the quota is used up.
    #[error("no space left for {object} in {storage}")]
    StorageFull {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
    },
    /// This user may not, or the storage is read-only.
    #[error("permission denied for {object} in {storage}")]
    StorageDenied {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
    },
    /// The storage keeps the object from being removed: a retention that is not over, a legal hold.
    #[error("{object} in {storage} can't be removed: {reason}")]
    StorageLocked {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
        /// What keeps it, and until when.
        reason: String,
    },
    /// A storage elsewhere did not answer in the time that it was given.
    #[error("{storage} can't be reached for {object}: given up after {seconds} s: {cause}")]
    StorageUnreachable {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
        /// How long it was tried.
        seconds: u64,
        /// What the last attempt met.
        cause: String,
    },
    /// A storage elsewhere asked for patience (429, 503), longer than it was given.
    #[error("{storage} asks to slow down for {object}: given up after {seconds} s: {cause}")]
    StorageThrottled {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
        /// How long it was tried.
        seconds: u64,
        /// What it said last.
        cause: String,
    },
    /// What arrived there, or here, is not what was sent.
    #[error("{object} in {storage}: the bytes that arrived are not those that were sent: {detail}")]
    StorageWrongBytes {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
        /// What differs.
        detail: String,
    },
    /// Somebody else wrote an object that only we should write, or that we were reading.
    #[error("{object} in {storage} was changed by somebody else meanwhile")]
    StorageChanged {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
    },
    /// The lease of a lock ran out and somebody else has it now, or may have it.
    #[error("the lock {object} in {storage} is no longer ours")]
    StorageLockLost {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The lock's key.
        object: String,
    },
    /// Without conditional writes nobody can be kept out: such a storage can be a replica, not a repository.
    #[error("{storage} knows no conditional writes: it can hold a replica, but no repository")]
    StorageReplicaOnly {
        /// What [`super::Storage::describe`] says.
        storage: String,
    },
    /// The address or an option can't be used.
    #[error("{storage}: {setting}: {detail}")]
    StorageSetting {
        /// The address, without a secret.
        storage: String,
        /// The option's name, or `url`.
        setting: String,
        /// What is wrong, or allowed.
        detail: String,
    },
    /// There are no credentials, or they can't be used.
    #[error("no usable credentials for {storage}: {detail}")]
    StorageCredentials {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// What was tried.
        detail: String,
    },
    /// Anything else, with the system's own words.
    #[error("{action} {object} in {storage} failed: {cause}")]
    StorageIo {
        /// What [`super::Storage::describe`] says.
        storage: String,
        /// The key.
        object: String,
        /// What was being done: `write`, `open`, `sync`, …
        action: &'static str,
        /// The system's own words.
        cause: String,
    },
    /// It is encrypted, and can't be opened.
    #[error(transparent)]
    #[serde(untagged)]
    Encryption(#[from] EncryptionError),
}

/// A symbolic link that is not followed; travels inside an [`io::Error`] until storage and key are known.
#[derive(Debug, thiserror::Error)]
#[error("{0} is a symbolic link")]
pub(super) struct LinkInTheWay(pub(super) String);

impl StorageError {
    /// Makes the error that an [`io::Error`] stands for; one that carries a `StorageError` gives it back unchanged.
    pub fn from_io(storage: &str, object: &str, action: &'static str, error: &io::Error) -> Self {
        if let Some(inner) = Self::inside(error) {
            return inner.clone();
        }
        let (storage, object) = (storage.to_owned(), object.to_owned());
        if let Some(LinkInTheWay(link)) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return StorageError::StorageLink { storage, object, link: link.clone() };
        }
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::StorageFull { storage, object },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StorageError::StorageDenied { storage, object }
            }
            _ => StorageError::StorageIo { storage, object, action, cause: error.to_string() },
        }
    }

    /// Tells whether a removal was refused for good: nothing was removed, and the same request would not be granted now.
    pub fn is_refusal(&self) -> bool {
        matches!(self, StorageError::StorageDenied { .. } | StorageError::StorageLocked { .. })
    }

    /// Returns the `StorageError` that an [`io::Error`] carries: what a write into a [`super::PutStream`] fails with.
    pub fn inside(error: &io::Error) -> Option<&StorageError> {
        error.get_ref()?.downcast_ref()
    }

    /// Wraps the error so that it passes through [`io::Write`]; [`StorageError::inside`] finds it again.
    pub fn into_io(self) -> io::Error {
        let kind = match &self {
            StorageError::StorageMissing { .. } => io::ErrorKind::NotFound,
            StorageError::StorageExists { .. } => io::ErrorKind::AlreadyExists,
            StorageError::StorageShort { .. } => io::ErrorKind::UnexpectedEof,
            StorageError::StorageKey { .. } | StorageError::StorageLink { .. } => io::ErrorKind::InvalidInput,
            StorageError::StorageFull { .. } => io::ErrorKind::StorageFull,
            StorageError::StorageDenied { .. } | StorageError::StorageLocked { .. } => io::ErrorKind::PermissionDenied,
            StorageError::StorageUnreachable { .. } => io::ErrorKind::TimedOut,
            StorageError::StorageSetting { .. } => io::ErrorKind::InvalidInput,
            StorageError::StorageReplicaOnly { .. } => io::ErrorKind::Unsupported,
            StorageError::StorageCredentials { .. } => io::ErrorKind::PermissionDenied,
            StorageError::StorageWrongBytes { .. } => io::ErrorKind::InvalidData,
            StorageError::StorageThrottled { .. }
            | StorageError::StorageChanged { .. }
            | StorageError::StorageLockLost { .. }
            | StorageError::Encryption(_)
            | StorageError::StorageIo { .. } => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }
}

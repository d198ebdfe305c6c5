//! What a single request can meet, before it is known whether another attempt helps.

use std::time::Duration;
use vault::storage::StorageError;

/// Why a request did not do what it should.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// There is no such object (or upload).
    Missing,
    /// A condition was not met: the object is there already, or it changed.
    Condition,
    /// Another request on the same object was under way.
    Collision(String),
    /// The credentials don't allow it.
    Denied(String),
    /// The store keeps the object from being removed; why, and until when.
    Locked(String),
    /// The quota is used up.
    Full,
    /// Asked to wait; perhaps for how long.
    Throttled { cause: String, retry_after: Option<Duration> },
    /// No answer, a broken one, or one that says that the store itself has a fault.
    Unreachable(String),
    /// What arrived is not what was sent.
    WrongBytes(String),
    /// There are no credentials, or not those that are wanted.
    Credentials(String),
    /// A setting is wrong, such as the region.
    Setting { setting: &'static str, detail: String },
    /// Anything else.
    Other(String),
}

impl Failure {
    /// Tells whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Failure::Throttled { .. } | Failure::Unreachable(_) | Failure::Collision(_) | Failure::WrongBytes(_)
        )
    }

    /// Tells whether the request may have been carried out all the same.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Failure::Unreachable(_) | Failure::Throttled { .. })
    }

    /// Makes the error that callers of a storage see.
    pub fn into_storage(self, storage: &str, object: &str, action: &'static str, seconds: u64) -> StorageError {
        let (storage, object) = (storage.to_owned(), object.to_owned());
        match self {
            Failure::Missing => StorageError::StorageMissing { storage, object },
            Failure::Condition => StorageError::StorageChanged { storage, object },
            Failure::Denied(cause) => {
                tracing::warn!(storage, object, cause, "denied");
                StorageError::StorageDenied { storage, object }
            }
            Failure::Locked(reason) => StorageError::StorageLocked { storage, object, reason },
            Failure::Full => StorageError::StorageFull { storage, object },
            Failure::Throttled { cause, .. } => StorageError::StorageThrottled { storage, object, seconds, cause },
            Failure::Unreachable(cause) | Failure::Collision(cause) => {
                StorageError::StorageUnreachable { storage, object, seconds, cause }
            }
            Failure::WrongBytes(detail) => StorageError::StorageWrongBytes { storage, object, detail },
            Failure::Credentials(detail) => StorageError::StorageCredentials { storage, detail },
            Failure::Setting { setting, detail } => {
                StorageError::StorageSetting { storage, setting: setting.to_owned(), detail }
            }
            Failure::Other(cause) => StorageError::StorageIo { storage, object, action, cause },
        }
    }
}

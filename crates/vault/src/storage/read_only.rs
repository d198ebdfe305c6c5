use super::{
    AppendObject, ChangeContent, Exclusion, HolderText, LockAttempt, LockHolder, ObjectReader, PutStream, Storage,
    StorageError, StoredObject,
};
use std::sync::Arc;

/// A storage that is only read: whatever would write is denied.
pub struct ReadOnly(pub Arc<dyn Storage>);

impl ReadOnly {
    fn denied<T>(&self, key: &str) -> Result<T, StorageError> {
        Err(StorageError::StorageDenied { storage: self.0.describe(), object: key.to_owned() })
    }
}

impl Storage for ReadOnly {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn place(&self) -> String {
        self.0.place()
    }

    fn url(&self, key: &str) -> String {
        self.0.url(key)
    }

    fn can_lock(&self) -> bool {
        false
    }

    fn put_stream(&self, key: &str) -> Result<Box<dyn PutStream>, StorageError> {
        self.denied(key)
    }

    fn exclusion(&self) -> Exclusion {
        self.0.exclusion()
    }

    fn update(&self, key: &str, _change: ChangeContent<'_>) -> Result<(), StorageError> {
        self.denied(key)
    }

    fn put(&self, key: &str, _content: &[u8]) -> Result<(), StorageError> {
        self.denied(key)
    }

    fn put_if_absent(&self, key: &str, _content: &[u8]) -> Result<(), StorageError> {
        self.denied(key)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.get(key)
    }

    fn open(&self, key: &str) -> Result<Box<dyn ObjectReader>, StorageError> {
        self.0.open(key)
    }

    fn open_append(&self, key: &str) -> Result<Box<dyn AppendObject>, StorageError> {
        self.denied(key)
    }

    fn size_bytes(&self, key: &str) -> Result<Option<u64>, StorageError> {
        self.0.size_bytes(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, StorageError> {
        self.0.list(prefix)
    }

    fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.denied(key)
    }

    fn sweep(&self, key: &str) -> Result<(), StorageError> {
        self.denied(key)
    }

    fn sweep_folder(&self, key: &str) -> Result<(), StorageError> {
        self.denied(key)
    }

    fn settle(&self, key: &str) -> Result<(), StorageError> {
        self.denied(key)
    }

    fn try_lock(&self, key: &str, _holder: HolderText<'_>) -> Result<LockAttempt, StorageError> {
        self.denied(key)
    }

    fn lock_holder(&self, key: &str) -> Result<LockHolder, StorageError> {
        self.0.lock_holder(key)
    }

    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        self.0.free_bytes()
    }
}

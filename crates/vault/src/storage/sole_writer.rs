use super::{
    AppendObject, HolderText, LockAttempt, LockGuard, LockHolder, ObjectReader, PutStream, Storage, StorageError,
    StoredObject,
};
use std::sync::Arc;
use std::time::Duration;

/// A storage whose locks are always free: for one that can keep none, while something else keeps all others away.
pub struct SoleWriter(pub Arc<dyn Storage>);

struct NoLock;

impl LockGuard for NoLock {
    fn update_holder(&mut self, _holder: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }

    fn release(self: Box<Self>) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Storage for SoleWriter {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn place(&self) -> String {
        self.0.place()
    }

    fn url(&self, key: &str) -> String {
        self.0.url(key)
    }

    fn put_stream(&self, key: &str) -> Result<Box<dyn PutStream>, StorageError> {
        self.0.put_stream(key)
    }

    fn put_stream_of(&self, key: &str, size_bytes: u64) -> Result<Box<dyn PutStream>, StorageError> {
        self.0.put_stream_of(key, size_bytes)
    }

    fn sync_pause(&self) -> Option<Duration> {
        self.0.sync_pause()
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        self.0.put(key, content)
    }

    fn put_if_absent(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        self.0.put_if_absent(key, content)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.get(key)
    }

    fn open(&self, key: &str) -> Result<Box<dyn ObjectReader>, StorageError> {
        self.0.open(key)
    }

    fn open_append(&self, key: &str) -> Result<Box<dyn AppendObject>, StorageError> {
        self.0.open_append(key)
    }

    fn size_bytes(&self, key: &str) -> Result<Option<u64>, StorageError> {
        self.0.size_bytes(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, StorageError> {
        self.0.list(prefix)
    }

    fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.0.delete(key)
    }

    fn sweep(&self, key: &str) -> Result<(), StorageError> {
        self.0.sweep(key)
    }

    fn sweep_folder(&self, key: &str) -> Result<(), StorageError> {
        self.0.sweep_folder(key)
    }

    fn settle(&self, key: &str) -> Result<(), StorageError> {
        self.0.settle(key)
    }

    fn try_lock(&self, _key: &str, holder: HolderText<'_>) -> Result<LockAttempt, StorageError> {
        holder(None);
        Ok(LockAttempt::Acquired { guard: Box::new(NoLock), left_by_dead_holder: None })
    }

    fn lock_holder(&self, _key: &str) -> Result<LockHolder, StorageError> {
        Ok(LockHolder::Nobody)
    }

    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        self.0.free_bytes()
    }
}

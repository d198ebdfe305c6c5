//! A repository in a local folder: files 0600, folders 0700, fsync of both.

use super::*;
use std::path::{Path, PathBuf};

/// Keeps objects as files below one folder.
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// Names the folder; it is created (0700) by the first write.
    pub fn new(root: &Path) -> Self {
        LocalFolder { root: root.to_owned() }
    }
    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Storage for LocalFolder {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }
    fn put_stream(&self, _key: &str) -> Result<Box<dyn PutStream>, StorageError> {
        todo!()
    }
    fn put(&self, _key: &str, _content: &[u8]) -> Result<(), StorageError> {
        todo!()
    }
    fn put_if_absent(&self, _key: &str, _content: &[u8]) -> Result<(), StorageError> {
        todo!()
    }
    fn get(&self, _key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        todo!()
    }
    fn open(&self, _key: &str) -> Result<Box<dyn ObjectReader>, StorageError> {
        todo!()
    }
    fn size_bytes(&self, _key: &str) -> Result<Option<u64>, StorageError> {
        todo!()
    }
    fn list(&self, _prefix: &str) -> Result<Vec<StoredObject>, StorageError> {
        todo!()
    }
    fn delete(&self, _key: &str) -> Result<(), StorageError> {
        todo!()
    }
    fn sweep(&self, _key: &str) -> Result<(), StorageError> {
        todo!()
    }
    fn try_lock(&self, _key: &str, _holder: &[u8]) -> Result<LockAttempt, StorageError> {
        todo!()
    }
    fn lock_holder(&self, _key: &str) -> Result<LockHolder, StorageError> {
        todo!()
    }
}

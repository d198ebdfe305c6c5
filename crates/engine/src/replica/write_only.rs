//! A replica into which we may write, and nothing else: nothing there is read, listed or removed. What lies there is what we remember
//! to have sent; where that memory is lost, objects are sent again, and the store says that it has them.

use super::state::sent_key;
use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vault::repository::{DESCRIPTION_KEY, Repository};
use vault::storage::{
    AppendObject, HolderText, LockAttempt, LockHolder, ObjectReader, PutStream, Storage, StorageError, StoredObject,
};

/// `replicas/NAME.sent`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    location: String,
    /// What tells the place from every other; earlier programs noted the location alone.
    #[serde(default)]
    place: Option<String>,
    /// Sizes, by key.
    objects: BTreeMap<String, u64>,
}

/// What was sent.
#[derive(Default)]
struct Sent {
    objects: Mutex<BTreeMap<String, u64>>,
    is_changed: AtomicBool,
}

impl Sent {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, key: &str, size_bytes: u64) {
        self.lock().insert(key.to_owned(), size_bytes);
        self.is_changed.store(true, Ordering::Relaxed);
    }
}

/// The replica's storage, as far as it may be used.
pub(super) struct WriteOnly {
    inner: Arc<dyn Storage>,
    sent: Arc<Sent>,
}

impl WriteOnly {
    /// Remembers what was sent to this very place.
    pub fn load(source: &Repository, name: &str, inner: Arc<dyn Storage>) -> Result<Self, Error> {
        let content = source.storage().get(&sent_key(name))?;
        let memory: Memory = match content.map(|content| serde_json::from_slice(&content)) {
            Some(Ok(memory)) => memory,
            Some(Err(error)) => {
                tracing::warn!(%error, replica = name, "what was sent is not known any more: it is sent again");
                Memory::default()
            }
            None => Memory::default(),
        };
        let is_same = memory.place.map_or(memory.location == inner.describe(), |place| place == inner.place());
        let objects = if is_same { memory.objects } else { BTreeMap::new() };
        Ok(WriteOnly {
            inner,
            sent: Arc::new(Sent { objects: Mutex::new(objects), is_changed: AtomicBool::new(false) }),
        })
    }

    /// Writes down what was sent, if there is more than before.
    pub fn save(&self, source: &Repository, name: &str) -> Result<(), Error> {
        if !self.sent.is_changed.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let (location, place) = (self.inner.describe(), Some(self.inner.place()));
        let memory = Memory { location, place, objects: self.sent.lock().clone() };
        let content = serde_json::to_vec(&memory).unwrap_or_default();
        source
            .storage()
            .put(&sent_key(name), &content)
            .inspect_err(|_| self.sent.is_changed.store(true, Ordering::Relaxed))?;
        Ok(())
    }

    /// Forgets what the repository has no more: it will not be asked for again.
    pub fn keep(&self, wanted: &BTreeSet<String>) {
        let mut objects = self.sent.lock();
        let before = objects.len();
        objects.retain(|key, _| wanted.contains(key));
        if objects.len() != before {
            self.sent.is_changed.store(true, Ordering::Relaxed);
        }
    }

    /// Takes what lies there for ours.
    pub fn remember(&self, key: &str, size_bytes: u64) {
        self.sent.note(key, size_bytes);
    }

    fn denied<T>(&self, key: &str) -> Result<T, StorageError> {
        Err(StorageError::StorageDenied { storage: self.inner.describe(), object: key.to_owned() })
    }

    fn noting(&self, key: &str, stream: Box<dyn PutStream>) -> Box<dyn PutStream> {
        Box::new(NotingStream { inner: stream, sent: Arc::clone(&self.sent), key: key.to_owned(), bytes: 0 })
    }
}

/// Remembers an object once it is there.
struct NotingStream {
    inner: Box<dyn PutStream>,
    sent: Arc<Sent>,
    key: String,
    bytes: u64,
}

impl Write for NotingStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl PutStream for NotingStream {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        let NotingStream { inner, sent, key, bytes } = *self;
        match inner.commit() {
            // Under a name of ours in a place of ours: an earlier attempt, of which we do not know any more.
            committed @ (Ok(()) | Err(StorageError::StorageExists { .. })) => {
                sent.note(&key, bytes);
                committed
            }
            failed => failed,
        }
    }

    fn publish(self: Box<Self>) -> Result<(), StorageError> {
        self.commit()
    }
}

impl Storage for WriteOnly {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn url(&self, key: &str) -> String {
        self.inner.url(key)
    }

    fn can_lock(&self) -> bool {
        false
    }

    fn put_stream(&self, key: &str) -> Result<Box<dyn PutStream>, StorageError> {
        Ok(self.noting(key, self.inner.put_stream(key)?))
    }

    fn put_stream_of(&self, key: &str, size_bytes: u64) -> Result<Box<dyn PutStream>, StorageError> {
        Ok(self.noting(key, self.inner.put_stream_of(key, size_bytes)?))
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        self.inner.put(key, content)?;
        self.sent.note(key, content.len() as u64);
        Ok(())
    }

    fn put_if_absent(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        match self.inner.put_if_absent(key, content) {
            // Of the description alone it matters whose the one that is there is.
            Err(error @ StorageError::StorageExists { .. }) if key == DESCRIPTION_KEY => Err(error),
            put @ (Ok(()) | Err(StorageError::StorageExists { .. })) => {
                self.sent.note(key, content.len() as u64);
                put
            }
            failed => failed,
        }
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.denied(key)
    }

    fn open(&self, key: &str) -> Result<Box<dyn ObjectReader>, StorageError> {
        self.denied(key)
    }

    fn open_append(&self, key: &str) -> Result<Box<dyn AppendObject>, StorageError> {
        self.denied(key)
    }

    fn size_bytes(&self, key: &str) -> Result<Option<u64>, StorageError> {
        Ok(self.sent.lock().get(key).copied())
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, StorageError> {
        let sent = self.sent.lock();
        let found = sent.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        let object = |(key, size_bytes): (&String, &u64)| StoredObject {
            key: key.clone(),
            size_bytes: *size_bytes,
            modified_seconds: 0,
        };
        Ok(found.map(object).collect())
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
        self.inner.settle(key)
    }

    fn try_lock(&self, key: &str, _holder: HolderText<'_>) -> Result<LockAttempt, StorageError> {
        self.denied(key)
    }

    fn lock_holder(&self, _key: &str) -> Result<LockHolder, StorageError> {
        Ok(LockHolder::Nobody)
    }
}

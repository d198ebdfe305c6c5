//! A storage that fails on purpose, for tests of what stands on storages.

use super::{
    AppendObject, ChangeContent, Exclusion, HolderText, LockAttempt, LockGuard, LockHolder, ObjectReader, PutStream,
    Storage, StorageError, StoredObject,
};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Says what happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultMode {
    /// The call fails and has done nothing.
    Fail,
    /// The call fails although it has done its work: an fsync that failed late, an answer that was lost.
    FailAfterwards,
    /// The disk is full: a streamed write or one in place keeps half of its bytes; any other call that writes has done nothing.
    Full,
    /// The disk is full from this call on, for everything that writes; deletions still work.
    StaysFull,
    /// This call and all later ones do nothing and fail, as if the process had died before it.
    Dead,
    /// This call does its work, and all later ones do nothing, as if the process had died right after it.
    DeadAfterwards,
}

impl FaultMode {
    /// Every mode.
    pub const ALL: [FaultMode; 6] = [
        FaultMode::Fail,
        FaultMode::FailAfterwards,
        FaultMode::Full,
        FaultMode::StaysFull,
        FaultMode::Dead,
        FaultMode::DeadAfterwards,
    ];

    /// Tells whether the mode stands for the death of the process.
    pub fn is_death(self) -> bool {
        matches!(self, FaultMode::Dead | FaultMode::DeadAfterwards)
    }
}

/// Passes calls on to another storage, counts them, and fails at the chosen one. Calls are counted from 1, writes into
/// streams and calls of lock guards among them.
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    faults: Arc<Faults>,
}

struct Faults {
    at: usize,
    mode: FaultMode,
    calls: Mutex<Vec<String>>,
}

enum Verdict {
    Pass,
    FailBefore,
    FailAfter,
    FullBefore,
}

impl FaultyStorage {
    /// Wraps a storage; the call number `at` fails. 0 never fails.
    pub fn new(inner: Arc<dyn Storage>, at: usize, mode: FaultMode) -> Self {
        FaultyStorage { inner, faults: Arc::new(Faults { at, mode, calls: Mutex::new(Vec::new()) }) }
    }

    /// Returns the calls so far, such as `put sequence.json`, in order.
    pub fn calls(&self) -> Vec<String> {
        self.faults.lock().clone()
    }
}

impl Faults {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn verdict(&self, what: &str, key: &str, writes: bool) -> Verdict {
        let mut calls = self.lock();
        calls.push(format!("{what} {key}"));
        let number = calls.len();
        if self.at == 0 || number < self.at {
            return Verdict::Pass;
        }
        match self.mode {
            FaultMode::Dead => Verdict::FailBefore,
            FaultMode::DeadAfterwards if number > self.at => Verdict::FailBefore,
            FaultMode::StaysFull => {
                if writes {
                    Verdict::FullBefore
                } else {
                    Verdict::Pass
                }
            }
            _ if number > self.at => Verdict::Pass,
            FaultMode::Fail => Verdict::FailBefore,
            FaultMode::FailAfterwards | FaultMode::DeadAfterwards => Verdict::FailAfter,
            FaultMode::Full => {
                if writes {
                    Verdict::FullBefore
                } else {
                    Verdict::Pass
                }
            }
        }
    }

    fn call<T>(
        &self,
        what: &'static str,
        key: &str,
        writes: bool,
        work: impl FnOnce() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match self.verdict(what, key, writes) {
            Verdict::Pass => work(),
            Verdict::FailBefore => Err(injected(what, key)),
            Verdict::FullBefore => Err(full(key)),
            Verdict::FailAfter => work().and_then(|_| Err(injected(what, key))),
        }
    }
}

fn injected(action: &'static str, key: &str) -> StorageError {
    StorageError::StorageIo { storage: "faulty".into(), object: key.into(), action, cause: "injected fault".into() }
}

fn full(key: &str) -> StorageError {
    StorageError::StorageFull { storage: "faulty".into(), object: key.into() }
}

impl Storage for FaultyStorage {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn put_stream(&self, key: &str) -> Result<Box<dyn PutStream>, StorageError> {
        let inner = self.faults.call("put_stream", key, true, || self.inner.put_stream(key))?;
        Ok(Box::new(FaultyStream { inner, key: key.to_owned(), faults: Arc::clone(&self.faults) }))
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        self.faults.call("put", key, true, || self.inner.put(key, content))
    }

    fn put_if_absent(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        self.faults.call("put_if_absent", key, true, || self.inner.put_if_absent(key, content))
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.faults.call("get", key, false, || self.inner.get(key))
    }

    fn open(&self, key: &str) -> Result<Box<dyn ObjectReader>, StorageError> {
        self.faults.call("open", key, false, || self.inner.open(key))
    }

    fn open_append(&self, key: &str) -> Result<Box<dyn AppendObject>, StorageError> {
        let inner = self.faults.call("open_append", key, true, || self.inner.open_append(key))?;
        Ok(Box::new(FaultyAppend { inner, key: key.to_owned(), faults: Arc::clone(&self.faults) }))
    }

    fn size_bytes(&self, key: &str) -> Result<Option<u64>, StorageError> {
        self.faults.call("size_bytes", key, false, || self.inner.size_bytes(key))
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, StorageError> {
        self.faults.call("list", prefix, false, || self.inner.list(prefix))
    }

    fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.faults.call("delete", key, false, || self.inner.delete(key))
    }

    fn sweep(&self, key: &str) -> Result<(), StorageError> {
        self.faults.call("sweep", key, false, || self.inner.sweep(key))
    }

    fn sweep_folder(&self, key: &str) -> Result<(), StorageError> {
        self.faults.call("sweep_folder", key, false, || self.inner.sweep_folder(key))
    }

    fn settle(&self, key: &str) -> Result<(), StorageError> {
        self.faults.call("settle", key, false, || self.inner.settle(key))
    }

    fn try_lock(&self, key: &str, holder: HolderText<'_>) -> Result<LockAttempt, StorageError> {
        let attempt = self.faults.call("try_lock", key, true, || self.inner.try_lock(key, holder))?;
        Ok(match attempt {
            LockAttempt::Acquired { guard, left_by_dead_holder } => {
                let is_lease = self.inner.exclusion() == Exclusion::Lease;
                let (key, faults) = (key.to_owned(), Arc::clone(&self.faults));
                let guard = Box::new(FaultyGuard { inner: guard, is_lease, key, faults });
                LockAttempt::Acquired { guard, left_by_dead_holder }
            }
            held @ LockAttempt::Held { .. } => held,
        })
    }

    fn lock_holder(&self, key: &str) -> Result<LockHolder, StorageError> {
        self.faults.call("lock_holder", key, false, || self.inner.lock_holder(key))
    }

    fn exclusion(&self) -> Exclusion {
        self.inner.exclusion()
    }

    fn update(&self, key: &str, change: ChangeContent<'_>) -> Result<(), StorageError> {
        if self.inner.exclusion() == Exclusion::Lease {
            return self.faults.call("update", key, true, || self.inner.update(key, change));
        }
        // Two calls, as it is two where a lock has to keep others out: each may fail.
        match change(self.get(key)?.as_deref()) {
            Some(content) => self.put(key, &content),
            None => Ok(()),
        }
    }

    fn put_stream_of(&self, key: &str, size_bytes: u64) -> Result<Box<dyn PutStream>, StorageError> {
        let inner = self.faults.call("put_stream", key, true, || self.inner.put_stream_of(key, size_bytes))?;
        Ok(Box::new(FaultyStream { inner, key: key.to_owned(), faults: Arc::clone(&self.faults) }))
    }

    fn sync_pause(&self) -> Option<Duration> {
        self.inner.sync_pause()
    }

    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        self.inner.free_bytes()
    }
}

struct FaultyStream {
    inner: Box<dyn PutStream>,
    key: String,
    faults: Arc<Faults>,
}

impl Write for FaultyStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.faults.verdict("write", &self.key, true) {
            Verdict::Pass => self.inner.write(bytes),
            Verdict::FailBefore => Err(injected("write", &self.key).into_io()),
            Verdict::FailAfter => {
                self.inner.write_all(bytes).and_then(|()| Err(injected("write", &self.key).into_io()))
            }
            Verdict::FullBefore => {
                self.inner.write_all(&bytes[..bytes.len() / 2])?;
                Err(full(&self.key).into_io())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl PutStream for FaultyStream {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        let FaultyStream { inner, key, faults } = *self;
        faults.call("commit", &key, true, || inner.commit())
    }

    fn publish(self: Box<Self>) -> Result<(), StorageError> {
        let FaultyStream { inner, key, faults } = *self;
        faults.call("publish", &key, true, || inner.publish())
    }
}

struct FaultyAppend {
    inner: Box<dyn AppendObject>,
    key: String,
    faults: Arc<Faults>,
}

impl AppendObject for FaultyAppend {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.faults.call("read_at", &self.key, false, || self.inner.read_exact_at(offset, buffer))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        match self.faults.verdict("write_at", &self.key, true) {
            Verdict::Pass => self.inner.write_at(offset, bytes),
            Verdict::FailBefore => Err(injected("write_at", &self.key)),
            Verdict::FailAfter => {
                self.inner.write_at(offset, bytes).and_then(|()| Err(injected("write_at", &self.key)))
            }
            Verdict::FullBefore => {
                self.inner.write_at(offset, &bytes[..bytes.len() / 2])?;
                Err(full(&self.key))
            }
        }
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.faults.call("sync", &self.key, true, || self.inner.sync())
    }
}

struct FaultyGuard {
    inner: Box<dyn LockGuard>,
    is_lease: bool,
    key: String,
    faults: Arc<Faults>,
}

impl LockGuard for FaultyGuard {
    fn confirm(&mut self) -> Result<(), StorageError> {
        // Not counted where there is nothing to confirm.
        if self.is_lease {
            return self.faults.call("confirm", &self.key, false, || self.inner.confirm());
        }
        self.inner.confirm()
    }

    fn update_holder(&mut self, holder: &[u8]) -> Result<(), StorageError> {
        self.faults.call("update_holder", &self.key, true, || self.inner.update_holder(holder))
    }

    fn release(self: Box<Self>) -> Result<(), StorageError> {
        let FaultyGuard { inner, key, faults, .. } = *self;
        faults.call("release", &key, false, || inner.release())
    }
}

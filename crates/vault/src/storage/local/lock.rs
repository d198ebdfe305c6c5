//! Locks that end with their holder, whatever kills it.
//!
//! Two hidden files stand for the lock `NAME`:
//! * `.NAME.cadena-lock` is empty and never removed. Whoever wants the lock takes the kernel's exclusive lock on it.
//!   Readers never touch it, so they can't make a taker believe that it is held.
//! * `.NAME.cadena-holder` is what the holder says about itself. It is written under a hidden name, locked by its writer,
//!   and only then renamed into place: text and kernel lock become visible as one thing. A reader opens it, reads it, and
//!   tries a *shared* lock on that very file: refused means alive, granted means dead. No taker ever locks an existing
//!   holder file, so this disturbs nobody.
//!
//! A process that dies, even by `kill -9`, loses its kernel locks and leaves the holder file: that is how the next one
//! learns whom to sweep up after. A release removes the holder file first and unlocks after, so whoever finds it unlocked
//! *and still linked* has found a dead holder's.

use super::temporary::{self, TemporaryFile};
use super::{Folder, read_limited};
use crate::storage::key::{HOLDER_SUFFIX, LOCK_SUFFIX};
use crate::storage::{HolderText, LockAttempt, LockGuard, LockHolder, StorageError};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// How often a taker looks for the text of a holder that has the lock and is still writing it, two milliseconds apart.
const TEXT_ATTEMPTS: usize = 100;
/// How often a reader starts anew because the holder changed while it looked; each time, a lock changed hands.
const READ_ATTEMPTS: usize = 1000;

/// A lock that is ours.
pub(super) struct LocalLock {
    storage: String,
    key: String,
    folder: Arc<Folder>,
    holder_name: String,
    lock_file: File,
    holder_file: File,
}

/// Tries to take the lock.
pub(super) fn try_lock(
    storage: &str,
    key: &str,
    folder: &Arc<Folder>,
    name: &str,
    holder: HolderText<'_>,
) -> Result<LockAttempt, StorageError> {
    let failed = |error: &io::Error| StorageError::from_io(storage, key, "lock", error);
    let lock_name = format!(".{name}{LOCK_SUFFIX}");
    for _ in 0..TEXT_ATTEMPTS {
        let lock_file = folder.open_or_create_file(&lock_name).map_err(|error| failed(&error))?;
        if temporary::try_lock(&lock_file).map_err(|error| failed(&error))? {
            // Somebody removed the file by hand before we locked it: what we hold is nothing.
            if !folder.is_same_file(&lock_name, &lock_file).map_err(|error| failed(&error))? {
                continue;
            }
            return take(storage, key, folder, name, lock_file, holder).map_err(|error| failed(&error));
        }
        if let LockHolder::Alive(text) = read_holder(folder, name).map_err(|error| failed(&error))? {
            return Ok(LockAttempt::Held { holder: text });
        }
        // Held, and the holder has not said yet who it is, or has just left: it does one or the other within one fsync.
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(LockAttempt::Held { holder: Vec::new() })
}

/// Reads who holds the lock.
pub(super) fn read_holder(folder: &Folder, name: &str) -> io::Result<LockHolder> {
    let holder_name = format!(".{name}{HOLDER_SUFFIX}");
    for _ in 0..READ_ATTEMPTS {
        let mut file = match folder.open_file(&holder_name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LockHolder::Nobody),
            Err(error) => return Err(error),
        };
        let text = read_text(&mut file);
        if !try_lock_shared(&file)? {
            // Windows refuses to read a locked file: the holder lives, but what it says can't be read.
            return Ok(LockHolder::Alive(if cfg!(windows) { text.unwrap_or_default() } else { text? }));
        }
        // Unlocked: dead, unless it was released or replaced since we opened it.
        if folder.is_same_file(&holder_name, &file)? {
            return Ok(LockHolder::Dead(text?));
        }
    }
    Err(io::Error::other("the lock changes hands too fast to be read"))
}

fn take(
    storage: &str,
    key: &str,
    folder: &Arc<Folder>,
    name: &str,
    lock_file: File,
    holder: HolderText<'_>,
) -> io::Result<LockAttempt> {
    let holder_name = format!(".{name}{HOLDER_SUFFIX}");
    // Under the lock nobody else writes these; what a writer of the text left when it died is swept here.
    temporary::sweep(folder, &holder_name)?;
    let left = match folder.open_file(&holder_name) {
        Ok(mut file) => Some(read_text(&mut file)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let holder_file = publish_holder(folder, &holder_name, &holder(left.as_deref()))?;
    let guard = LocalLock {
        storage: storage.to_owned(),
        key: key.to_owned(),
        folder: Arc::clone(folder),
        holder_name,
        lock_file,
        holder_file,
    };
    Ok(LockAttempt::Acquired { guard: Box::new(guard), left_by_dead_holder: left })
}

/// Writes the text, durably: after a power cut the next one must know what to sweep up.
fn publish_holder(folder: &Arc<Folder>, holder_name: &str, text: &[u8]) -> io::Result<File> {
    let temporary = TemporaryFile::create(folder, holder_name)?;
    temporary.file().write_all(text)?;
    temporary.publish(holder_name)
}

fn read_text(file: &mut File) -> io::Result<Vec<u8>> {
    read_limited(file, 1 << 20)
}

#[allow(clippy::incompatible_msrv)] // see temporary::try_lock
fn try_lock_shared(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl LocalLock {
    #[allow(clippy::incompatible_msrv)] // see temporary::try_lock
    fn unlock(&self) -> io::Result<()> {
        // Unlocked by name of the deed, not by closing: a child process between fork and exec still has the descriptors.
        self.holder_file.unlock()?;
        self.lock_file.unlock()
    }
}

impl LockGuard for LocalLock {
    fn update_holder(&mut self, holder: &[u8]) -> Result<(), StorageError> {
        self.holder_file = publish_holder(&self.folder, &self.holder_name, holder)
            .map_err(|error| StorageError::from_io(&self.storage, &self.key, "lock", &error))?;
        Ok(())
    }

    fn release(self: Box<Self>) -> Result<(), StorageError> {
        // Not fsynced: should a power cut bring the text back, the next one finds its backup settled, and sweeps nothing.
        // If it can't be removed, the drop unlocks all the same.
        self.folder
            .remove(&self.holder_name)
            .map_err(|error| StorageError::from_io(&self.storage, &self.key, "unlock", &error))
    }
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        if let Err(error) = self.unlock() {
            // Closing the files, which follows, unlocks them too.
            tracing::warn!(key = self.key, %error, "could not unlock");
        }
    }
}

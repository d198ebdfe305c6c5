//! Where does a repository's data lie? One small trait, ready for object stores.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
#[cfg(any(test, feature = "conformance"))]
pub mod fault;
mod host;
mod key;
mod local;
mod read_only;
mod sole_writer;

pub use error::StorageError;
pub use host::{ProcessMark, host_name};
pub use key::{KEY_LIMIT_BYTES, KEY_PART_LIMIT_BYTES, is_reserved, key_parts, lease_key, prefix_parts};
pub use local::LocalFolder;
pub use read_only::ReadOnly;
pub use sole_writer::SoleWriter;

use std::io::Write;
use std::time::Duration;

/// One stored object, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Relative to the storage's root, `/` as separator.
    pub key: String,
    /// Size of the content.
    pub size_bytes: u64,
    /// Seconds since the Unix epoch.
    pub modified_seconds: i64,
}

/// Keeps objects under keys such as `full/full_20261124_000000.backup`.
///
/// Keys are relative, with `/` as separator; `..`, empty parts, absolute keys, backslashes and all else that [`key_parts`]
/// names are refused with `StorageKey`.
/// An object is either wholly visible or not at all, and is durable once a call that makes it visible has returned.
pub trait Storage: Send + Sync {
    /// Says where this is, for messages and records (never with a secret).
    fn describe(&self) -> String;

    /// Tells this place from every other one, as far as its address does (never with a secret): storages that say the same are the same,
    /// and those that don't may be the same all the same. Nothing is asked of the storage.
    fn place(&self) -> String {
        self.describe()
    }

    /// Says where an object is, for people and the catalog (never with a secret).
    fn url(&self, key: &str) -> String {
        format!("{}/{key}", self.describe().trim_end_matches('/'))
    }

    /// Tells whether locks can be taken here. Where none can, one process at a time may write.
    fn can_lock(&self) -> bool {
        true
    }

    /// Begins a streamed write. Nothing is visible under `key` before [`PutStream::commit`]; an existing object is an error
    /// at commit (nothing is ever overwritten by a streamed write).
    fn put_stream(&self, key: &str) -> Result<Box<dyn PutStream>, StorageError>;

    /// Writes a small object, replacing what is there, atomically.
    fn put(&self, key: &str, content: &[u8]) -> Result<(), StorageError>;

    /// Writes a small object if there is none under `key`.
    ///
    /// # Errors
    /// `StorageExists` when there is one.
    fn put_if_absent(&self, key: &str, content: &[u8]) -> Result<(), StorageError>;

    /// Reads a small object whole, or `None`.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Opens an object for ranged reads.
    ///
    /// # Errors
    /// `StorageMissing` when there is none.
    fn open(&self, key: &str) -> Result<Box<dyn ObjectReader>, StorageError>;

    /// Opens an object for writing in place, and makes an empty one if there is none: for one writer at a time, whom a lock
    /// of the caller's keeps alone. Unlike all others, such an object is seen while it grows, and what a crash leaves of it
    /// may be anything after its last [`AppendObject::sync`]; it is listed, read and deleted like any other.
    fn open_append(&self, key: &str) -> Result<Box<dyn AppendObject>, StorageError>;

    /// Returns the object's size in bytes, or `None`.
    fn size_bytes(&self, key: &str) -> Result<Option<u64>, StorageError>;

    /// Lists every object whose key begins with `prefix`, in key order. Objects being written are not listed.
    fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, StorageError>;

    /// Removes an object; one that is not there is no error.
    fn delete(&self, key: &str) -> Result<(), StorageError>;

    /// Removes what broken-off streamed writes under `key` left behind, and nothing else. When it returns, what is visible under
    /// `key` is durable, even if the call that made it so is still under way elsewhere, or died.
    fn sweep(&self, key: &str) -> Result<(), StorageError>;

    /// Does the same for every object that lies, or would lie, in the folder of `key`: one look through it for all of them.
    fn sweep_folder(&self, key: &str) -> Result<(), StorageError>;

    /// When it returns, what is visible under `key` and in the same folder is durable, even if it was only published (see
    /// [`PutStream::publish`]), by whomever.
    fn settle(&self, key: &str) -> Result<(), StorageError>;

    /// Takes an exclusive lock, or says who holds it. The lock ends with the guard or with the process, whatever kills it.
    ///
    /// `holder` is asked once the lock is ours, and is given what a dead holder left. What it returns is stored durably
    /// beside the lock, *replacing* the dead holder's text in one step, for others to read (see [`Storage::lock_holder`]);
    /// it stays there after a crash. So nothing of a dead holder is forgotten before somebody has swept up after it.
    ///
    /// Locks are no objects: they are not listed, and their keys may be used for objects too.
    fn try_lock(&self, key: &str, holder: HolderText<'_>) -> Result<LockAttempt, StorageError>;

    /// Reads what the present holder wrote, and whether one is alive. Never blocks.
    fn lock_holder(&self, key: &str) -> Result<LockHolder, StorageError>;

    /// Says what keeps a second holder of a lock out.
    fn exclusion(&self) -> Exclusion {
        Exclusion::Kernel
    }

    /// Changes a small object: `change` is given what is there, or `None`, and returns what shall be there; with `None` it stays.
    ///
    /// Where locks are leases it is one step: when somebody else changes the object meanwhile, `change` is asked again, with what is
    /// there now. Elsewhere the caller's lock has to keep others out.
    ///
    /// # Errors
    /// As [`Storage::put`]; `StorageReplicaOnly` where nothing can be written on a condition.
    fn update(&self, key: &str, change: ChangeContent<'_>) -> Result<(), StorageError> {
        match change(self.get(key)?.as_deref()) {
            Some(content) => self.put(key, &content),
            None => Ok(()),
        }
    }

    /// Begins a streamed write of known size, of content that is whole somewhere. A storage that can goes on with an earlier one that
    /// was broken off: what is there already is compared, and not sent again. Dropped without a commit, what was sent may stay for
    /// that, unseen.
    ///
    /// # Errors
    /// As [`Storage::put_stream`].
    fn put_stream_of(&self, key: &str, _size_bytes: u64) -> Result<Box<dyn PutStream>, StorageError> {
        self.put_stream(key)
    }

    /// Copies an object that is whole elsewhere to here, as [`Storage::put_stream_of`] does.
    ///
    /// # Errors
    /// `StorageExists`, and those of both storages.
    fn upload(&self, key: &str, object: &dyn ObjectReader) -> Result<(), StorageError> {
        copy_streamed(self.put_stream_of(key, object.size_bytes())?, object, &self.describe(), key)
    }

    /// Returns how long the writer of an object that grows in place (see [`Storage::open_append`]) should gather between two syncs;
    /// `None` where a sync costs what was written, not what is there.
    fn sync_pause(&self) -> Option<Duration> {
        None
    }

    /// Returns how many bytes may still be written; `None` where there is no bound, or none that can be asked for.
    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }
}

/// What keeps a second holder of a lock out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// The kernel: a holder that seems dead is dead, and writes nothing any more.
    Kernel,
    /// A lease that has to be renewed: a holder that was taken for dead may only have been paused, and go on. Whatever it writes then
    /// must meet a condition that no longer holds.
    Lease,
}

/// Makes the new content of an object from the present one.
pub type ChangeContent<'a> = &'a mut dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>>;

/// Copies an object into a streamed write, in pieces of a mebibyte, and commits it.
///
/// # Errors
/// Those of both storages.
pub fn copy_streamed(
    mut stream: Box<dyn PutStream>,
    object: &dyn ObjectReader,
    storage: &str,
    key: &str,
) -> Result<(), StorageError> {
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < object.size_bytes() {
        let length = (object.size_bytes() - offset).min(buffer.len() as u64) as usize;
        object.read_exact_at(offset, &mut buffer[..length])?;
        stream.write_all(&buffer[..length]).map_err(|error| StorageError::from_io(storage, key, "write", &error))?;
        offset += length as u64;
    }
    stream.commit()
}

/// Makes a holder's text from what a dead holder left, if one did.
pub type HolderText<'a> = &'a dyn Fn(Option<&[u8]>) -> Vec<u8>;

/// A streamed write in progress. Dropped without a commit, it leaves nothing behind.
///
/// A write fails with an [`std::io::Error`] that carries a [`StorageError`]: see [`StorageError::inside`].
pub trait PutStream: Write + Send {
    /// Makes the object durable and visible.
    ///
    /// # Errors
    /// `StorageExists` when an object appeared under the key meanwhile; `StorageFull` and others with the cause; after a
    /// failed write, that write's error.
    fn commit(self: Box<Self>) -> Result<(), StorageError>;

    /// Makes the content durable and the object visible, but not yet its name durable: [`Storage::settle`] does that for all
    /// objects of a folder at once. Until then a power cut takes the object back, or leaves it whole.
    ///
    /// # Errors
    /// As [`PutStream::commit`].
    fn publish(self: Box<Self>) -> Result<(), StorageError>;
}

/// Ranged reads of one object.
pub trait ObjectReader: Send + Sync {
    /// Returns the object's size in bytes.
    fn size_bytes(&self) -> u64;
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `StorageShort` when the object ends before the buffer is full.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError>;
}

/// An object that is written in place. Dropping it keeps what was written, durable or not.
pub trait AppendObject: Send {
    /// Returns the object's size in bytes: as it was opened, and as far as it was written since.
    fn size_bytes(&self) -> u64;
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `StorageShort` when the object ends before the buffer is full.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError>;
    /// Writes all of `bytes` at `offset`, over what is there. After an error, any part of them may be written.
    ///
    /// # Errors
    /// `StorageShort` when `offset` lies after the object's end: there are no holes. `StorageFull` and others with the cause.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;
    /// Makes what was written durable, and the object's name.
    ///
    /// # Errors
    /// Those of the system. What was written since the last sync is then lost, as far as anybody knows, even if a later sync
    /// succeeds: it has to be written again.
    fn sync(&mut self) -> Result<(), StorageError>;
}

/// The outcome of [`Storage::try_lock`].
pub enum LockAttempt {
    /// Ours. `left_by_dead_holder` is what a holder that died while holding it had written.
    Acquired {
        /// Keeps it.
        guard: Box<dyn LockGuard>,
        /// What a dead holder had written.
        left_by_dead_holder: Option<Vec<u8>>,
    },
    /// Another live holder has it.
    Held {
        /// What it says about itself; empty if it has not said it yet.
        holder: Vec<u8>,
    },
}

/// Keeps a lock. Dropping it frees the lock and leaves the holder's text, as the end of the process does: the next one
/// takes the holder for dead and sweeps up.
pub trait LockGuard: Send {
    /// Makes sure that the lock is still ours, and, where it is a lease, that it stays so for a while: to be asked before what
    /// can't be undone.
    ///
    /// # Errors
    /// `StorageLockLost` when somebody else has taken it over.
    fn confirm(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
    /// Tells, without asking anybody, whether somebody else is known to have taken the lock over: a renewal of the lease, made
    /// beside, has met it. While the store can't be reached nothing is known. The kernel takes no lock away.
    fn is_lost(&self) -> bool {
        false
    }
    /// Replaces what is stored about the holder.
    fn update_holder(&mut self, holder: &[u8]) -> Result<(), StorageError>;
    /// Releases the lock and clears the holder, so that the next one finds nothing to sweep up.
    fn release(self: Box<Self>) -> Result<(), StorageError>;
}

/// What a reader sees of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockHolder {
    /// The lock is free, and its last holder released it.
    Nobody,
    /// The lock is held by whom the text describes.
    Alive(Vec<u8>),
    /// The holder died without releasing it.
    Dead(Vec<u8>),
}

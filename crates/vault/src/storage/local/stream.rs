//! Streamed writes: small writes are gathered, big ones go through uncopied, and the disk starts to work at once.

use super::temporary::TemporaryFile;
use crate::storage::{PutStream, StorageError};
use std::fs::File;
use std::io::{self, Write};

/// Writes below this are gathered; 256 KiB is the size of a plain frame, the largest usual write.
const GATHER_BYTES: usize = 256 * 1024;
/// How much is written before the kernel is told to start writing it back. Measured with 600 MB: the final fsync takes
/// 0.01 s instead of 0.3 s on a fast disk; steps of 8 to 32 MiB and a thread that fdatasyncs were no better.
const WRITE_BACK_BYTES: u64 = 16 * 1024 * 1024;
/// The first of these steps, which then double: files of a few megabytes are mostly on the disk when they are committed, too.
const FIRST_WRITE_BACK_BYTES: u64 = 512 * 1024;

/// A streamed write into a hidden file.
pub(super) struct LocalStream {
    storage: String,
    key: String,
    name: String,
    temporary: TemporaryFile,
    gathered: Vec<u8>,
    written_bytes: u64,
    write_back_begun_bytes: u64,
    /// The first error. A stream that missed a write must never be committed.
    failed: Option<StorageError>,
}

impl LocalStream {
    pub fn new(storage: String, key: &str, name: &str, temporary: TemporaryFile) -> Self {
        LocalStream {
            storage,
            key: key.to_owned(),
            name: name.to_owned(),
            temporary,
            gathered: Vec::new(),
            written_bytes: 0,
            write_back_begun_bytes: 0,
            failed: None,
        }
    }

    fn write_gathered(&mut self) -> Result<(), StorageError> {
        let gathered = std::mem::take(&mut self.gathered);
        self.write_through(&gathered)?;
        self.gathered = gathered;
        self.gathered.clear();
        Ok(())
    }

    fn write_through(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let Err(error) = self.temporary.file().write_all(bytes) {
            let error = StorageError::from_io(&self.storage, &self.key, "write", &error);
            self.failed = Some(error.clone());
            return Err(error);
        }
        self.written_bytes += bytes.len() as u64;
        let waiting_bytes = self.written_bytes - self.write_back_begun_bytes;
        if waiting_bytes >= self.write_back_begun_bytes.clamp(FIRST_WRITE_BACK_BYTES, WRITE_BACK_BYTES) {
            begin_write_back(self.temporary.file(), self.write_back_begun_bytes, waiting_bytes);
            self.write_back_begun_bytes = self.written_bytes;
        }
        Ok(())
    }
}

impl Write for LocalStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gathered.len() + bytes.len() > GATHER_BYTES {
            self.write_gathered().map_err(StorageError::into_io)?;
        }
        if bytes.len() >= GATHER_BYTES {
            self.write_through(bytes).map_err(StorageError::into_io)?;
        } else if let Some(error) = &self.failed {
            return Err(error.clone().into_io());
        } else {
            self.gathered.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_gathered().map_err(StorageError::into_io)
    }
}

impl PutStream for LocalStream {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        self.end(TemporaryFile::publish_new)
    }

    fn publish(self: Box<Self>) -> Result<(), StorageError> {
        self.end(TemporaryFile::publish_new_unsettled)
    }
}

impl LocalStream {
    fn end(
        mut self: Box<Self>,
        publish: impl FnOnce(TemporaryFile, &str) -> io::Result<File>,
    ) -> Result<(), StorageError> {
        self.write_gathered()?;
        let LocalStream { storage, key, name, temporary, .. } = *self;
        match publish(temporary, &name) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(StorageError::StorageExists { storage, object: key })
            }
            Err(error) => Err(StorageError::from_io(&storage, &key, "commit", &error)),
        }
    }
}

/// Tells the kernel to start writing a range to the disk, without waiting for it. Only a hint: durability comes from the
/// fsync at commit, which also reports what fails here.
fn begin_write_back(file: &File, offset: u64, length_bytes: u64) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use std::os::fd::AsRawFd;
        if let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length_bytes)) {
            // SAFETY: the descriptor is open as long as `file` lives, and the call touches no memory of ours.
            unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (file, offset, length_bytes);
}

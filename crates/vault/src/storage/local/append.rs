//! Files that are written in place, under their own name.

use super::{Folder, read_exact_at};
use crate::storage::{AppendObject, StorageError};
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A file that grows.
///
/// On Windows, too, others may read, rename and remove it meanwhile: the standard library opens files with all share modes.
pub(super) struct LocalAppend {
    storage: String,
    key: String,
    folder: Arc<Folder>,
    file: File,
    size_bytes: u64,
    /// Whether the folder is known to hold the name durably: whoever made the file may have died before that.
    name_is_durable: bool,
}

impl LocalAppend {
    pub fn open(storage: String, key: &str, folder: Arc<Folder>, name: &str) -> io::Result<Self> {
        let file = folder.open_or_create_file(name)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let size_bytes = found.len();
        Ok(LocalAppend { storage, key: key.to_owned(), folder, file, size_bytes, name_is_durable: false })
    }

    fn short(&self, wanted_bytes: u64) -> StorageError {
        StorageError::StorageShort {
            storage: self.storage.clone(),
            object: self.key.clone(),
            size_bytes: self.size_bytes,
            wanted_bytes,
        }
    }

    fn failed(&self, action: &'static str, error: &io::Error) -> StorageError {
        StorageError::from_io(&self.storage, &self.key, action, error)
    }
}

impl AppendObject for LocalAppend {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        read_exact_at(&self.file, offset, buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.short(offset.saturating_add(buffer.len() as u64)),
            _ => self.failed("read", &error),
        })
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        if offset > self.size_bytes {
            return Err(self.short(offset));
        }
        let mut written = 0;
        while written < bytes.len() {
            match write_at(&self.file, offset + written as u64, &bytes[written..]) {
                Ok(0) => return Err(self.failed("write", &io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("write", &error)),
            }
            self.size_bytes = self.size_bytes.max(offset + written as u64);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        // The data and what is needed to read it, the size among it; not the times.
        self.file.sync_data().map_err(|error| self.failed("sync", &error))?;
        if !self.name_is_durable {
            self.folder.sync().map_err(|error| self.failed("sync", &error))?;
            self.name_is_durable = true;
        }
        Ok(())
    }
}

fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_at(file, bytes, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_write(file, bytes, offset);
}

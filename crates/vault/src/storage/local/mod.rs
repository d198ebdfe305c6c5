//! A repository in a local folder: files 0600, folders 0700, fsync of both.
//!
//! The root may be reached through symbolic links. Below it, writes, deletes, sweeps and locks refuse to pass through one
//! (`StorageLink`), so that nothing outside the root is ever changed; reads and listings follow them, so that archives which
//! an administrator moved to another disk and linked still restore.

mod append;
#[cfg(any(not(unix), feature = "test-portable-folder"))]
mod folder_portable;
#[cfg(all(unix, not(feature = "test-portable-folder")))]
mod folder_unix;
mod listing;
mod lock;
mod stream;
mod temporary;

#[cfg(any(not(unix), feature = "test-portable-folder"))]
use folder_portable::Folder;
#[cfg(all(unix, not(feature = "test-portable-folder")))]
use folder_unix::Folder;

use super::key::{key_parts, prefix_parts};
use super::{
    AppendObject, HolderText, LockAttempt, LockHolder, ObjectReader, PutStream, Storage, StorageError, StoredObject,
};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use temporary::TemporaryFile;

/// The largest object that [`Storage::get`] reads whole.
const GET_LIMIT_BYTES: u64 = 1 << 30;

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

    fn failed(&self, key: &str, action: &'static str) -> impl Fn(io::Error) -> StorageError {
        let (storage, key) = (self.describe(), key.to_owned());
        move |error| StorageError::from_io(&storage, &key, action, &error)
    }

    /// Opens the folder `parts` for reading, or `None` if there is none.
    fn folder_to_read(&self, parts: &[&str]) -> io::Result<Option<Folder>> {
        let opened = Folder::open_root(&self.root)
            .and_then(|root| parts.iter().try_fold(root, |folder, part| folder.open_folder(part)));
        absent_is_none(opened)
    }

    /// Opens the folder `parts` for changes in it, or `None` if there is none.
    fn folder_to_change(&self, parts: &[&str]) -> io::Result<Option<Folder>> {
        let opened = Folder::open_root(&self.root)
            .and_then(|root| parts.iter().try_fold(root, |folder, part| folder.open_folder_no_link(part)));
        absent_is_none(opened)
    }

    /// Opens the folder `parts` for changes in it and makes what is missing of it, durably.
    fn folder_to_fill(&self, parts: &[&str]) -> io::Result<Arc<Folder>> {
        create_root(&self.root)?;
        let mut folder = Folder::open_root(&self.root)?;
        for part in parts {
            let created = folder.create_folder(part)?;
            let inner = folder.open_folder_no_link(part)?;
            if created {
                folder.sync()?;
            }
            folder = inner;
        }
        Ok(Arc::new(folder))
    }

    fn open_file(&self, key: &str) -> Result<Option<(File, u64)>, StorageError> {
        let (name, parents) = split(key)?;
        let open = || -> io::Result<Option<(File, u64)>> {
            let Some(folder) = self.folder_to_read(&parents)? else { return Ok(None) };
            let Some(file) = absent_is_none(folder.open_file(name))? else { return Ok(None) };
            let found = file.metadata()?;
            // Folders, FIFOs and devices are no objects.
            Ok(found.is_file().then_some((file, found.len())))
        };
        open().map_err(self.failed(key, "open"))
    }

    fn write_temporary(&self, folder: &Arc<Folder>, name: &str, content: &[u8]) -> io::Result<TemporaryFile> {
        let temporary = TemporaryFile::create(folder, name)?;
        temporary.file().write_all(content)?;
        Ok(temporary)
    }
}

/// Follows the links of as much of a path as there is.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match known {
        Some((above, real)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))).components().collect(),
        None => path,
    }
}

impl Storage for LocalFolder {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn place(&self) -> String {
        resolved(&self.root).display().to_string()
    }

    fn put_stream(&self, key: &str) -> Result<Box<dyn PutStream>, StorageError> {
        let (name, parents) = split(key)?;
        let begin = || TemporaryFile::create(&self.folder_to_fill(&parents)?, name);
        let temporary = begin().map_err(self.failed(key, "create"))?;
        Ok(Box::new(stream::LocalStream::new(self.describe(), key, name, temporary)))
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        let (name, parents) = split(key)?;
        let put = || -> io::Result<()> {
            let folder = self.folder_to_fill(&parents)?;
            self.write_temporary(&folder, name, content)?.publish(name)?;
            Ok(())
        };
        put().map_err(self.failed(key, "write"))
    }

    fn put_if_absent(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        let (name, parents) = split(key)?;
        let put = || -> io::Result<()> {
            let folder = self.folder_to_fill(&parents)?;
            self.write_temporary(&folder, name, content)?.publish_new(name)?;
            Ok(())
        };
        match put() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(StorageError::StorageExists { storage: self.describe(), object: key.to_owned() })
            }
            done => done.map_err(self.failed(key, "write")),
        }
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let Some((mut file, _)) = self.open_file(key)? else { return Ok(None) };
        read_limited(&mut file, GET_LIMIT_BYTES).map(Some).map_err(self.failed(key, "read"))
    }

    fn open(&self, key: &str) -> Result<Box<dyn ObjectReader>, StorageError> {
        let (storage, key) = (self.describe(), key.to_owned());
        match self.open_file(&key)? {
            Some((file, size_bytes)) => Ok(Box::new(LocalReader { storage, key, file, size_bytes })),
            None => Err(StorageError::StorageMissing { storage, object: key }),
        }
    }

    fn open_append(&self, key: &str) -> Result<Box<dyn AppendObject>, StorageError> {
        let (name, parents) = split(key)?;
        let open = || append::LocalAppend::open(self.describe(), key, self.folder_to_fill(&parents)?, name);
        Ok(Box::new(open().map_err(self.failed(key, "open"))?))
    }

    fn size_bytes(&self, key: &str) -> Result<Option<u64>, StorageError> {
        let (name, parents) = split(key)?;
        let stat = || -> io::Result<Option<u64>> {
            let Some(folder) = self.folder_to_read(&parents)? else { return Ok(None) };
            let found = absent_is_none(folder.metadata(name))?;
            Ok(found.filter(|found| found.is_file).map(|found| found.size_bytes))
        };
        stat().map_err(self.failed(key, "stat"))
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, StorageError> {
        let (parts, _) = prefix_parts(prefix)?;
        let mut objects = Vec::new();
        let mut list = || -> io::Result<()> {
            let Some(folder) = self.folder_to_read(&parts)? else { return Ok(()) };
            let folder_key: String = parts.iter().flat_map(|part| [part, "/"]).collect();
            listing::walk(&folder, &folder_key, prefix, &mut Vec::new(), &mut objects)
        };
        list().map_err(self.failed(prefix, "list"))?;
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(objects)
    }

    fn delete(&self, key: &str) -> Result<(), StorageError> {
        let (name, parents) = split(key)?;
        let delete = || -> io::Result<()> {
            let Some(folder) = self.folder_to_change(&parents)? else { return Ok(()) };
            match absent_is_none(folder.remove(name))? {
                Some(()) => folder.sync(),
                None => Ok(()),
            }
        };
        delete().map_err(self.failed(key, "delete"))
    }

    fn sweep(&self, key: &str) -> Result<(), StorageError> {
        let (name, parents) = split(key)?;
        let sweep = || -> io::Result<()> {
            match self.folder_to_change(&parents)? {
                Some(folder) => temporary::sweep(&folder, name),
                None => Ok(()),
            }
        };
        sweep().map_err(self.failed(key, "sweep"))
    }

    fn sweep_folder(&self, key: &str) -> Result<(), StorageError> {
        let (_, parents) = split(key)?;
        let sweep = || -> io::Result<()> {
            match self.folder_to_change(&parents)? {
                Some(folder) => temporary::sweep_all(&folder),
                None => Ok(()),
            }
        };
        sweep().map_err(self.failed(key, "sweep"))
    }

    fn settle(&self, key: &str) -> Result<(), StorageError> {
        let (_, parents) = split(key)?;
        let settle = || match self.folder_to_read(&parents)? {
            Some(folder) => folder.sync(),
            None => Ok(()),
        };
        settle().map_err(self.failed(key, "settle"))
    }

    fn try_lock(&self, key: &str, holder: HolderText<'_>) -> Result<LockAttempt, StorageError> {
        let (name, parents) = split(key)?;
        let folder = self.folder_to_fill(&parents).map_err(self.failed(key, "lock"))?;
        lock::try_lock(&self.describe(), key, &folder, name, holder)
    }

    fn lock_holder(&self, key: &str) -> Result<LockHolder, StorageError> {
        let (name, parents) = split(key)?;
        let read = || match self.folder_to_read(&parents)? {
            Some(folder) => lock::read_holder(&folder, name),
            None => Ok(LockHolder::Nobody),
        };
        read().map_err(self.failed(key, "read lock"))
    }

    #[cfg(unix)]
    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        // Before the first write there may be no folder yet; it will be made in one that exists.
        let existing = self.root.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        let room = rustix::fs::statvfs(existing).map_err(|error| self.failed("", "stat")(error.into()))?;
        Ok(Some(room.f_bavail.saturating_mul(room.f_frsize)))
    }
}

/// Ranged reads of one file.
struct LocalReader {
    storage: String,
    key: String,
    file: File,
    size_bytes: u64,
}

impl ObjectReader for LocalReader {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        read_exact_at(&self.file, offset, buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => StorageError::StorageShort {
                storage: self.storage.clone(),
                object: self.key.clone(),
                size_bytes: self.file.metadata().map_or(self.size_bytes, |found| found.len()),
                wanted_bytes: offset.saturating_add(buffer.len() as u64),
            },
            _ => StorageError::from_io(&self.storage, &self.key, "read", &error),
        })
    }
}

/// Fills `buffer` from `offset`; `UnexpectedEof` when the file ends before it is full.
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_at(file, offset.saturating_add(filled as u64), &mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    // The kernel counts offsets in an i64 and refuses larger ones; nothing lies there.
    if i64::try_from(offset).is_err() {
        return Ok(0);
    }
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
}

/// Cuts a key into its name and the folders above it.
fn split(key: &str) -> Result<(&str, Vec<&str>), StorageError> {
    let mut parts = key_parts(key)?;
    // `key_parts` never returns an empty list; an empty name would be refused by the file system.
    let name = parts.pop().unwrap_or_default();
    Ok((name, parts))
}

/// Makes the root and every missing folder above it, 0700, and each one's name durable.
fn create_root(root: &Path) -> io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    let parent = match root.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(io::ErrorKind::NotFound.into()),
    };
    create_root(parent)?;
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(root) {
        Ok(()) => Folder::open_root(parent)?.sync(),
        // Another process made it just now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && root.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // A file where a folder is looked for: nothing lies below it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a file to its end, but no more than `limit_bytes`: memory must not depend on what lies in the repository.
fn read_limited(file: &mut File, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit_bytes {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit_bytes} bytes")));
    }
    Ok(content)
}

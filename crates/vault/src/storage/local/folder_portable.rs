//! The same as `folder_unix`, with the standard library's paths only: for Windows. Tests run it on every system.
//!
//! Symbolic links are looked for before each use, which an attacker with write access to the repository could race;
//! on Unix, descriptors close that gap.

use crate::storage::error::LinkInTheWay;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A folder, by its path.
pub(super) struct Folder {
    path: PathBuf,
}

/// What is known of a directory entry.
pub(super) struct EntryMetadata {
    pub is_file: bool,
    pub is_folder: bool,
    pub size_bytes: u64,
    pub modified_seconds: i64,
}

impl Folder {
    /// See `folder_unix`.
    pub fn open_root(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        if !found.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Folder { path: path.to_owned() })
    }

    /// See `folder_unix`.
    pub fn open_folder(&self, name: &str) -> io::Result<Self> {
        Self::open_root(&self.path.join(name))
    }

    /// See `folder_unix`.
    pub fn open_folder_no_link(&self, name: &str) -> io::Result<Self> {
        self.refuse_link(name)?;
        self.open_folder(name)
    }

    /// See `folder_unix`.
    pub fn create_folder(&self, name: &str) -> io::Result<bool> {
        match folder_builder().create(self.path.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// See `folder_unix`.
    pub fn create_file(&self, name: &str) -> io::Result<File> {
        file_options().create_new(true).open(self.path.join(name))
    }

    /// See `folder_unix`.
    pub fn open_or_create_file(&self, name: &str) -> io::Result<File> {
        self.refuse_link(name)?;
        file_options().create(true).truncate(false).open(self.path.join(name))
    }

    /// See `folder_unix`.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        // Keeps a FIFO from stopping us, where there are FIFOs.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
        options.open(self.path.join(name))
    }

    /// See `folder_unix`.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    /// See `folder_unix`. A hard link refuses an existing name in one step, on NTFS too.
    pub fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        match fs::hard_link(self.path.join(from), self.path.join(to)) {
            Ok(()) => self.remove(from),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            // No hard links here (FAT, exFAT): check and rename, in two steps.
            Err(_) => match fs::symlink_metadata(self.path.join(to)) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename(from, to),
                Err(error) => Err(error),
            },
        }
    }

    /// See `folder_unix`.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    /// See `folder_unix`. Windows has no such call: NTFS logs its names itself.
    pub fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }

    /// See `folder_unix`.
    pub fn metadata(&self, name: &str) -> io::Result<EntryMetadata> {
        let found = fs::metadata(self.path.join(name))?;
        let modified = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(EntryMetadata {
            is_file: found.is_file(),
            is_folder: found.is_dir(),
            size_bytes: found.len(),
            modified_seconds: i64::try_from(modified.as_secs()).unwrap_or(i64::MAX),
        })
    }

    /// See `folder_unix`.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// See `folder_unix`. The path without links stands for the folder.
    pub fn identity(&self) -> io::Result<u128> {
        let mut hasher = DefaultHasher::new();
        fs::canonicalize(&self.path)?.hash(&mut hasher);
        Ok(hasher.finish().into())
    }

    /// See `folder_unix`. The standard library tells no file index on Windows: times and size stand for it.
    pub fn is_same_file(&self, name: &str, file: &File) -> io::Result<bool> {
        let ours = file.metadata()?;
        match fs::symlink_metadata(self.path.join(name)) {
            #[cfg(unix)]
            Ok(found) => {
                use std::os::unix::fs::MetadataExt;
                Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino()))
            }
            #[cfg(not(unix))]
            Ok(found) => {
                let identity = |of: &fs::Metadata| Ok::<_, io::Error>((of.created()?, of.modified()?, of.len()));
                Ok(identity(&found)? == identity(&ours)?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn refuse_link(&self, name: &str) -> io::Result<()> {
        match fs::symlink_metadata(self.path.join(name)) {
            Ok(found) if found.is_symlink() => Err(io::Error::other(LinkInTheWay(name.to_owned()))),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn folder_builder() -> fs::DirBuilder {
    let builder = fs::DirBuilder::new();
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = builder;
        builder.mode(0o700);
        builder
    };
    builder
}

fn file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

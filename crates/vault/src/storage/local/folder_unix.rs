//! A folder held open, and what is done in it, relative to its descriptor: no part of a path can be exchanged for a
//! symbolic link between a check and its use.

use crate::storage::error::LinkInTheWay;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o700);

/// A folder that is held open.
pub(super) struct Folder {
    fd: OwnedFd,
}

/// What is known of a directory entry.
pub(super) struct EntryMetadata {
    pub is_file: bool,
    pub is_folder: bool,
    pub size_bytes: u64,
    pub modified_seconds: i64,
}

impl Folder {
    /// Opens the storage's root, which may be reached through symbolic links: whoever configures it may place it anywhere.
    pub fn open_root(path: &Path) -> io::Result<Self> {
        let fd = fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Folder { fd })
    }

    /// Opens a folder in this one, through a symbolic link if there is one.
    pub fn open_folder(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Folder { fd: fs::openat(&self.fd, name, flags, Mode::empty())? })
    }

    /// Opens a folder in this one, or says that a symbolic link stands there.
    pub fn open_folder_no_link(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Folder { fd }),
            // Linux answers ENOTDIR and macOS ELOOP for a link here; say what it is.
            Err(errno @ (Errno::NOTDIR | Errno::LOOP)) => {
                let stat = fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                    return Err(io::Error::other(LinkInTheWay(name.to_owned())));
                }
                Err(errno.into())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes a folder, 0700, unless the name is there already; tells whether it did. [`Folder::sync`] makes it durable.
    pub fn create_folder(&self, name: &str) -> io::Result<bool> {
        match fs::mkdirat(&self.fd, name, FOLDER_MODE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes a file, 0600, that was not there.
    pub fn create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(fs::openat(&self.fd, name, flags, FILE_MODE)?))
    }

    /// Opens a file for reading and writing and makes it, 0600, if it is not there; never through a symbolic link.
    pub fn open_or_create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match fs::openat(&self.fd, name, flags, FILE_MODE) {
            Ok(fd) => Ok(File::from(fd)),
            Err(Errno::LOOP) => Err(io::Error::other(LinkInTheWay(name.to_owned()))),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a file for reading. `NONBLOCK` keeps a FIFO that somebody placed here from stopping us; on files it does nothing.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(fs::openat(&self.fd, name, flags, Mode::empty())?))
    }

    /// Gives a file another name, replacing what has it.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Gives a file another name that nothing has yet.
    ///
    /// # Errors
    /// `AlreadyExists`.
    pub fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        match fs::renameat_with(&self.fd, from, &self.fd, to, fs::RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            // An old kernel, or a file system without the flag (NFS): the link below is as good.
            Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.link_then_unlink(from, to)
    }

    fn link_then_unlink(&self, from: &str, to: &str) -> io::Result<()> {
        match fs::linkat(&self.fd, from, &self.fd, to, AtFlags::empty()) {
            Ok(()) => {}
            // Neither the flag nor hard links (FAT under some drivers, some FUSE file systems). The check and the rename
            // are two steps here: another process may slip in between, so only the repository's lock protects the name.
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK | Errno::INVAL) => {
                return match fs::statat(&self.fd, to, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(Errno::EXIST.into()),
                    Err(Errno::NOENT) => self.rename(from, to),
                    Err(errno) => Err(errno.into()),
                };
            }
            Err(errno) => return Err(errno.into()),
        }
        self.remove(from)
    }

    /// Removes a file; of a symbolic link, the link.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Makes names durable.
    pub fn sync(&self) -> io::Result<()> {
        match fs::fsync(&self.fd) {
            // File systems that can't fsync a folder say so; PostgreSQL ignores these two likewise (upstream `fd.c`,
            // fsync_fname_ext).
            Ok(()) | Err(Errno::BADF | Errno::INVAL) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Tells what a name stands for, through symbolic links.
    pub fn metadata(&self, name: &str) -> io::Result<EntryMetadata> {
        let stat = fs::statat(&self.fd, name, AtFlags::empty())?;
        let file_type = FileType::from_raw_mode(stat.st_mode);
        Ok(EntryMetadata {
            is_file: file_type == FileType::RegularFile,
            is_folder: file_type == FileType::Directory,
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            #[allow(clippy::useless_conversion)] // not an i64 on every platform
            modified_seconds: stat.st_mtime.into(),
        })
    }

    /// Returns the names in this folder, without `.` and `..`, in no order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.fd)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// Identifies the folder, so that a walk notices when a link leads it back.
    pub fn identity(&self) -> io::Result<u128> {
        let stat = fs::fstat(self.fd.as_fd())?;
        #[allow(clippy::unnecessary_cast)] // not u64 on every platform
        Ok((stat.st_dev as u128) << 64 | stat.st_ino as u128)
    }

    /// Tells whether `name` still stands for this open file.
    pub fn is_same_file(&self, name: &str, file: &File) -> io::Result<bool> {
        let ours = fs::fstat(file)?;
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok((found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_where_rename_lacks_the_flag_and_never_replaces() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::write(temporary.path().join("from"), "new").unwrap();
        std::fs::write(temporary.path().join("taken"), "old").unwrap();
        let folder = Folder::open_root(temporary.path()).unwrap();
        let refusal = folder.link_then_unlink("from", "taken").unwrap_err();
        assert_eq!(refusal.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(temporary.path().join("taken")).unwrap(), b"old");
        folder.link_then_unlink("from", "to").unwrap();
        assert_eq!(std::fs::read(temporary.path().join("to")).unwrap(), b"new");
        assert!(!temporary.path().join("from").exists());
    }
}

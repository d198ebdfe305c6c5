//! How are files made below the targets? Relative to open directories, following no link, never over anything that exists.

use super::direct::open_direct;
use super::durable::reserve;
use super::split::DIRECT_FILE_BYTES;
use crate::restore::RestoreError;
use crate::restore::error::write_error;
use crate::restore::target::Ownership;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, fchmod, fstat, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many directories a cache keeps open. An archive goes through them one after another, so few are used at a time.
const CACHED_DIRECTORIES: usize = 32;

/// The targets, open.
pub(crate) struct Tree {
    roots: Vec<Root>,
    ownership: Ownership,
    /// Files and directories may be there already.
    over: bool,
}

/// A file, opened to be made right.
pub(crate) struct OpenedFile {
    pub file: File,
    /// The same file, for writing past the page cache; only of a new one.
    pub direct: Option<File>,
    /// How long it was; `None` for a new one.
    pub old_bytes: Option<u64>,
}

struct Root {
    directory: OwnedFd,
    path: PathBuf,
}

impl Tree {
    pub fn new(ownership: Ownership) -> Self {
        Tree { roots: Vec::new(), ownership, over: false }
    }

    /// Says that a restore is made over what is there.
    #[must_use]
    pub fn over(self) -> Self {
        Tree { over: true, ..self }
    }

    /// Adds the next root.
    pub fn add_root(&mut self, directory: OwnedFd, path: &Path) {
        self.roots.push(Root { directory, path: path.to_owned() });
    }

    /// Returns the open directories of the roots.
    pub fn roots(&self) -> impl Iterator<Item = (&OwnedFd, &Path)> {
        self.roots.iter().map(|root| (&root.directory, root.path.as_path()))
    }

    /// Returns the whole path, for messages and for the few files that are handled by path.
    pub fn full_path(&self, root: usize, path: &[u8]) -> PathBuf {
        self.roots[root].path.join(OsStr::from_bytes(path))
    }
}

/// Makes files and directories, keeping the directories it used last open. One per worker.
pub(crate) struct TreeWriter<'t> {
    tree: &'t Tree,
    open: Vec<HashMap<Box<[u8]>, OwnedFd>>,
    open_count: usize,
}

impl<'t> TreeWriter<'t> {
    pub fn new(tree: &'t Tree) -> Self {
        TreeWriter { tree, open: tree.roots.iter().map(|_| HashMap::new()).collect(), open_count: 0 }
    }

    /// Makes a new file and opens it for writing.
    ///
    /// # Errors
    /// `RestoreWrite`, also when the file exists; `RestoreDiskFull`.
    pub fn create_file(&mut self, root: usize, path: &[u8]) -> Result<File, RestoreError> {
        let (parent, name) = split(path);
        let tree = self.tree;
        let result = self.directory(root, parent).and_then(|directory| {
            // RDWR: some file systems want it for preallocation and for the final check.
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(directory, name, flags, Mode::from_raw_mode(tree.ownership.file_mode))?;
            tree.settle(&file, tree.ownership.file_mode)?;
            Ok(File::from(file))
        });
        result.map_err(|error| write_error(&tree.full_path(root, path), error))
    }

    /// Opens a file to be made right; makes it if it is not there. One with other names is left to them and made anew: what is
    /// written here must not change a copy that shares its blocks.
    ///
    /// # Errors
    /// `RestoreWrite`, `RestoreDiskFull`.
    pub fn open_file(&mut self, root: usize, path: &[u8]) -> Result<OpenedFile, RestoreError> {
        let (parent, name) = split(path);
        let tree = self.tree;
        let result = self.directory(root, parent).and_then(|directory| {
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = match openat(directory, name, flags, Mode::empty()) {
                Ok(file) => file,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(error),
            };
            let status = fstat(&file)?;
            #[allow(clippy::unnecessary_cast, reason = "nlink_t is another integer on some systems")]
            if status.st_nlink as u64 > 1 {
                unlinkat(directory, name, AtFlags::empty())?;
                return Ok(None);
            }
            tree.settle_over(&file, &status, tree.ownership.file_mode)?;
            Ok(Some((File::from(file), u64::try_from(status.st_size).unwrap_or(0))))
        });
        match result.map_err(|error| write_error(&tree.full_path(root, path), error))? {
            Some((file, old_bytes)) => Ok(OpenedFile { file, direct: None, old_bytes: Some(old_bytes) }),
            None => Ok(OpenedFile { file: self.create_file(root, path)?, direct: None, old_bytes: None }),
        }
    }

    /// The same for a file that several workers will write: it has its size from now on, with the blocks it lacks reserved.
    ///
    /// # Errors
    /// As [`Self::open_file`].
    pub fn open_large_file(&mut self, root: usize, path: &[u8], size_bytes: u64) -> Result<OpenedFile, RestoreError> {
        let opened = if self.tree.over { Some(self.open_file(root, path)?) } else { None };
        match opened {
            Some(OpenedFile { file, old_bytes: Some(old_bytes), .. }) => {
                let sized = file.set_len(size_bytes).and_then(|()| reserve(&file, size_bytes));
                sized.map_err(|error| write_error(&self.tree.full_path(root, path), error))?;
                Ok(OpenedFile { file, direct: None, old_bytes: Some(old_bytes) })
            }
            Some(OpenedFile { file, .. }) => self.prepare_large(root, path, size_bytes, file),
            None => {
                let file = self.create_file(root, path)?;
                self.prepare_large(root, path, size_bytes, file)
            }
        }
    }

    /// Reserves a new file's blocks, and, if it is large and the file system can, opens it once more for writing past the page
    /// cache.
    fn prepare_large(
        &mut self,
        root: usize,
        path: &[u8],
        size_bytes: u64,
        file: File,
    ) -> Result<OpenedFile, RestoreError> {
        reserve(&file, size_bytes).map_err(|error| write_error(&self.tree.full_path(root, path), error))?;
        if size_bytes < DIRECT_FILE_BYTES {
            return Ok(OpenedFile { file, direct: None, old_bytes: None });
        }
        let (parent, name) = split(path);
        let direct = self.directory(root, parent).ok().and_then(|directory| open_direct(directory, name, &file));
        Ok(OpenedFile { file, direct, old_bytes: None })
    }

    /// Makes a directory if it is not there, and those above it.
    ///
    /// # Errors
    /// `RestoreWrite`, `RestoreDiskFull`.
    pub fn make_directory(&mut self, root: usize, path: &[u8]) -> Result<(), RestoreError> {
        if path.is_empty() {
            return Ok(());
        }
        let (parent, name) = split(path);
        self.make_directory(root, parent)?;
        let tree = self.tree;
        let mode = tree.ownership.directory_mode;
        let result = self.directory(root, parent).and_then(|directory| {
            match mkdirat(directory, name, Mode::from_raw_mode(mode)) {
                Ok(()) => {}
                Err(Errno::EXIST) if tree.over => {
                    let existing = open_directory(directory, name)?;
                    return tree.settle_over(&existing, &fstat(&existing)?, mode);
                }
                Err(Errno::EXIST) => return Ok(()),
                Err(error) => return Err(error),
            }
            tree.settle(&open_directory(directory, name)?, mode)
        });
        result.map_err(|error| write_error(&tree.full_path(root, path), error))
    }

    /// Makes a symbolic link to `destination`.
    ///
    /// # Errors
    /// `RestoreWrite`, `RestoreDiskFull`.
    pub fn make_link(&mut self, root: usize, path: &[u8], destination: &Path) -> Result<(), RestoreError> {
        let (parent, name) = split(path);
        let tree = self.tree;
        let result = self.directory(root, parent).and_then(|directory| {
            use rustix::fs::{Gid, Uid, chownat, symlinkat};
            symlinkat(destination, directory, name)?;
            match tree.ownership.owner {
                Some((uid, gid)) => {
                    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
                    chownat(directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                }
                None => Ok(()),
            }
        });
        result.map_err(|error| write_error(&tree.full_path(root, path), error))
    }

    /// Returns an open directory, walking down from the root so that no link is followed on the way.
    fn directory(&mut self, root: usize, path: &[u8]) -> rustix::io::Result<&OwnedFd> {
        let base = &self.tree.roots[root].directory;
        if path.is_empty() {
            return Ok(base);
        }
        if !self.open[root].contains_key(path) {
            if self.open_count >= CACHED_DIRECTORIES {
                self.open.iter_mut().for_each(HashMap::clear);
                self.open_count = 0;
            }
            let mut parts = path.split(|&byte| byte == b'/');
            let first = parts.next().unwrap_or_default();
            let mut directory = open_directory(base, OsStr::from_bytes(first))?;
            for part in parts {
                directory = open_directory(&directory, OsStr::from_bytes(part))?;
            }
            self.open[root].insert(path.into(), directory);
            self.open_count += 1;
        }
        self.open[root].get(path).ok_or(Errno::NOENT)
    }
}

impl Tree {
    /// Gives a file or directory that was there its owner and mode, where they differ.
    fn settle_over(&self, file: &OwnedFd, status: &Stat, mode: u32) -> rustix::io::Result<()> {
        if self.ownership.differs_from(status) {
            self.ownership.give(file)?;
        }
        if status.st_mode & 0o7777 == mode { Ok(()) } else { fchmod(file, Mode::from_raw_mode(mode)) }
    }

    /// Gives a new file its owner, and its mode where the process's umask may have narrowed it.
    fn settle(&self, file: &OwnedFd, mode: u32) -> rustix::io::Result<()> {
        self.ownership.give(file)?;
        // 0600 and 0700 are what the strictest sensible umask leaves.
        if mode & 0o070 != 0 { fchmod(file, Mode::from_raw_mode(mode)) } else { Ok(()) }
    }
}

/// Splits a path into its parent (empty for the root) and its last part.
fn split(path: &[u8]) -> (&[u8], &OsStr) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], OsStr::from_bytes(&path[slash + 1..])),
        None => (&path[..0], OsStr::from_bytes(path)),
    }
}

fn open_directory(base: &OwnedFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(base, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tree(path: &Path) -> Tree {
        let mut tree = Tree::new(Ownership { owner: None, directory_mode: 0o750, file_mode: 0o640 });
        tree.add_root(File::open(path).unwrap().into(), path);
        tree
    }

    #[test]
    fn makes_files_and_directories_with_the_wanted_modes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        let mut writer = TreeWriter::new(&tree);
        writer.make_directory(0, b"base/1").unwrap();
        writer.make_directory(0, b"base/1").unwrap();
        writer.create_file(0, b"base/1/1259").unwrap().write_all(b"x").unwrap();
        let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("base"), mode("base/1"), mode("base/1/1259")), (0o750, 0o750, 0o640));
        assert_eq!(std::fs::read(folder.path().join("base/1/1259")).unwrap(), b"x");
    }

    #[test]
    fn writes_through_no_link_and_over_no_file() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        std::os::unix::fs::symlink(outside.path(), folder.path().join("base")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("victim"), folder.path().join("PG_VERSION")).unwrap();
        std::fs::write(folder.path().join("there"), b"old").unwrap();
        let mut writer = TreeWriter::new(&tree);
        assert!(writer.create_file(0, b"base/1259").is_err());
        assert!(writer.make_directory(0, b"base/1").is_err());
        assert!(writer.create_file(0, b"PG_VERSION").is_err());
        assert!(writer.create_file(0, b"there").is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(std::fs::read(folder.path().join("there")).unwrap(), b"old");
    }

    #[test]
    fn the_cache_stays_small_over_many_directories() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        let mut writer = TreeWriter::new(&tree);
        for number in 0..3 * CACHED_DIRECTORIES {
            let directory = format!("base/{number}");
            writer.make_directory(0, directory.as_bytes()).unwrap();
            writer.create_file(0, format!("{directory}/1").as_bytes()).unwrap();
            assert!(writer.open_count <= CACHED_DIRECTORIES);
        }
    }
}

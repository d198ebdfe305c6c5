//! What is in the way of the backup? Every file, folder and link that an ordinary restore would not have made, and every file that
//! is written anew in any case. Nothing is followed out of the roots.

use crate::chain::{LABEL_PATH, PathKey, PathKeys, changed_path};
use crate::restore::error::write_error;
use crate::restore::files::{Layout, MANIFEST_PATH, SIGNAL_FILES, Tree};
use crate::restore::target::{CONTROL_FILE_ASIDE, remove_entries};
use crate::restore::{MARKER_FILE, RestoreNote, TablespaceTarget};
use crate::{Cancel, Error, chain::Chain};
use pgformat::control_file::{CONTROL_FILE_PATH, ControlFile};
use pgformat::relation_file::PgVersionDirectory;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, readlinkat, statat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use vault::archive::MemberKind;

/// Removes what is in the way.
pub(super) struct Surplus<'a> {
    pub chain: &'a Chain,
    pub layout: &'a Layout,
    pub tree: &'a Tree,
    pub tablespaces: &'a [TablespaceTarget],
    pub control: &'a ControlFile,
    pub cancel: &'a Cancel,
    /// How many paths of the backup are held in memory at a time, 16 bytes each; above it the directories are gone through once for
    /// each part.
    pub most_paths: u64,
}

/// What was removed.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// Files, links and folders; what was in a removed folder is not counted.
    pub entries: u64,
    pub notes: Vec<RestoreNote>,
}

/// The paths of one part that stay, sorted.
struct Kept<'k> {
    keys: &'k PathKeys,
    paths: Vec<PathKey>,
    part: u64,
    parts: u64,
}

impl Kept<'_> {
    /// Tells whether an entry stays; `None` when another part knows.
    fn keeps(&self, root: usize, path: &[u8], kind: FileType) -> Option<bool> {
        let key = key_of(self.keys, root, path, kind.is_dir());
        (key.part(self.parts) == self.part).then(|| self.paths.binary_search(&key).is_ok())
    }
}

/// A file does not stand for a folder of the same name.
fn key_of(keys: &PathKeys, root: usize, path: &[u8], is_folder: bool) -> PathKey {
    let mut name = (root as u32).to_le_bytes().to_vec();
    name.push(u8::from(is_folder));
    name.extend_from_slice(path);
    keys.of(&name)
}

impl<'a> Surplus<'a> {
    /// Removes it.
    ///
    /// # Errors
    /// `RestoreWrite` when something can't be removed; those of the archive; `cancelled`.
    pub fn remove(&self) -> Result<Removed, Error> {
        let keys = PathKeys::new();
        let mut removed = Removed::default();
        let parts = self.chain.newest().reader.member_count().div_ceil(self.most_paths.max(1)).max(1);
        for part in 0..parts {
            let kept = Kept { keys: &keys, paths: self.paths(&keys, part, parts)?, part, parts };
            for (root, (directory, path)) in self.tree.roots().enumerate() {
                let mut walk = Walk { surplus: self, kept: &kept, root, removed: &mut removed };
                walk.folder(directory.as_fd(), &mut Vec::new()).map_err(|fault| match fault {
                    Fault::Io(below, error) => write_error(&path.join(OsStr::from_bytes(&below)), error).into(),
                    Fault::Other(error) => *error,
                })?;
            }
        }
        Ok(removed)
    }

    /// Collects one part of what stays.
    fn paths(&self, keys: &PathKeys, part: u64, parts: u64) -> Result<Vec<PathKey>, Error> {
        let newest = self.chain.newest();
        let mut paths = Vec::new();
        let mut enter = |root: usize, path: &[u8], is_folder: bool| {
            let key = key_of(keys, root, path, is_folder);
            if key.part(parts) == part {
                paths.push(key);
            }
        };
        for member in newest.reader.members()? {
            let member = member?;
            let changed = changed_path(&newest.record, &member.path);
            let path = changed.as_ref().map_or(member.path.as_slice(), |path| path.as_bytes());
            let location = self.layout.locate(path)?;
            let is_folder = member.kind == MemberKind::Directory;
            if location.root > 0 && location.path.is_empty() || !is_folder && self.is_written_anew(path) {
                continue;
            }
            enter(location.root, location.path, is_folder);
        }
        // Made by every restore, whether the archive has it or not.
        enter(0, b"pg_tblspc", true);
        enter(0, MARKER_FILE.as_bytes(), false);
        enter(0, CONTROL_FILE_ASIDE.as_bytes(), false);
        // What holds it, for an archive that can't be restored anyhow.
        enter(0, b"global", true);
        paths.sort_unstable();
        Ok(paths)
    }

    /// Tells which files of the backup are not compared but made new: old ones under these names must not take part in recovery.
    fn is_written_anew(&self, path: &[u8]) -> bool {
        let names = [LABEL_PATH, CONTROL_FILE_PATH, MARKER_FILE];
        path.starts_with(b"pg_wal/")
            || names.into_iter().chain(SIGNAL_FILES).any(|name| name.as_bytes() == path)
            || self.chain.links().len() > 1 && path == MANIFEST_PATH
    }

    /// Returns where the link of a tablespace with a directory of its own must lead to.
    fn wanted_link(&self, path: &[u8]) -> Option<&OsStr> {
        let oid = path.strip_prefix(b"pg_tblspc/")?;
        let tablespace = self.tablespaces.iter().find(|tablespace| tablespace.oid.to_string().as_bytes() == oid)?;
        Some(tablespace.new_location.as_os_str())
    }
}

/// Why a walk ended: the operating system's refusal at a path below the root, or something else.
enum Fault {
    Io(Vec<u8>, Errno),
    Other(Box<Error>),
}

struct Walk<'w, 'a> {
    surplus: &'w Surplus<'a>,
    kept: &'w Kept<'w>,
    root: usize,
    removed: &'w mut Removed,
}

impl Walk<'_, '_> {
    fn folder(&mut self, directory: BorrowedFd<'_>, path: &mut Vec<u8>) -> Result<(), Fault> {
        self.surplus.cancel.check().map_err(|error| Fault::Other(Box::new(error.into())))?;
        let entries = list(directory).map_err(|error| Fault::Io(path.clone(), error))?;
        let length = path.len();
        for (name, kind) in entries {
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            self.entry(directory, &name, kind, path)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        path: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        // Beside the version's own folder a tablespace's directory may hold other clusters' files.
        if self.root > 0 && !path.contains(&b'/') && !self.is_own_version(path) {
            return Ok(());
        }
        let io = |path: &[u8]| {
            let path = path.to_owned();
            move |error: Errno| Fault::Io(path, error)
        };
        if kind.is_symlink() && self.root == 0 && path.starts_with(b"pg_tblspc/") {
            return self.link(directory, name, path).map_err(io(path));
        }
        let stays = match kind {
            FileType::RegularFile | FileType::Directory => self.kept.keeps(self.root, path, kind),
            // Links, sockets, devices: a backup has none.
            _ => Some(false),
        };
        match (stays, kind.is_dir()) {
            (Some(false), true) => {
                let inner = open_folder(directory, name).map_err(io(path))?;
                remove_entries(inner.as_fd(), &[])
                    .map_err(|error| Fault::Other(Box::new(write_error(&self.full_path(path), error).into())))?;
                unlinkat(directory, name, AtFlags::REMOVEDIR).map_err(io(path))?;
                self.removed.entries += 1;
            }
            (Some(false), false) => {
                if kind.is_symlink() {
                    self.tell_of_link(directory, name, path);
                }
                unlinkat(directory, name, AtFlags::empty()).map_err(io(path))?;
                self.removed.entries += 1;
            }
            (_, true) => {
                let inner = open_folder(directory, name).map_err(io(path))?;
                self.folder(inner.as_fd(), path)?;
            }
            (_, false) => {}
        }
        Ok(())
    }

    /// Removes a tablespace's link that leads elsewhere than it must.
    fn link(&mut self, directory: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> rustix::io::Result<()> {
        let destination = readlinkat(directory, name, Vec::new())?;
        let wanted = self.surplus.wanted_link(path);
        if wanted.is_some_and(|wanted| wanted.as_bytes() == destination.to_bytes()) {
            return Ok(());
        }
        if wanted.is_none() {
            self.tell_of_link(directory, name, path);
        }
        unlinkat(directory, name, AtFlags::empty())?;
        self.removed.entries += 1;
        Ok(())
    }

    /// Says that what a link led to was left as it is.
    fn tell_of_link(&mut self, directory: BorrowedFd<'_>, name: &CStr, path: &[u8]) {
        // What can't be read leads nowhere that could be told.
        if let Ok(destination) = readlinkat(directory, name, Vec::new()) {
            let destination = destination.to_string_lossy().into_owned();
            let link = self.full_path(path).display().to_string();
            self.removed.notes.push(RestoreNote::RestoreRemovedLink { link, destination });
        }
    }

    fn full_path(&self, path: &[u8]) -> std::path::PathBuf {
        self.surplus.tree.full_path(self.root, path)
    }

    fn is_own_version(&self, name: &[u8]) -> bool {
        let control = self.surplus.control;
        let own = PgVersionDirectory::new(control.version, control.catalog_version);
        own.to_string().as_bytes() == name
    }
}

fn open_folder(directory: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<std::os::fd::OwnedFd> {
    openat(directory, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Lists a folder; read whole before anything goes, since a removal may hide others from a listing.
fn list(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<(CString, FileType)>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => FileType::from_raw_mode(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode),
            kind => kind,
        };
        entries.push((name.to_owned(), kind));
    }
    Ok(entries)
}

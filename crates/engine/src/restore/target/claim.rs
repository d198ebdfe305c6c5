//! Who writes a target? The marker file: locked while a restore works, and left behind when one is killed.
//!
//! Each target directory (the data directory and every tablespace's) holds `cadena.restoring` from before the first file until after the
//! last. Its lock keeps a second restore out and ends with the process. A marker without a lock, with no control file in
//! the data directory it names, says that all beside it is an interrupted restore's: the next one may remove it.

use super::inspect::{TargetState, inspect};
use super::marker::{MARKER_FILE, Marker, judge, open_marker, write_marker};
use super::remove::remove_contents;
use crate::Error;
use crate::restore::RestoreError;
use crate::restore::error::{target_error, write_error};
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory that is ours to write into. Dropped without [`Claim::release`] or [`undo`], it stays marked.
pub(crate) struct Claim {
    path: PathBuf,
    directory: OwnedFd,
    /// Keeps the lock.
    _marker: File,
    /// Directories that were made for it, the outermost first, itself included if it was absent.
    made: Vec<PathBuf>,
    /// Mode and owner of a directory that was there, to be put back.
    before: Option<(u32, u32, u32)>,
    /// An interrupted restore's files were removed.
    pub removed_remains: bool,
    /// What is in the directory was there before.
    over: bool,
    /// Whether the marker was there before.
    was_marked: bool,
}

/// How new directories are made and given away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ownership {
    /// Whom to give files to; `None` when they are ours anyhow.
    pub owner: Option<(u32, u32)>,
    pub directory_mode: u32,
    pub file_mode: u32,
}

impl Ownership {
    /// Tells whether a file belongs to somebody else.
    pub fn differs_from(&self, status: &rustix::fs::Stat) -> bool {
        self.owner.is_some_and(|owner| owner != (status.st_uid, status.st_gid))
    }

    /// Gives `file` its owner.
    pub fn give(&self, file: impl AsFd) -> rustix::io::Result<()> {
        use rustix::fs::{Gid, Uid, fchown};
        match self.owner {
            Some((uid, gid)) => fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))),
            None => Ok(()),
        }
    }
}

impl Claim {
    /// Makes the directory if it is absent, marks it as ours, and empties it of an interrupted restore's remains.
    ///
    /// # Errors
    /// As [`inspect`]; `RestoreWrite` when the marker can't be written. Nothing is left behind then.
    pub fn take(path: &Path, marker: &Marker, ownership: &Ownership) -> Result<Self, RestoreError> {
        let mut made = Vec::new();
        let result = Self::take_into(path, marker, ownership, &mut made);
        if result.is_err() {
            // Another restore may have begun to use them: then they are not empty, and stay.
            for directory in made.iter().rev() {
                let _ = std::fs::remove_dir(directory);
            }
        }
        result
    }

    fn take_into(
        path: &Path,
        marker: &Marker,
        ownership: &Ownership,
        made: &mut Vec<PathBuf>,
    ) -> Result<Self, RestoreError> {
        let state = inspect(path)?;
        if state == TargetState::Absent {
            make_directories(path, ownership, made)?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(path, flags, Mode::empty()).map_err(|error| target_error(path, error))?;
        let (mut file, created) = open_marker(&directory, path)?;
        // From here on the directory is ours alone, so what is in it can't change any more.
        let remains = if created { false } else { judge(&mut file, path)? };
        let others = other_entries(&directory).map_err(|error| target_error(path, error))?;
        if others && !remains {
            if created {
                rustix::fs::unlinkat(&directory, MARKER_FILE, rustix::fs::AtFlags::empty())
                    .map_err(|error| write_error(&path.join(MARKER_FILE), error))?;
            }
            return Err(RestoreError::RestoreTargetNotEmpty { directory: path.display().to_string() });
        }
        if !created && !remains {
            return Err(RestoreError::RestoreTargetNotEmpty { directory: path.display().to_string() });
        }
        let status = fstat(&directory).map_err(|error| target_error(path, error))?;
        let was_there = made.last().is_none_or(|last| last != path);
        let before = was_there.then_some((status.st_mode & 0o7777, status.st_uid, status.st_gid));
        let claim = Claim {
            path: path.to_owned(),
            directory,
            _marker: file.try_clone().map_err(|error| target_error(path, error))?,
            made: std::mem::take(made),
            before,
            removed_remains: others,
            over: false,
            was_marked: !created,
        };
        match claim.begin(&mut file, marker, ownership) {
            Ok(()) => Ok(claim),
            Err(error) => Err(match claim.clear().and_then(|()| claim.remove_made()) {
                Ok(()) => error,
                Err(remains) => remains.into_error(&error),
            }),
        }
    }

    /// Empties the directory, and writes down whose it is.
    fn begin(&self, file: &mut File, marker: &Marker, ownership: &Ownership) -> Result<(), RestoreError> {
        remove_contents(&self.directory, &[MARKER_FILE]).map_err(|error| write_error(&self.path, error))?;
        write_marker(file, marker, &self.path)?;
        ownership.give(&self.directory).map_err(|error| write_error(&self.path, error))?;
        rustix::fs::fchmod(&self.directory, Mode::from_raw_mode(ownership.directory_mode))
            .map_err(|error| write_error(&self.path, error))?;
        rustix::fs::fsync(&self.directory).map_err(|error| write_error(&self.path, error))
    }

    /// Marks a directory as ours whose content stays: a restore will be made over it. Makes it if it is absent.
    ///
    /// # Errors
    /// `RestoreBusy`, `RestoreTarget`, `RestoreWrite`. Nothing has changed then.
    pub fn take_over(path: &Path, marker: &Marker, ownership: &Ownership) -> Result<Self, RestoreError> {
        let mut made = Vec::new();
        let result = Self::mark(path, marker, ownership, &mut made);
        if result.is_err() {
            for directory in made.iter().rev() {
                let _ = std::fs::remove_dir(directory);
            }
        }
        result
    }

    fn mark(
        path: &Path,
        marker: &Marker,
        ownership: &Ownership,
        made: &mut Vec<PathBuf>,
    ) -> Result<Self, RestoreError> {
        make_directories(path, ownership, made)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(path, flags, Mode::empty()).map_err(|error| target_error(path, error))?;
        let (mut file, created) = open_marker(&directory, path)?;
        let marked = write_marker(&mut file, marker, path).and_then(|()| {
            let _lock = file.try_clone().map_err(|error| target_error(path, error))?;
            rustix::fs::fsync(&directory).map_err(|error| write_error(path, error))?;
            Ok(_lock)
        });
        match marked {
            Ok(lock) => Ok(Claim {
                path: path.to_owned(),
                directory,
                _marker: lock,
                made: std::mem::take(made),
                before: None,
                removed_remains: false,
                over: true,
                was_marked: !created,
            }),
            Err(error) => {
                if created {
                    // The directory is as it was, but for this; the error tells why it could not be used.
                    let _ = rustix::fs::unlinkat(&directory, MARKER_FILE, rustix::fs::AtFlags::empty());
                }
                Err(error)
            }
        }
    }

    /// Gives the directory itself its owner and mode.
    ///
    /// # Errors
    /// `RestoreWrite`.
    pub fn settle(&self, ownership: &Ownership) -> Result<(), RestoreError> {
        ownership
            .give(&self.directory)
            .and_then(|()| rustix::fs::fchmod(&self.directory, Mode::from_raw_mode(ownership.directory_mode)))
            .map_err(|error| write_error(&self.path, error))
    }

    /// Returns the directory.
    pub fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directories durable that were made on the way to the target.
    ///
    /// # Errors
    /// `RestoreWrite`.
    pub fn sync_parents(&self) -> Result<(), RestoreError> {
        for parent in self.made.iter().filter_map(|made| made.parent()) {
            File::open(parent).and_then(|parent| parent.sync_all()).map_err(|error| write_error(parent, error))?;
        }
        Ok(())
    }

    /// Removes the marker: the directory is complete.
    ///
    /// # Errors
    /// `RestoreWrite`.
    pub fn release(&self) -> Result<(), RestoreError> {
        let result = rustix::fs::unlinkat(&self.directory, MARKER_FILE, rustix::fs::AtFlags::empty());
        result.and_then(|()| rustix::fs::fsync(&self.directory)).map_err(|error| write_error(&self.path, error))
    }

    /// Removes all that is in the directory, its marker last, and puts its mode and owner back.
    ///
    /// # Errors
    /// [`Remains`] when something could not be removed; the marker stays then, for the next restore.
    pub fn clear(&self) -> Result<(), Remains> {
        let attempt = || -> std::io::Result<()> {
            if self.over {
                // Nothing but the marker is ours, and that only if no earlier restore left it.
                if self.was_marked {
                    return Ok(());
                }
            } else {
                remove_contents(&self.directory, &[MARKER_FILE])?;
            }
            if let Some((mode, uid, gid)) = self.before {
                let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
                rustix::fs::fchown(&self.directory, Some(uid), Some(gid))?;
                rustix::fs::fchmod(&self.directory, Mode::from_raw_mode(mode))?;
            }
            match rustix::fs::unlinkat(&self.directory, MARKER_FILE, rustix::fs::AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(error.into()),
            }
        };
        attempt().map_err(|error| Remains { directory: self.path.clone(), cause: error.to_string() })
    }

    /// Removes the directories that were made for the restore. They must have been cleared.
    ///
    /// # Errors
    /// [`Remains`].
    pub fn remove_made(self) -> Result<(), Remains> {
        for made in self.made.iter().rev() {
            std::fs::remove_dir(made).map_err(|error| Remains { directory: made.clone(), cause: error.to_string() })?;
        }
        Ok(())
    }
}

/// Puts all targets back as they were, and returns the error to tell: `error`, unless something had to stay.
pub(crate) fn undo(claims: Vec<Claim>, error: Error) -> Error {
    let mut outcome = error;
    // The data directory is the first: without its control file the rest can't be taken for a cluster.
    let (cleared, _): (Vec<_>, Vec<_>) = claims.into_iter().partition(|claim| match claim.clear() {
        Ok(()) => true,
        Err(remains) => {
            outcome = remains.into_error(&outcome).into();
            false
        }
    });
    // Backwards, since a later one may lie in a directory that was made for an earlier one.
    for claim in cleared.into_iter().rev() {
        if let Err(remains) = claim.remove_made() {
            outcome = remains.into_error(&outcome).into();
        }
    }
    outcome
}

/// What could not be undone.
#[derive(Debug)]
pub(crate) struct Remains {
    directory: PathBuf,
    cause: String,
}

impl Remains {
    /// Tells of the remains and of the error that made the restore fail.
    pub fn into_error(self, reason: &impl std::fmt::Display) -> RestoreError {
        let directory = self.directory.display().to_string();
        RestoreError::RestoreRemains { directory, cause: self.cause, reason: reason.to_string() }
    }
}

/// Tells whether the directory holds anything but the marker.
fn other_entries(directory: &OwnedFd) -> rustix::io::Result<bool> {
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b".." | b"cadena.restoring") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes a directory and its absent ancestors, as initdb does: closed to others, and given to the owner.
fn make_directories(path: &Path, ownership: &Ownership, made: &mut Vec<PathBuf>) -> Result<(), RestoreError> {
    let absent: Vec<&Path> = path.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    for directory in absent.into_iter().rev() {
        match rustix::fs::mkdir(directory, Mode::from_raw_mode(ownership.directory_mode)) {
            Ok(()) => made.push(directory.to_owned()),
            // Another restore makes the same way; the marker will tell who wins.
            Err(Errno::EXIST) => continue,
            Err(error) => return Err(write_error(directory, error)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        open(directory, flags, Mode::empty())
            .and_then(|opened| ownership.give(&opened))
            .map_err(|error| write_error(directory, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, read_dir, write};

    const OURS: Ownership = Ownership { owner: None, directory_mode: 0o700, file_mode: 0o600 };

    fn take(path: &Path) -> Result<Claim, RestoreError> {
        Claim::take(path, &Marker::new(path, "full_20261124_000000.backup"), &OURS)
    }

    #[test]
    fn a_second_restore_is_kept_out_and_the_first_leaves_nothing_when_undone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a/b/data");
        let claim = take(&target).unwrap();
        assert!(matches!(take(&target), Err(RestoreError::RestoreBusy { .. })));
        write(target.join("file"), b"x").unwrap();
        assert!(matches!(inspect(&target), Err(RestoreError::RestoreBusy { .. })));
        let error = undo(vec![claim], RestoreError::RestoreContent { path: String::new() }.into());
        assert_eq!(error.key(), "restore-content");
        assert_eq!(read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_empty_directory_gets_its_mode_back_when_undone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o751)).unwrap();
        let claim = take(folder.path()).unwrap();
        let mode = || std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o700);
        let error = undo(vec![claim], RestoreError::RestoreContent { path: String::new() }.into());
        assert_eq!(error.key(), "restore-content");
        assert_eq!(mode(), 0o751);
        assert_eq!(read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn remains_of_a_killed_restore_are_removed_unless_there_is_a_control_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("data");
        drop(take(&target).unwrap()); // as a kill would: lock gone, marker there
        create_dir_all(target.join("base/1")).unwrap();
        create_dir_all(target.join("global")).unwrap();
        write(target.join("base/1/1259"), b"half").unwrap();
        assert_eq!(inspect(&target).unwrap(), TargetState::Remains);
        write(target.join("global/pg_control"), b"").unwrap();
        assert!(matches!(inspect(&target), Err(RestoreError::RestoreTargetNotEmpty { .. })));
        assert!(matches!(take(&target), Err(RestoreError::RestoreTargetNotEmpty { .. })));
        assert!(target.join("base/1/1259").exists());
        std::fs::remove_file(target.join("global/pg_control")).unwrap();
        let claim = take(&target).unwrap();
        assert!(claim.removed_remains);
        assert!(!target.join("base").exists());
        claim.release().unwrap();
        assert_eq!(read_dir(&target).unwrap().count(), 0);
    }

    #[test]
    fn a_marker_that_is_not_ours_protects_what_is_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join(MARKER_FILE), b"a user's notes").unwrap();
        write(folder.path().join("precious"), b"x").unwrap();
        assert!(matches!(take(folder.path()), Err(RestoreError::RestoreTargetNotEmpty { .. })));
        assert!(folder.path().join("precious").exists());
        assert!(folder.path().join(MARKER_FILE).exists());
    }

    #[test]
    fn a_tablespace_of_a_finished_cluster_is_no_remains() {
        let folder = tempfile::tempdir().unwrap();
        let (data, tablespace) = (folder.path().join("data"), folder.path().join("tablespace"));
        create_dir_all(data.join("global")).unwrap();
        drop(Claim::take(&tablespace, &Marker::new(&data, "full.backup"), &OURS).unwrap());
        write(tablespace.join("rows"), b"x").unwrap();
        assert_eq!(inspect(&tablespace).unwrap(), TargetState::Remains);
        write(data.join("global/pg_control"), b"").unwrap();
        assert!(matches!(inspect(&tablespace), Err(RestoreError::RestoreTargetNotEmpty { .. })));
    }
}

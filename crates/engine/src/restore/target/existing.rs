//! May a restore be made over what is there? Only over the very cluster that the backup is of, stopped, or over what an earlier
//! restore of ours left.

use super::inspect::{TargetState, check_not_running, inspect};
use super::marker::read_marker;
use crate::restore::RestoreError;
use crate::restore::error::{target_error, write_error};
use pgformat::SystemIdentifier;
use pgformat::control_file::{CONTROL_FILE_PATH, ControlFile};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Where the control file is while a restore is made over its cluster: a server does not start without one, and the next restore
/// knows by it whose directory this is.
pub(crate) const CONTROL_FILE_ASIDE: &str = "global/pg_control.cadena-old";

/// Looks at a data directory that a restore may be made over. Changes nothing.
///
/// # Errors
/// `RestoreTargetRunning`, `RestoreBusy`, `RestoreTarget`; `RestoreNoCluster` for a directory with something else in it;
/// `RestoreForeignCluster`.
pub(crate) fn inspect_over(directory: &Path, wanted: SystemIdentifier) -> Result<TargetState, RestoreError> {
    match inspect(directory) {
        Ok(TargetState::Remains) => Ok(TargetState::Existing),
        Err(RestoreError::RestoreTargetNotEmpty { .. } | RestoreError::RestoreUnfinishedOver { .. }) => {
            check_identity(directory, wanted)?;
            Ok(TargetState::Existing)
        }
        state => state,
    }
}

/// Looks at the directory of a tablespace whose data directory a restore is made over: it must be absent or empty, linked from
/// there, or marked by an earlier restore into there.
///
/// # Errors
/// As [`inspect`].
pub(crate) fn inspect_tablespace_over(
    directory: &Path,
    data_directory: &Path,
    oid: u32,
) -> Result<TargetState, RestoreError> {
    let ours = || {
        let link = data_directory.join(format!("pg_tblspc/{oid}"));
        let linked =
            link.canonicalize().ok().zip(directory.canonicalize().ok()).is_some_and(|(one, other)| one == other);
        linked || read_marker(directory).is_some_and(|marker| marker.data_directory == data_directory)
    };
    match inspect(directory) {
        Ok(TargetState::Remains) => Ok(TargetState::Existing),
        Err(RestoreError::RestoreTargetNotEmpty { .. } | RestoreError::RestoreUnfinishedOver { .. }) if ours() => {
            Ok(TargetState::Existing)
        }
        state => state,
    }
}

/// Makes sure that no server runs in a directory and that it holds the wanted cluster, or what an unfinished restore of ours left.
///
/// # Errors
/// `RestoreTargetRunning`, `RestoreNoCluster`, `RestoreForeignCluster`, `RestoreTarget`.
pub(crate) fn check_existing(directory: &Path, wanted: SystemIdentifier) -> Result<(), RestoreError> {
    check_not_running(directory)?;
    check_identity(directory, wanted)
}

fn check_identity(directory: &Path, wanted: SystemIdentifier) -> Result<(), RestoreError> {
    let no_cluster =
        |detail: String| RestoreError::RestoreNoCluster { directory: directory.display().to_string(), detail };
    for path in [CONTROL_FILE_PATH, CONTROL_FILE_ASIDE] {
        let bytes = match std::fs::read(directory.join(path)) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(target_error(directory, error)),
        };
        // Damaged, it does not tell whose directory this is.
        let control = ControlFile::parse(&bytes).map_err(|error| no_cluster(format!("{path}: {error}")))?;
        let found = control.system_identifier;
        if found == wanted {
            return Ok(());
        }
        let (found, wanted) = (found.to_string(), wanted.to_string());
        return Err(RestoreError::RestoreForeignCluster { directory: directory.display().to_string(), found, wanted });
    }
    match read_marker(directory) {
        Some(marker) if marker.data_directory == directory => Ok(()),
        _ => Err(no_cluster(CONTROL_FILE_PATH.to_owned())),
    }
}

/// Moves the control file aside, for good on disk: from now on no server starts in the directory. Looks for a running one once more
/// afterwards, which puts it back.
///
/// # Errors
/// `RestoreTargetRunning`, when it is as before; `RestoreWrite`.
pub(crate) fn set_aside(directory: &OwnedFd, path: &Path) -> Result<(), RestoreError> {
    let failed = |error: Errno| write_error(&path.join(CONTROL_FILE_PATH), error);
    let Some(global) = open_global(directory).map_err(failed)? else { return Ok(()) };
    match rename(&global, CONTROL_FILE_PATH, CONTROL_FILE_ASIDE) {
        Ok(()) => {}
        // An earlier restore moved it.
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    rustix::fs::fsync(&global).map_err(failed)?;
    if let Err(running) = check_not_running(path) {
        rename(&global, CONTROL_FILE_ASIDE, CONTROL_FILE_PATH).map_err(failed)?;
        rustix::fs::fsync(&global).map_err(failed)?;
        return Err(running);
    }
    Ok(())
}

/// Removes the old control file, once the new one is there.
///
/// # Errors
/// `RestoreWrite`.
pub(crate) fn remove_aside(directory: &OwnedFd, path: &Path) -> Result<(), RestoreError> {
    let failed = |error: Errno| write_error(&path.join(CONTROL_FILE_ASIDE), error);
    let Some(global) = open_global(directory).map_err(failed)? else { return Ok(()) };
    match unlinkat(&global, name_of(CONTROL_FILE_ASIDE), AtFlags::empty()) {
        Ok(()) => rustix::fs::fsync(&global).map_err(failed),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Opens the folder of the control file; `None` when there is none.
fn open_global(directory: &OwnedFd) -> rustix::io::Result<Option<OwnedFd>> {
    let folder = CONTROL_FILE_PATH.split_once('/').map_or("", |(folder, _)| folder);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(directory, folder, flags, Mode::empty()) {
        Ok(global) => Ok(Some(global)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn rename(global: impl AsFd, from: &str, to: &str) -> rustix::io::Result<()> {
    renameat(global.as_fd(), name_of(from), global.as_fd(), name_of(to))
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

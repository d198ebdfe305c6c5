//! The marker file: whose is what lies beside it, and does its maker still live?

use super::inspect::has_control_file;
use crate::restore::RestoreError;
use crate::restore::error::{target_error, write_error};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open, openat, statat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The name of the marker file in a target directory.
pub const MARKER_FILE: &str = "cadena.restoring";
/// No marker is longer.
const MAX_MARKER_BYTES: u64 = 64 * 1024;

/// The content of a marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    /// Always `cadena restore`.
    pub purpose: String,
    /// The data directory of the cluster being restored, as bytes of a path that may not be UTF-8.
    pub data_directory: PathBuf,
    pub archive_name: String,
    pub pid: u32,
    /// The restore is made over what was there: that is no remains of it.
    #[serde(default)]
    pub over: bool,
}

const PURPOSE: &str = "cadena restore";

impl Marker {
    pub fn new(data_directory: &Path, archive_name: &str) -> Self {
        Marker {
            purpose: PURPOSE.to_owned(),
            data_directory: data_directory.to_owned(),
            archive_name: archive_name.to_owned(),
            pid: std::process::id(),
            over: false,
        }
    }

    /// Says that what is beside it was there before, and must not be removed.
    pub fn over(self) -> Self {
        Marker { over: true, ..self }
    }
}

/// Reads a directory's marker, if there is one that can be understood.
pub(crate) fn read_marker(directory: &Path) -> Option<Marker> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let marker = File::from(open(directory.join(MARKER_FILE), flags, Mode::empty()).ok()?);
    let mut text = Vec::new();
    marker.take(MAX_MARKER_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok().filter(|marker: &Marker| marker.purpose == PURPOSE)
}

/// Tells whether a marked directory holds an interrupted restore's remains. Changes nothing.
///
/// # Errors
/// `RestoreBusy` when the marker is locked; `RestoreTarget` when it can't be read; `RestoreUnfinishedOver` when it is that of a
/// restore over a cluster, whose files are no remains.
pub(crate) fn is_remains(directory: &Path) -> Result<bool, RestoreError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut marker = match open(directory.join(MARKER_FILE), flags, Mode::empty()) {
        Ok(marker) => File::from(marker),
        // A link, which we never make.
        Err(Errno::LOOP) => return Ok(false),
        Err(error) => return Err(target_error(directory, error)),
    };
    lock(&marker, directory)?;
    judge(&mut marker, directory)
}

/// Takes the lock without waiting.
fn lock(marker: &File, directory: &Path) -> Result<(), RestoreError> {
    match flock(marker, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(RestoreError::RestoreBusy { directory: directory.display().to_string() }),
        Err(error) => Err(target_error(directory, error)),
    }
}

/// Says whether what is beside a marker that nobody holds may be removed.
pub(super) fn judge(marker: &mut File, directory: &Path) -> Result<bool, RestoreError> {
    if has_control_file(directory) {
        return Ok(false);
    }
    let mut text = Vec::new();
    marker.take(MAX_MARKER_BYTES).read_to_end(&mut text).map_err(|error| target_error(directory, error))?;
    match serde_json::from_slice::<Marker>(&text) {
        Ok(marker) if marker.purpose == PURPOSE && marker.over && !has_control_file(&marker.data_directory) => {
            Err(RestoreError::RestoreUnfinishedOver { directory: directory.display().to_string() })
        }
        // Of a tablespace too: once the cluster it belongs to has its control file, the restore was as good as done.
        Ok(marker) => Ok(marker.purpose == PURPOSE && !marker.over && !has_control_file(&marker.data_directory)),
        // Killed before the marker was written, hence before anything else was: it must be alone.
        Err(_) => {
            let entries =
                std::fs::read_dir(directory).and_then(|entries| entries.take(2).collect::<Result<Vec<_>, _>>());
            Ok(entries.map_err(|error| target_error(directory, error))?.len() == 1)
        }
    }
}

/// Writes down whose the directory is.
pub(super) fn write_marker(file: &mut File, marker: &Marker, directory: &Path) -> Result<(), RestoreError> {
    let text = serde_json::to_vec(marker).map_err(|error| RestoreError::RestoreTarget {
        directory: directory.display().to_string(),
        detail: error.to_string(),
    })?;
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&text)?;
        file.sync_all()
    };
    write(file).map_err(|error| write_error(&directory.join(MARKER_FILE), error))
}

/// Opens and locks the marker; `true` when it was made just now.
pub(super) fn open_marker(directory: &OwnedFd, path: &Path) -> Result<(File, bool), RestoreError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mode = Mode::from_raw_mode(0o600);
    loop {
        let (marker, created) = match openat(directory, MARKER_FILE, flags | OFlags::CREATE | OFlags::EXCL, mode) {
            Ok(marker) => (File::from(marker), true),
            Err(Errno::EXIST) => match openat(directory, MARKER_FILE, flags, mode) {
                Ok(marker) => (File::from(marker), false),
                // It ended in between.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(target_error(path, error)),
            },
            Err(error) => return Err(write_error(&path.join(MARKER_FILE), error)),
        };
        lock(&marker, path)?;
        // A restore that ended between our open and our lock has unlinked the file we hold: its lock means nothing.
        let ours = fstat(&marker).map_err(|error| target_error(path, error))?;
        match statat(directory, MARKER_FILE, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) => return Ok((marker, created)),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(target_error(path, error)),
        }
    }
}

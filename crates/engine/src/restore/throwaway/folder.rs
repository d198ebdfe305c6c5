//! Where does a throw-away cluster lie? In a folder with a marker, whose lock says that its maker lives.
//!
//! The marker is written and locked under another name before it gets its own: whoever sees a marker sees a whole one, and one
//! whose lock is free belongs to nobody any more. The kernel gives the lock back when its holder ends, however it ends.

use super::error::{ThrowAwayError, folder_error, remains_error};
use super::postmaster;
use crate::cluster::ServerOwner;
use crate::restore::target::remove_entries;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How the folders of throw-away clusters are named.
pub const WORK_FOLDER_PREFIX: &str = "cadena-throw-away-";
/// The marker in such a folder.
pub(super) const MARKER: &str = "cadena.throw-away";
const MARKER_DRAFT: &str = "cadena.throw-away.new";
const PURPOSE: &str = "cadena throw-away";
/// No marker is longer.
const MAX_MARKER_BYTES: u64 = 64 * 1024;
/// The longest folder of a socket: `sun_path` has 104 bytes where it has fewest, and PostgreSQL adds `/.s.PGSQL.65535.lock`.
const MAX_SOCKET_FOLDER_BYTES: usize = 80;
/// Where a socket's folder goes when the work folder's path is too long for it.
const SHORT_FOLDER: &str = "/tmp";

/// Where throw-away clusters are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrowAwayPlace {
    /// The folder that they are made in; absolute. Needs room for the whole cluster, and the server's user must be able to pass it.
    pub work_folder: PathBuf,
    /// The folder in which every sweep looks. When it is another one, it gets a link to what is made in the work folder, so that
    /// a later command that knows nothing of that folder finds what was left there.
    pub registry: PathBuf,
}

/// The content of a marker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Marker {
    pub purpose: String,
    pub pid: u32,
    pub data_directory: PathBuf,
    pub socket_folder: PathBuf,
    /// The link in the registry.
    pub link: Option<PathBuf>,
    /// The user that runs the server.
    pub server_uid: u32,
}

impl Marker {
    pub fn is_ours(&self) -> bool {
        self.purpose == PURPOSE
    }
}

/// The name and the paths of a folder that may not exist yet.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub path: PathBuf,
}

impl Layout {
    /// Draws a name.
    pub fn draw(place: &ThrowAwayPlace) -> Self {
        // The standard library's hash keys are random.
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Layout { path: place.work_folder.join(format!("{WORK_FOLDER_PREFIX}{random:016x}")) }
    }

    pub fn data_directory(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where tablespaces go, each under its OID.
    pub fn tablespaces(&self) -> PathBuf {
        self.path.join("tablespaces")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn socket_folder(&self) -> PathBuf {
        let within = self.path.join("s");
        if within.as_os_str().len() <= MAX_SOCKET_FOLDER_BYTES {
            return within;
        }
        Path::new(SHORT_FOLDER).join(self.path.file_name().unwrap_or_default())
    }
}

/// A folder that is ours as long as this lives. Dropping it does not remove it.
#[derive(Debug)]
pub(super) struct Workspace {
    pub layout: Layout,
    pub socket_folder: PathBuf,
    directory: OwnedFd,
    /// Keeps the lock.
    _lock: File,
    marker: Marker,
}

impl Workspace {
    /// Makes the folder, marks it, and makes the socket's folder for `owner`.
    ///
    /// # Errors
    /// `ThrowAwayFolder`; nothing is left behind then.
    pub fn make(place: &ThrowAwayPlace, layout: Layout, owner: &ServerOwner) -> Result<Self, ThrowAwayError> {
        let path = layout.path.clone();
        let failed = |error: io::Error| folder_error(&path, error);
        std::fs::create_dir_all(&place.work_folder).map_err(failed)?;
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let marker = Marker {
            purpose: PURPOSE.to_owned(),
            pid: std::process::id(),
            data_directory: layout.data_directory(),
            socket_folder: layout.socket_folder(),
            link: (place.registry != place.work_folder)
                .then(|| place.registry.join(path.file_name().unwrap_or_default())),
            server_uid: owner.uid,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = open(&path, flags, Mode::empty()).map_err(io::Error::from).and_then(|directory| {
            let lock = write_marker(&directory, &marker)?;
            Ok(Workspace { socket_folder: marker.socket_folder.clone(), layout, directory, _lock: lock, marker })
        });
        let workspace = match made {
            Ok(workspace) => workspace,
            Err(error) => {
                // What could not be marked is empty but for the draft.
                let _ = std::fs::remove_file(path.join(MARKER_DRAFT));
                let _ = std::fs::remove_dir(&path);
                return Err(failed(error));
            }
        };
        match workspace.furnish(owner) {
            Ok(()) => Ok(workspace),
            Err(error) => {
                workspace.remove()?;
                Err(failed(error))
            }
        }
    }

    fn furnish(&self, owner: &ServerOwner) -> io::Result<()> {
        if rustix::process::geteuid().is_root() {
            // It stays ours, so that nobody else can put a marker there; the server's user only passes through.
            std::fs::set_permissions(&self.layout.path, std::fs::Permissions::from_mode(0o711))?;
        }
        if let Some(link) = &self.marker.link {
            std::os::unix::fs::symlink(&self.layout.path, link)?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(&self.socket_folder)?;
        owner.take_over(&self.socket_folder)
    }

    /// Writes a file that the server's user may read.
    ///
    /// # Errors
    /// `ThrowAwayFolder`.
    pub fn write(&self, name: &str, content: &str, owner: &ServerOwner) -> Result<PathBuf, ThrowAwayError> {
        let path = self.layout.file(name);
        std::fs::write(&path, content)
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)))
            .and_then(|()| owner.take_over(&path))
            .map_err(|error| folder_error(&path, error))?;
        Ok(path)
    }

    /// Ends the server, if one runs, and removes all of it. May be called again after an error.
    ///
    /// # Errors
    /// `ThrowAwayRemains`.
    pub fn remove(&self) -> Result<(), ThrowAwayError> {
        remove(&self.directory, &self.layout.path, &self.marker).map(drop)
    }
}

/// Writes and locks the marker; the file keeps the lock.
fn write_marker(directory: &OwnedFd, marker: &Marker) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(directory, MARKER_DRAFT, flags, Mode::from_raw_mode(0o600))?);
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.write_all(&serde_json::to_vec(marker)?)?;
    file.sync_all()?;
    renameat(directory, MARKER_DRAFT, directory, MARKER)?;
    rustix::fs::fsync(directory)?;
    Ok(file)
}

/// What the marker of a folder says of its maker.
pub(super) enum Found {
    /// It lives, or is none of our business.
    NotOurs,
    /// It was killed before it had made a marker, or the folder is being made right now.
    Unmarked,
    /// It was killed.
    Forsaken { directory: OwnedFd, marker: Marker, lock: File },
}

/// Looks at a folder that has the name of a throw-away cluster's. Only what belongs to us is looked into: in a folder that everybody
/// may write to, others may make such names as well.
pub(super) fn look(path: &Path) -> Found {
    let we = rustix::process::geteuid().as_raw();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let Ok(directory) = open(path, flags | OFlags::DIRECTORY, Mode::empty()) else { return Found::NotOurs };
    if !rustix::fs::fstat(&directory).is_ok_and(|status| status.st_uid == we) {
        return Found::NotOurs;
    }
    let lock = match openat(&directory, MARKER, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Found::Unmarked,
        Err(_) => return Found::NotOurs,
    };
    if !lock.metadata().is_ok_and(|status| status.is_file() && status.uid() == we)
        || flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err()
    {
        return Found::NotOurs;
    }
    let mut text = Vec::new();
    let read = (&lock).take(MAX_MARKER_BYTES).read_to_end(&mut text);
    match serde_json::from_slice::<Marker>(&text) {
        Ok(marker) if read.is_ok() && marker.is_ours() => Found::Forsaken { directory, marker, lock },
        _ => Found::NotOurs,
    }
}

/// Ends the server of a folder and removes everything, the marker last but for the folder itself. Tells whether a server ran.
///
/// # Errors
/// `ThrowAwayRemains`; the marker stays then.
pub(super) fn remove(directory: impl AsFd, path: &Path, marker: &Marker) -> Result<bool, ThrowAwayError> {
    let failed = |error: io::Error| remains_error(path, error);
    let stopped = postmaster::end(&marker.data_directory, &marker.socket_folder, marker.server_uid)
        .map_err(|cause| remains_error(path, cause))?;
    remove_entries(directory.as_fd(), &[MARKER]).map_err(failed)?;
    if !marker.socket_folder.starts_with(path) {
        remove_socket_folder(&marker.socket_folder, marker.server_uid).map_err(failed)?;
    }
    if let Some(link) = &marker.link {
        absent_is_well(std::fs::remove_file(link)).map_err(failed)?;
    }
    absent_is_well(unlinkat(directory.as_fd(), MARKER, AtFlags::empty()).map_err(io::Error::from)).map_err(failed)?;
    absent_is_well(std::fs::remove_dir(path)).map_err(failed)?;
    Ok(stopped)
}

/// Removes a socket's folder that lies elsewhere, if it is the one that was made.
fn remove_socket_folder(folder: &Path, server_uid: u32) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match open(folder, flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let owner = rustix::fs::fstat(&directory)?.st_uid;
    if owner != server_uid && owner != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    remove_entries(directory.as_fd(), &[])?;
    std::fs::remove_dir(folder)
}

fn absent_is_well(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

//! What did killed commands leave behind? Found by name and marker, and removed.

use super::folder::{Found, WORK_FOLDER_PREFIX, look, remove};
use serde::Serialize;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A folder without a marker is one that is just being made, unless it is this old.
const SURELY_FORSAKEN: Duration = Duration::from_secs(60);

/// A throw-away cluster that its maker had left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Its folder.
    pub directory: PathBuf,
    /// Whether its server was still running.
    pub stopped_server: bool,
    /// Why it is still there, if it is.
    pub problem: Option<String>,
}

/// Looks through folders for throw-away clusters whose makers have ended, ends their servers and removes them. Those whose makers
/// live are let be, and so is everything that belongs to another user.
pub fn sweep(folders: &[PathBuf]) -> Vec<Swept> {
    let mut found = BTreeSet::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let named = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(WORK_FOLDER_PREFIX);
        for entry in entries.flatten().filter(|entry| named(&entry.file_name())) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => drop(found.insert(entry.path())),
                Ok(kind) if kind.is_symlink() => found.extend(target_of(&entry.path())),
                _ => {}
            }
        }
    }
    found.into_iter().filter_map(|path| sweep_one(&path)).collect()
}

/// Follows a link of the registry if it is ours; one that leads nowhere any more is removed.
fn target_of(link: &Path) -> Option<PathBuf> {
    let we = rustix::process::geteuid().as_raw();
    if std::fs::symlink_metadata(link).ok()?.uid() != we {
        return None;
    }
    let target = std::fs::read_link(link).ok()?;
    if !target.is_absolute() || target.file_name() != link.file_name() {
        return None;
    }
    if std::fs::symlink_metadata(&target).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        // Should that fail, the next sweep finds it again.
        let _ = std::fs::remove_file(link);
        return None;
    }
    Some(target)
}

fn sweep_one(path: &Path) -> Option<Swept> {
    match look(path) {
        Found::NotOurs => None,
        Found::Unmarked => {
            let age = std::fs::symlink_metadata(path).ok()?.modified().ok()?.elapsed().ok()?;
            // Its maker writes nothing before the marker: it is empty, or not what we think, and stays.
            (age > SURELY_FORSAKEN && std::fs::remove_dir(path).is_ok()).then(|| Swept {
                directory: path.to_owned(),
                stopped_server: false,
                problem: None,
            })
        }
        Found::Forsaken { directory, marker, lock } => {
            let removed = remove(&directory, path, &marker);
            drop(lock);
            let (stopped_server, problem) = match removed {
                Ok(stopped) => (stopped, None),
                Err(error) => (false, Some(error.to_string())),
            };
            Some(Swept { directory: path.to_owned(), stopped_server, problem })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::{Layout, ThrowAwayPlace, Workspace};
    use super::*;
    use crate::cluster::ServerOwner;

    fn owner() -> ServerOwner {
        ServerOwner::current().unwrap_or_else(|| ServerOwner::named("nobody").unwrap())
    }

    fn make(work: &Path, registry: &Path) -> Workspace {
        let place = ThrowAwayPlace { work_folder: work.to_owned(), registry: registry.to_owned() };
        let workspace = Workspace::make(&place, Layout::draw(&place), &owner()).unwrap();
        std::fs::create_dir_all(workspace.layout.data_directory().join("base/1")).unwrap();
        std::fs::write(workspace.layout.data_directory().join("base/1/1259"), b"x").unwrap();
        workspace
    }

    fn entries(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn one_whose_maker_lives_is_let_be_and_one_whose_maker_ended_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = make(folder.path(), folder.path());
        let folders = [folder.path().to_owned()];
        assert_eq!(sweep(&folders), []);
        assert_eq!(entries(folder.path()), 1);
        let path = workspace.layout.path.clone();
        drop(workspace); // as a kill would: the lock is gone, and nothing else
        assert_eq!(sweep(&folders), [Swept { directory: path, stopped_server: false, problem: None }]);
        assert_eq!(entries(folder.path()), 0);
    }

    #[test]
    fn one_in_a_folder_that_a_later_command_does_not_know_is_found_by_the_registry() {
        let (work, registry) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let workspace = make(work.path(), registry.path());
        assert_eq!(sweep(&[registry.path().to_owned()]), []);
        drop(workspace);
        assert_eq!(sweep(&[registry.path().to_owned()]).len(), 1);
        assert_eq!((entries(work.path()), entries(registry.path())), (0, 0));
    }

    #[test]
    fn removing_leaves_nothing_and_a_long_path_gets_its_socket_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(100));
        let workspace = make(&deep, folder.path());
        let socket = workspace.socket_folder.clone();
        assert!(!socket.starts_with(&deep) && socket.is_dir());
        workspace.remove().unwrap();
        assert!(!socket.exists());
        assert_eq!((entries(&deep), entries(folder.path())), (0, 1));
    }

    #[test]
    fn what_only_has_the_name_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join(format!("{WORK_FOLDER_PREFIX}mine"));
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("notes"), b"x").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join(format!("{WORK_FOLDER_PREFIX}link"))).unwrap();
        assert_eq!(sweep(&[folder.path().to_owned()]), []);
        assert!(other.join("notes").exists() && Path::new("/etc").exists());
    }
}

//! Is a directory fit to be written into? Looks, and changes nothing.

use super::marker::{MARKER_FILE, is_remains};
use super::space::Usage;
use crate::restore::RestoreError;
use crate::restore::error::target_error;
use pgformat::control_file::CONTROL_FILE_PATH;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetState {
    Absent,
    Empty,
    /// An interrupted restore left files and its marker; they may be removed.
    Remains,
    /// The cluster that a restore may be made over; its files stay where they are right.
    Existing,
}

/// Looks at a target, which must be absent, empty, or an interrupted restore's.
///
/// # Errors
/// `RestoreTargetRunning`, `RestoreTargetNotEmpty`, `RestoreBusy`, `RestoreTarget`, `RestoreUnfinishedOver`.
pub(crate) fn inspect(directory: &Path) -> Result<TargetState, RestoreError> {
    if !directory.is_absolute() {
        let detail = "the path is not absolute".to_owned();
        return Err(RestoreError::RestoreTarget { directory: directory.display().to_string(), detail });
    }
    let mut entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A dangling link is there, and yet is no directory.
            if std::fs::symlink_metadata(directory).is_ok() {
                return Err(target_error(directory, error));
            }
            check_parent(directory)?;
            return Ok(TargetState::Absent);
        }
        Err(error) => return Err(target_error(directory, error)),
    };
    check_owner(directory)?;
    if entries.next().transpose().map_err(|error| target_error(directory, error))?.is_none() {
        return Ok(TargetState::Empty);
    }
    check_not_running(directory)?;
    if directory.join(MARKER_FILE).symlink_metadata().is_ok() && is_remains(directory)? {
        return Ok(TargetState::Remains);
    }
    Err(RestoreError::RestoreTargetNotEmpty { directory: directory.display().to_string() })
}

/// Refuses a directory in which a server runs.
///
/// # Errors
/// `RestoreTargetRunning`.
pub(crate) fn check_not_running(directory: &Path) -> Result<(), RestoreError> {
    match running_server(directory) {
        Some(pid) => Err(RestoreError::RestoreTargetRunning { directory: directory.display().to_string(), pid }),
        None => Ok(()),
    }
}

/// Returns the process in `postmaster.pid` if it lives.
fn running_server(directory: &Path) -> Option<u32> {
    let content = std::fs::read_to_string(directory.join("postmaster.pid")).ok()?;
    // A standalone backend writes its own pid negated (upstream `miscinit.c`).
    let pid: i32 = content.lines().next()?.trim().parse().ok()?;
    let pid = pid.checked_abs()?;
    let process = rustix::process::Pid::from_raw(pid)?;
    match rustix::process::test_kill_process(process) {
        Ok(()) | Err(rustix::io::Errno::PERM) => u32::try_from(pid).ok(),
        Err(_) => None,
    }
}

/// Refuses an existing directory that we could not give to its owner.
fn check_owner(directory: &Path) -> Result<(), RestoreError> {
    let owner = std::fs::metadata(directory).map_err(|error| target_error(directory, error))?.uid();
    let we = rustix::process::geteuid();
    if we.is_root() || owner == we.as_raw() {
        return Ok(());
    }
    let detail = "it belongs to another user".to_owned();
    Err(RestoreError::RestoreTarget { directory: directory.display().to_string(), detail })
}

/// Refuses an absent target whose nearest existing ancestor is no directory, or one that we may not write into.
fn check_parent(directory: &Path) -> Result<(), RestoreError> {
    let ancestor = directory.ancestors().skip(1).find(|ancestor| ancestor.symlink_metadata().is_ok());
    let ancestor = ancestor.unwrap_or(Path::new("/"));
    let refuse = |detail: String| RestoreError::RestoreTarget { directory: directory.display().to_string(), detail };
    if !ancestor.is_dir() {
        return Err(refuse(format!("{} is no directory", ancestor.display())));
    }
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::accessat(rustix::fs::CWD, ancestor, wanted, rustix::fs::AtFlags::EACCESS)
        .map_err(|error| refuse(format!("{}: {}", ancestor.display(), io::Error::from(error))))
}

/// Resolves links in the part of a path that exists, and `.` and `..` in all of it, so that paths can be compared.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let mut tail = Vec::new();
    let mut head = path;
    loop {
        if let Ok(canonical) = head.canonicalize() {
            return tail.iter().rev().fold(canonical, |mut resolved, part| {
                match part {
                    std::path::Component::ParentDir => {
                        resolved.pop();
                    }
                    std::path::Component::CurDir => {}
                    other => resolved.push(other),
                }
                resolved
            });
        }
        let (Some(parent), Some(last)) = (head.parent(), head.components().next_back()) else { return path.to_owned() };
        tail.push(last);
        head = parent;
    }
}

/// Sums what the remains of an interrupted restore take. Links are not followed.
pub(crate) fn usage(directory: &Path) -> io::Result<Usage> {
    let mut sum = Usage::default();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let status = entry.metadata()?;
            sum.bytes += status.blocks() * 512;
            sum.inodes += 1;
            if status.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(sum)
}

/// Tells whether `directory` holds a control file: then it is, or was, a cluster.
pub(crate) fn has_control_file(directory: &Path) -> bool {
    directory.join(CONTROL_FILE_PATH).symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, create_dir_all, write};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn an_absent_or_empty_directory_is_fit() {
        let folder = folder();
        assert_eq!(inspect(folder.path()).unwrap(), TargetState::Empty);
        assert_eq!(inspect(&folder.path().join("a/b/c")).unwrap(), TargetState::Absent);
    }

    #[test]
    fn refuses_relative_paths_files_and_directories_with_anything_in_them() {
        let folder = folder();
        assert!(matches!(inspect(Path::new("data")), Err(RestoreError::RestoreTarget { .. })));
        let file = folder.path().join("file");
        write(&file, b"").unwrap();
        assert!(matches!(inspect(&file), Err(RestoreError::RestoreTarget { .. })));
        assert!(matches!(inspect(&file.join("below")), Err(RestoreError::RestoreTarget { .. })));
        assert!(matches!(inspect(folder.path()), Err(RestoreError::RestoreTargetNotEmpty { .. })));
    }

    #[test]
    fn a_link_to_an_empty_directory_is_fit_and_one_to_a_full_or_absent_one_is_not() {
        let folder = folder();
        let (empty, full) = (folder.path().join("empty"), folder.path().join("full"));
        create_dir(&empty).unwrap();
        create_dir_all(full.join("x")).unwrap();
        let link = |name: &str, to: &Path| {
            let link = folder.path().join(name);
            std::os::unix::fs::symlink(to, &link).unwrap();
            link
        };
        assert_eq!(inspect(&link("to-empty", &empty)).unwrap(), TargetState::Empty);
        assert!(matches!(inspect(&link("to-full", &full)), Err(RestoreError::RestoreTargetNotEmpty { .. })));
        let dangling = link("dangling", &folder.path().join("nowhere"));
        assert!(matches!(inspect(&dangling), Err(RestoreError::RestoreTarget { .. })));
    }

    #[test]
    fn a_running_server_is_told_apart_from_one_that_died() {
        let folder = folder();
        write(folder.path().join("postmaster.pid"), format!("{}\n/x\n", std::process::id())).unwrap();
        let error = inspect(folder.path()).unwrap_err();
        assert!(matches!(error, RestoreError::RestoreTargetRunning { pid, .. } if pid == std::process::id()));
        // Above every pid that Linux gives out.
        write(folder.path().join("postmaster.pid"), "2000000000\n").unwrap();
        assert!(matches!(inspect(folder.path()), Err(RestoreError::RestoreTargetNotEmpty { .. })));
    }

    #[test]
    fn resolves_links_and_dots_also_where_nothing_exists_yet() {
        let folder = folder();
        let real = folder.path().canonicalize().unwrap();
        create_dir(real.join("d")).unwrap();
        std::os::unix::fs::symlink(real.join("d"), real.join("l")).unwrap();
        assert_eq!(resolved(&real.join("l/new/sub")), real.join("d/new/sub"));
        assert_eq!(resolved(&real.join("new/../other")), real.join("other"));
    }
}

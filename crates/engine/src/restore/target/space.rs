//! Is there room? Several targets may share a file system, so needs are summed per file system.

use crate::restore::RestoreError;
use crate::restore::error::target_error;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What a restore needs on one file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilesystemNeed {
    /// The first of the targets on it.
    pub directory: PathBuf,
    /// The files in whole blocks, and room for the end of recovery.
    pub needed_bytes: u64,
    /// What an ordinary user may still take, and what an interrupted restore's remains will give back.
    pub free_bytes: u64,
    /// Files and directories.
    pub needed_inodes: u64,
    /// `None` where the file system has no fixed number of them.
    pub free_inodes: Option<u64>,
}

/// What goes to one target.
pub(crate) struct TargetNeed<'a> {
    pub directory: &'a Path,
    pub needed_bytes: u64,
    pub needed_inodes: u64,
    pub remains: Usage,
}

/// What files take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub bytes: u64,
    pub inodes: u64,
}

/// Sums the needs per file system.
///
/// # Errors
/// `RestoreTarget` when a file system can't be asked.
pub(crate) fn filesystem_needs(targets: &[TargetNeed<'_>]) -> Result<Vec<FilesystemNeed>, RestoreError> {
    let mut needs: Vec<(u64, FilesystemNeed)> = Vec::new();
    for target in targets {
        let existing = target.directory.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
        let status = rustix::fs::stat(existing).map_err(|error| target_error(target.directory, error))?;
        #[allow(clippy::unnecessary_cast, reason = "dev_t is another integer on some systems")]
        let device = status.st_dev as u64;
        let position = needs.iter().position(|(known, _)| *known == device);
        let need = match position {
            Some(position) => &mut needs[position].1,
            None => {
                let room = rustix::fs::statvfs(existing).map_err(|error| target_error(target.directory, error))?;
                let need = FilesystemNeed {
                    directory: target.directory.to_owned(),
                    needed_bytes: 0,
                    free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
                    needed_inodes: 0,
                    free_inodes: (room.f_files > 0).then_some(room.f_favail),
                };
                needs.push((device, need));
                let last = needs.len() - 1;
                &mut needs[last].1
            }
        };
        need.needed_bytes += target.needed_bytes;
        need.needed_inodes += target.needed_inodes;
        need.free_bytes += target.remains.bytes;
        need.free_inodes = need.free_inodes.map(|free| free + target.remains.inodes);
    }
    Ok(needs.into_iter().map(|(_, need)| need).collect())
}

/// Refuses when a file system is too small.
///
/// # Errors
/// `RestoreNoSpace`, `RestoreNoInodes`.
pub(crate) fn check_space(needs: &[FilesystemNeed]) -> Result<(), RestoreError> {
    for need in needs {
        let directory = need.directory.display().to_string();
        if need.free_bytes < need.needed_bytes {
            let (free_bytes, needed_bytes) = (need.free_bytes, need.needed_bytes);
            return Err(RestoreError::RestoreNoSpace { directory, free_bytes, needed_bytes });
        }
        if let Some(free_inodes) = need.free_inodes
            && free_inodes < need.needed_inodes
        {
            let needed_inodes = need.needed_inodes;
            return Err(RestoreError::RestoreNoInodes { directory, free_inodes, needed_inodes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need<'a>(directory: &'a Path, needed_bytes: u64) -> TargetNeed<'a> {
        TargetNeed { directory, needed_bytes, needed_inodes: 1, remains: Usage::default() }
    }

    #[test]
    fn targets_on_one_file_system_share_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("absent/data"), folder.path().join("tablespace"));
        let free_bytes = filesystem_needs(&[need(&first, 0)]).unwrap()[0].free_bytes;
        let most = free_bytes / 3 * 2;
        let needs = filesystem_needs(&[need(&first, most), need(&second, most)]).unwrap();
        assert_eq!(needs.len(), 1);
        assert_eq!((needs[0].needed_bytes, needs[0].needed_inodes), (2 * most, 2));
        assert!(matches!(check_space(&needs), Err(RestoreError::RestoreNoSpace { .. })));
        assert!(check_space(&filesystem_needs(&[need(&first, 4096)]).unwrap()).is_ok());
    }

    #[test]
    fn refuses_when_files_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let mut needs = filesystem_needs(&[need(folder.path(), 0)]).unwrap();
        needs[0].free_inodes = Some(10);
        needs[0].needed_inodes = 11;
        assert!(matches!(check_space(&needs), Err(RestoreError::RestoreNoInodes { free_inodes: 10, .. })));
        needs[0].free_inodes = None;
        assert!(check_space(&needs).is_ok());
    }
}

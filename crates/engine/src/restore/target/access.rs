//! May another user reach a place? We may be root, who may everything; the server's user may not.

use crate::cluster::ServerOwner;
use rustix::fs::{Stat, stat};
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// Judges directories by their permission bits for one user and all of that user's groups. ACLs are not looked at.
pub(crate) struct Access {
    uid: u32,
    groups: Vec<u32>,
}

impl Access {
    /// Looks up the groups of `owner`.
    pub fn of(owner: &ServerOwner) -> Self {
        Access { uid: owner.uid, groups: groups_of(owner) }
    }

    /// Returns the first directory above `place` (itself included) that this user can't pass, among those that exist.
    pub fn barrier(&self, place: &Path) -> Option<PathBuf> {
        let existing = place.ancestors().filter(|ancestor| ancestor.is_absolute());
        existing
            .filter_map(|ancestor| Some((ancestor, stat(ancestor).ok()?)))
            .find(|(_, status)| !self.allows(status, 0o1))
            .map(|(ancestor, _)| ancestor.to_owned())
    }

    /// Tells whether this user can make files in the directory `place`.
    pub fn can_write(&self, place: &Path) -> bool {
        let Ok(status) = stat(place) else { return false };
        rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir()
            && self.allows(&status, 0o3)
            && self.barrier(place).is_none()
    }

    /// Tells whether this user can run the program `place`.
    pub fn can_run(&self, place: &Path) -> bool {
        let Ok(status) = stat(place) else { return false };
        let passes = place.parent().is_some_and(|folder| self.barrier(folder).is_none());
        rustix::fs::FileType::from_raw_mode(status.st_mode).is_file() && self.allows(&status, 0o1) && passes
    }

    fn allows(&self, status: &Stat, wanted: u32) -> bool {
        let mode = status.st_mode & 0o777;
        let granted = if status.st_uid == self.uid {
            mode >> 6
        } else if self.groups.contains(&status.st_gid) {
            mode >> 3
        } else {
            mode
        };
        self.uid == 0 || granted & wanted == wanted
    }
}

/// Returns the user's primary group and all supplementary ones.
fn groups_of(owner: &ServerOwner) -> Vec<u32> {
    let primary = vec![owner.gid];
    let Ok(name) = CString::new(owner.name.as_str()) else { return primary };
    let mut capacity: libc::c_int = 64;
    // The count is not known beforehand: the call reports a too small buffer, and the second try is large enough.
    for _ in 0..2 {
        let mut groups = vec![0; usize::try_from(capacity).unwrap_or(64)];
        // SAFETY: `name` is a C string, and `groups` has room for `capacity` entries.
        #[allow(clippy::useless_conversion, reason = "gid_t is another integer on some systems")]
        let result = unsafe {
            libc::getgrouplist(
                name.as_ptr(),
                owner.gid.try_into().unwrap_or_default(),
                groups.as_mut_ptr(),
                &raw mut capacity,
            )
        };
        if result >= 0 {
            groups.truncate(usize::try_from(capacity).unwrap_or(0));
            return groups;
        }
    }
    primary
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir_all, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn names_the_directory_that_bars_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("closed/inner");
        create_dir_all(&inner).unwrap();
        set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        set_permissions(folder.path().join("closed"), Permissions::from_mode(0o700)).unwrap();
        // A user who owns nothing here and is in no group.
        let stranger = Access { uid: 4_000_000, groups: vec![] };
        assert_eq!(stranger.barrier(&inner.join("absent/child")), Some(folder.path().join("closed")));
        set_permissions(folder.path().join("closed"), Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.barrier(&inner), None);
        assert!(!stranger.can_write(&inner));
        set_permissions(&inner, Permissions::from_mode(0o777)).unwrap();
        assert!(stranger.can_write(&inner));
    }

    #[test]
    fn a_group_member_passes_by_the_group_bits() {
        let folder = tempfile::tempdir().unwrap();
        let status = stat(folder.path()).unwrap();
        set_permissions(folder.path(), Permissions::from_mode(0o770)).unwrap();
        assert!(Access { uid: 4_000_000, groups: vec![status.st_gid] }.can_write(folder.path()));
        assert!(!Access { uid: 4_000_000, groups: vec![status.st_gid + 1] }.can_write(folder.path()));
    }
}

use super::limits::PATH_LIMIT_BYTES;
use super::{ArchiveError, MemberKind};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Refuses a path that could leave the folder it is extracted into, or that the system at hand can't hold.
///
/// # Errors
/// `ArchiveHostileMember` with the reason.
pub(super) fn check_member_path(path: &[u8]) -> Result<(), ArchiveError> {
    match path_fault(path, cfg!(windows)) {
        Some(reason) => Err(ArchiveError::hostile(path, reason)),
        None => Ok(()),
    }
}

fn path_fault(path: &[u8], windows: bool) -> Option<&'static str> {
    if path.is_empty() {
        return Some("the path is empty");
    }
    if path.len() > PATH_LIMIT_BYTES {
        return Some("the path is over 4096 bytes long");
    }
    if path[0] == b'/' {
        return Some("the path is absolute");
    }
    if path.contains(&0) {
        return Some("the path holds a NUL byte");
    }
    path.split(|&byte| byte == b'/').find_map(|part| part_fault(part, windows))
}

fn part_fault(part: &[u8], windows: bool) -> Option<&'static str> {
    match part {
        b"" => Some("the path has an empty part"),
        b"." => Some("the path has a part \".\""),
        b".." => Some("the path has a part \"..\""),
        _ if part.len() > 255 => Some("the path has a part of over 255 bytes"),
        _ if windows => windows_part_fault(part),
        _ => None,
    }
}

/// Windows takes `\` as a separator, `C:` as a drive, `name:stream` as another stream of a file, drops dots and blanks at a
/// name's end, and has device names in every folder. None of these may come out of an archive there; on other systems they
/// are names like any other.
fn windows_part_fault(part: &[u8]) -> Option<&'static str> {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    if std::str::from_utf8(part).is_err() {
        return Some("the path is not UTF-8");
    }
    if part.iter().any(|byte| matches!(byte, b'\\' | b':' | b'<' | b'>' | b'"' | b'|' | b'?' | b'*' | 1..=31)) {
        return Some("the path holds a character that Windows gives a meaning of its own");
    }
    if matches!(part.last(), Some(b'.' | b' ')) {
        return Some("the path has a part that ends in a dot or a blank");
    }
    let stem = part.split(|&byte| byte == b'.').next().unwrap_or(part).trim_ascii_end().to_ascii_uppercase();
    let numbered = stem.strip_prefix(b"COM").or_else(|| stem.strip_prefix(b"LPT"));
    let numbered_device = numbered.is_some_and(|rest| matches!(rest, [b'0'..=b'9'] | [0xc2, 0xb9 | 0xb2 | 0xb3]));
    if numbered_device || DEVICES.iter().any(|device| device.as_bytes() == stem) {
        return Some("the path has a part that is a device on Windows");
    }
    None
}

/// What is known of a path so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occupant {
    File,
    Directory,
    /// No member itself, but one lies below it.
    ImpliedDirectory,
}

/// Refuses a path that comes twice, and one that lies below a file: extracting either would overwrite or follow what an
/// earlier member made.
///
/// Keeps 64-bit hashes instead of paths, some 20 bytes a member. The hash is keyed at random in each process, so nobody can
/// craft two paths that collide; by chance it happens once in 10^8 archives of half a million members, and then a sound
/// archive is refused, never a hostile one let through.
pub(super) struct PathGuard {
    keys: RandomState,
    occupants: HashMap<u64, Occupant>,
    /// The parent of the last accepted member: its ancestors need no second look.
    last_parent: Vec<u8>,
}

impl PathGuard {
    pub(super) fn new() -> Self {
        PathGuard { keys: RandomState::new(), occupants: HashMap::new(), last_parent: Vec::new() }
    }

    /// Enters a member's path.
    ///
    /// # Errors
    /// `ArchiveHostileMember` when the path itself, or beside those entered before, is refused.
    pub(super) fn enter(&mut self, path: &[u8], kind: MemberKind) -> Result<(), ArchiveError> {
        check_member_path(path)?;
        self.enter_ancestors(path)?;
        let occupant = match kind {
            MemberKind::File => Occupant::File,
            MemberKind::Directory => Occupant::Directory,
        };
        let hash = self.keys.hash_one(path);
        match self.occupants.insert(hash, occupant) {
            None => Ok(()),
            Some(Occupant::ImpliedDirectory) if occupant == Occupant::Directory => Ok(()),
            Some(Occupant::ImpliedDirectory) => {
                Err(ArchiveError::hostile(path, "a file, but another member lies below it"))
            }
            Some(Occupant::File | Occupant::Directory) => Err(ArchiveError::hostile(path, "the path comes twice")),
        }
    }

    fn enter_ancestors(&mut self, path: &[u8]) -> Result<(), ArchiveError> {
        let Some(parent_end) = path.iter().rposition(|&byte| byte == b'/') else { return Ok(()) };
        if path[..parent_end] == self.last_parent[..] {
            return Ok(());
        }
        for end in (0..=parent_end).filter(|&at| path[at] == b'/') {
            let hash = self.keys.hash_one(&path[..end]);
            if *self.occupants.entry(hash).or_insert(Occupant::ImpliedDirectory) == Occupant::File {
                return Err(ArchiveError::hostile(path, "the path lies below a member that is a file"));
            }
        }
        self.last_parent.clear();
        self.last_parent.extend_from_slice(&path[..parent_end]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MemberKind::{Directory, File};

    #[test]
    fn refuses_paths_that_leave_the_target() {
        for path in
            ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "./a", "a/./b", "a//b", "a/", "//a"]
        {
            assert!(path_fault(path.as_bytes(), false).is_some(), "{path}");
        }
        assert!(path_fault(b"a\0b", false).is_some());
        assert!(path_fault(&[b'a'; 256], false).is_some());
        assert!(path_fault(&b"a/".repeat(2050), false).is_some());
    }

    #[test]
    fn accepts_the_names_that_postgresql_and_its_users_make() {
        for path in
            ["PG_VERSION", "base/16384/2619_fsm.1", "a.b", "..a", "a..", "...", "pg_tblspc/16400/PG_17_202406281/5/1"]
        {
            assert_eq!(path_fault(path.as_bytes(), false), None, "{path}");
        }
        assert_eq!(path_fault(b"caf\xe9 \\ C: \n", false), None);
        assert_eq!(path_fault(&[b'a'; 255], false), None);
    }

    #[test]
    fn refuses_on_windows_what_windows_would_take_for_something_else() {
        for path in [
            "C:/x",
            "c:x",
            "a\\..\\b",
            "\\\\host\\share",
            "a/b:stream",
            "a/NUL",
            "com1.txt",
            "LPT9",
            "a. ",
            "b.",
            "x/aux .c",
            "COM\u{b9}",
            "a?b",
        ] {
            assert!(path_fault(path.as_bytes(), true).is_some(), "{path}");
        }
        assert!(path_fault(b"caf\xe9", true).is_some());
        for path in ["base/1/1259", "console", "com10", "nulls", "café"] {
            assert_eq!(path_fault(path.as_bytes(), true), None, "{path}");
        }
    }

    #[test]
    fn refuses_a_path_that_comes_twice() {
        let mut guard = PathGuard::new();
        guard.enter(b"base", Directory).unwrap();
        guard.enter(b"base/1", File).unwrap();
        assert!(guard.enter(b"base/1", File).is_err());
        assert!(guard.enter(b"base/1", Directory).is_err());
        assert!(guard.enter(b"base", Directory).is_err());
    }

    #[test]
    fn refuses_a_member_below_a_file_in_either_order() {
        let mut guard = PathGuard::new();
        guard.enter(b"a", File).unwrap();
        assert!(guard.enter(b"a/b", File).is_err());
        assert!(guard.enter(b"a/b/c", Directory).is_err());
        guard.enter(b"x/y/z", File).unwrap();
        assert!(guard.enter(b"x/y", File).is_err());
        let mut guard = PathGuard::new();
        guard.enter(b"x/y/z", File).unwrap();
        guard.enter(b"x/y/w", File).unwrap();
        guard.enter(b"x/y", Directory).unwrap();
        assert!(guard.enter(b"x", File).is_err());
    }
}

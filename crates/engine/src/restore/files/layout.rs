//! Which directory does a member go to? The data directory, or a tablespace's own.

use vault::archive::ArchiveError;
use vault::repository::RecordTablespace;

/// How deep a member's path may be. PostgreSQL itself needs five; the limit bounds the open directories of a removal.
const MAX_DEPTH: usize = 64;
/// How long one part of a path may be on every file system.
const MAX_NAME_BYTES: usize = 255;

/// Maps members to targets. Root 0 is the data directory; root `n + 1` is `relocated[n]`.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    relocated: Vec<u32>,
    known: Vec<u32>,
}

/// Where a member goes: a path below a root; empty for the root itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location<'a> {
    pub root: usize,
    pub path: &'a [u8],
}

/// Tells whether a tablespace lies inside the data directory (`allow_in_place_tablespaces`): then it has no link, and moves with it.
pub(crate) fn is_in_place(tablespace: &RecordTablespace) -> bool {
    !tablespace.location.starts_with('/')
}

impl Layout {
    /// Takes the tablespaces of a record; the relocated ones keep their order.
    pub fn new(tablespaces: &[RecordTablespace]) -> Self {
        let known = tablespaces.iter().map(|tablespace| tablespace.oid).collect();
        let relocated =
            tablespaces.iter().filter(|tablespace| !is_in_place(tablespace)).map(|tablespace| tablespace.oid).collect();
        Layout { relocated, known }
    }

    /// Returns the number of roots.
    pub fn roots(&self) -> usize {
        self.relocated.len() + 1
    }

    /// Finds a member's place. The archive reader has checked the path already; a restore runs as root, so it is checked again.
    ///
    /// # Errors
    /// `ArchiveHostileMember` for a path that could leave its root, or that lies in a tablespace the record does not know.
    pub fn locate<'a>(&self, member: &'a [u8]) -> Result<Location<'a>, ArchiveError> {
        check_path(member)?;
        let in_data_directory = Location { root: 0, path: member };
        let Some(rest) = member.strip_prefix(b"pg_tblspc/") else { return Ok(in_data_directory) };
        let (first, below) = match rest.iter().position(|&byte| byte == b'/') {
            Some(slash) => (&rest[..slash], &rest[slash + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        let Some(oid) = parse_oid(first) else { return Ok(in_data_directory) };
        if let Some(position) = self.relocated.iter().position(|&known| known == oid) {
            return Ok(Location { root: position + 1, path: below });
        }
        if self.known.contains(&oid) {
            return Ok(in_data_directory);
        }
        Err(hostile(member, "in a tablespace that the record does not name"))
    }
}

/// Reads an OID as PostgreSQL writes it: decimal, no leading zero.
fn parse_oid(digits: &[u8]) -> Option<u32> {
    if digits.first().is_none_or(|&first| first == b'0') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn check_path(path: &[u8]) -> Result<(), ArchiveError> {
    if path.is_empty() || path.contains(&0) {
        return Err(hostile(path, "empty, or with a NUL"));
    }
    let mut depth = 0;
    for part in path.split(|&byte| byte == b'/') {
        depth += 1;
        if part.is_empty() || part == b"." || part == b".." {
            return Err(hostile(path, "absolute, or with an empty part, . or .."));
        }
        if part.len() > MAX_NAME_BYTES {
            return Err(hostile(path, "a part is over 255 bytes long"));
        }
    }
    if depth > MAX_DEPTH {
        return Err(hostile(path, "over 64 levels deep"));
    }
    Ok(())
}

fn hostile(path: &[u8], reason: &'static str) -> ArchiveError {
    ArchiveError::ArchiveHostileMember { path: String::from_utf8_lossy(path).into_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let tablespace =
            |oid, location: &str| RecordTablespace { oid, name: format!("t{oid}"), location: location.to_owned() };
        Layout::new(&[tablespace(16400, "/fast"), tablespace(16401, "pg_tblspc/16401"), tablespace(16402, "/slow")])
    }

    #[test]
    fn sends_members_to_the_data_directory_or_their_tablespace() {
        let layout = layout();
        assert_eq!(layout.roots(), 3);
        let at = |root, path: &'static str| Location { root, path: path.as_bytes() };
        assert_eq!(layout.locate(b"base/1/2").unwrap(), at(0, "base/1/2"));
        assert_eq!(layout.locate(b"pg_tblspc").unwrap(), at(0, "pg_tblspc"));
        assert_eq!(layout.locate(b"pg_tblspc/16400").unwrap(), at(1, ""));
        assert_eq!(layout.locate(b"pg_tblspc/16400/PG_15_202209061/5/1").unwrap(), at(1, "PG_15_202209061/5/1"));
        assert_eq!(layout.locate(b"pg_tblspc/16402/a").unwrap(), at(2, "a"));
        assert_eq!(layout.locate(b"pg_tblspc/16401/a").unwrap(), at(0, "pg_tblspc/16401/a"));
        assert_eq!(layout.locate(b"pg_tblspc/notes").unwrap(), at(0, "pg_tblspc/notes"));
        assert_eq!(layout.locate(b"pg_tblspc/016400/a").unwrap(), at(0, "pg_tblspc/016400/a"));
    }

    #[test]
    fn refuses_paths_that_could_leave_the_target() {
        let layout = layout();
        let deep = vec![b"d".as_slice(); 65].join(&b'/');
        let long = vec![b'x'; 256];
        for hostile in [
            b"".as_slice(),
            b"/etc/passwd",
            b"..",
            b"base/../../x",
            b"./x",
            b"a//b",
            b"a/",
            b"a\0b",
            b"pg_tblspc/99999/x",
            b"pg_tblspc/16400/../x",
            &deep,
            &long,
        ] {
            assert!(layout.locate(hostile).is_err(), "{:?}", String::from_utf8_lossy(hostile));
        }
    }
}

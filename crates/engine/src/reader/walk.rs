use super::error::display_path;
use super::{DirectoryEntry, EntryKind, ReadError, SourceReader};
use pgformat::MajorVersion;
use pgformat::exclusion::{self, Treatment};
use pgformat::incremental_file::INCREMENTAL_PREFIX;
use std::collections::VecDeque;

/// Folders deeper than this are taken for a loop of links.
const MOST_LEVELS: usize = 32;

/// Walks the data directory and names what belongs to a base backup, folder by folder, so that memory holds one folder's
/// names and no more. Each folder comes before what is in it; `global/pg_control` does not come at all (it is read last).
pub struct Walk {
    version: MajorVersion,
    /// Names at the top that are Cadena's own.
    own_names: &'static [&'static str],
    /// Folders still to be listed.
    folders: Vec<Vec<u8>>,
    ready: VecDeque<WalkItem>,
    notes: WalkNotes,
}

/// One thing to be backed up. The size is that of the listing; the file may have changed or gone since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkItem {
    Folder { path: Vec<u8> },
    File { path: Vec<u8>, size_bytes: u64, modified_seconds: i64, mode: u32 },
}

/// What the walk noticed and the user should know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalkNotes {
    /// Links outside pg_tblspc and pg_wal: their content was copied in their place.
    pub followed_links: Vec<String>,
    /// Sockets, devices, dangling links: left out.
    pub left_out: Vec<String>,
}

impl Walk {
    /// Begins at the data directory. `own_names` are files and folders at its top that an earlier restore of ours left, and
    /// that are no part of the cluster.
    pub fn new(version: MajorVersion, own_names: &'static [&'static str]) -> Self {
        Walk { version, own_names, folders: vec![Vec::new()], ready: VecDeque::new(), notes: WalkNotes::default() }
    }

    /// Returns the next thing, or `None` at the end.
    pub fn next(&mut self, reader: &mut dyn SourceReader) -> Result<Option<WalkItem>, ReadError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            let Some(folder) = self.folders.pop() else { return Ok(None) };
            // A folder that is gone was dropped with its database or tablespace; WAL replay drops it too.
            if let Some(entries) = reader.list(&folder)? {
                self.enter(&folder, entries)?;
            }
        }
    }

    /// Returns what the walk noticed.
    pub fn into_notes(self) -> WalkNotes {
        self.notes
    }

    fn enter(&mut self, folder: &[u8], mut entries: Vec<DirectoryEntry>) -> Result<(), ReadError> {
        if folder.iter().filter(|byte| **byte == b'/').count() >= MOST_LEVELS {
            return Err(ReadError::ReadTooDeep { path: display_path(folder) });
        }
        entries.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        let unlogged = if may_hold_relations(folder) {
            exclusion::unlogged_relations(entries.iter().map(|entry| entry.name.as_ref()))
        } else {
            Default::default()
        };
        let first_folder = self.folders.len();
        for entry in entries {
            let path = join(folder, &entry.name);
            let treatment = exclusion::treatment(&path, entry.kind == EntryKind::Folder);
            let is_own = folder.is_empty() && self.own_names.iter().any(|own| own.as_bytes() == entry.name.as_ref());
            if is_own || treatment == Treatment::Exclude || self.is_foreign_version(folder, &entry.name) {
                continue;
            }
            if entry.is_link && entry.kind != EntryKind::Other && !is_expected_link(folder, &path) {
                self.notes.followed_links.push(display_path(&path));
            }
            match entry.kind {
                // Such a name would say that the file holds blocks of another one.
                _ if (may_hold_relations(folder) || folder == b"global")
                    && entry.name.starts_with(INCREMENTAL_PREFIX.as_bytes()) =>
                {
                    self.notes.left_out.push(display_path(&path));
                }
                EntryKind::Folder => {
                    if treatment == Treatment::Include {
                        self.folders.push(path.clone());
                    }
                    self.ready.push_back(WalkItem::Folder { path });
                }
                EntryKind::File if exclusion::is_unlogged_data(&entry.name, &unlogged) => {}
                EntryKind::File if path == pgformat::control_file::CONTROL_FILE_PATH.as_bytes() => {}
                EntryKind::File => {
                    let DirectoryEntry { size_bytes, modified_seconds, mode, .. } = entry;
                    self.ready.push_back(WalkItem::File { path, size_bytes, modified_seconds, mode });
                }
                EntryKind::Other => self.notes.left_out.push(display_path(&path)),
            }
        }
        // The stack gives the last pushed first: turned round, folders come in name order.
        self.folders[first_folder..].reverse();
        Ok(())
    }

    /// Tells whether this is another PostgreSQL version's folder in a tablespace, as pg_upgrade leaves them.
    fn is_foreign_version(&self, folder: &[u8], name: &[u8]) -> bool {
        let Some(tablespace) = folder.strip_prefix(b"pg_tblspc/") else { return false };
        !tablespace.contains(&b'/') && !name.starts_with(format!("PG_{}_", self.version).as_bytes())
    }
}

/// Tells whether relation files lie in a folder: `global`, `base/DATABASE`, `pg_tblspc/OID/PG_…/DATABASE`.
fn may_hold_relations(folder: &[u8]) -> bool {
    let levels = folder.split(|byte| *byte == b'/').count();
    (folder.starts_with(b"base/") && levels == 2) || (folder.starts_with(b"pg_tblspc/") && levels == 4)
}

fn is_expected_link(folder: &[u8], path: &[u8]) -> bool {
    folder == b"pg_tblspc" || path == b"pg_wal"
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + 1 + name.len());
    path.extend_from_slice(folder);
    if !folder.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::{LocalSource, Source};
    use std::path::Path;

    fn make(folder: &Path, files: &[&str]) {
        for file in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
    }

    /// Paths in the order in which they come, folders with a `/` at the end.
    fn walked(folder: &Path) -> (Vec<String>, WalkNotes) {
        let mut reader = LocalSource::new(folder).reader().unwrap();
        let mut walk = Walk::new(MajorVersion::V17, &["ours"]);
        let mut paths = Vec::new();
        while let Some(item) = walk.next(reader.as_mut()).unwrap() {
            paths.push(match item {
                WalkItem::Folder { path } => display_path(&path) + "/",
                WalkItem::File { path, .. } => display_path(&path),
            });
        }
        (paths, walk.into_notes())
    }

    #[test]
    fn names_what_postgresql_s_own_base_backup_would_copy_folders_before_their_files() {
        let folder = tempfile::tempdir().unwrap();
        make(
            folder.path(),
            &[
                "PG_VERSION",
                "postmaster.pid",
                "base/5/16384",
                "base/5/16384_fsm",
                "base/5/16390",
                "base/5/16390_init",
                "base/5/16390_vm",
                "base/5/t3_16400",
                "base/pgsql_tmp/pgsql_tmp1.0",
                "global/pg_control",
                "global/1262",
                "pg_wal/000000010000000000000001",
                "pg_replslot/slot/state",
                "backup_label",
                "ours/kept",
                "base/ours",
            ],
        );
        let (paths, notes) = walked(folder.path());
        let expected = [
            "PG_VERSION",
            "base/",
            "global/",
            "pg_replslot/",
            "pg_wal/",
            "base/5/",
            "base/ours",
            "base/5/16384",
            "base/5/16384_fsm",
            "base/5/16390_init",
            "global/1262",
        ];
        assert_eq!(paths, expected);
        assert_eq!(notes, WalkNotes::default());
    }

    #[test]
    fn follows_tablespaces_and_takes_only_this_version_s_folder_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let (data, space) = (folder.path().join("data"), folder.path().join("space"));
        make(&space, &["PG_17_202406281/5/16500", "PG_16_202307071/5/16500", "stray"]);
        make(&data, &["PG_VERSION"]);
        std::fs::create_dir(data.join("pg_tblspc")).unwrap();
        std::os::unix::fs::symlink(&space, data.join("pg_tblspc/16499")).unwrap();
        let (paths, notes) = walked(&data);
        let expected = [
            "PG_VERSION",
            "pg_tblspc/",
            "pg_tblspc/16499/",
            "pg_tblspc/16499/PG_17_202406281/",
            "pg_tblspc/16499/PG_17_202406281/5/",
            "pg_tblspc/16499/PG_17_202406281/5/16500",
        ];
        assert_eq!(paths, expected);
        assert_eq!(notes, WalkNotes::default());
    }

    #[test]
    fn other_links_are_followed_and_told_and_what_is_no_file_is_left_out_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let (data, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
        make(&elsewhere, &["postgresql.conf"]);
        make(&data, &["PG_VERSION"]);
        std::os::unix::fs::symlink(elsewhere.join("postgresql.conf"), data.join("postgresql.conf")).unwrap();
        std::os::unix::fs::symlink("nowhere", data.join("dangling")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(data.join("socket")).unwrap();
        let (paths, notes) = walked(&data);
        assert_eq!(paths, ["PG_VERSION", "postgresql.conf"]);
        assert_eq!(notes.followed_links, ["postgresql.conf"]);
        assert_eq!(notes.left_out, ["dangling", "socket"]);
    }

    #[test]
    fn a_loop_of_links_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("..", folder.path().join("a/b")).unwrap();
        let mut reader = LocalSource::new(folder.path()).reader().unwrap();
        let mut walk = Walk::new(MajorVersion::V17, &["ours"]);
        let error = loop {
            match walk.next(reader.as_mut()) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the walk came to an end"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ReadError::ReadTooDeep { path } if path.starts_with("a/b/a/b/")));
    }
}

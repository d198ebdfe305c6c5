use super::error::display_path;
use super::{DirectoryEntry, EntryKind, ReadError, SourceReader};
use pgformat::MajorVersion;
use pgformat::exclusion::{self, Treatment};
use std::collections::VecDeque;

/// Folders deeper than this are taken for a loop of links.
const MOST_LEVELS: usize = 32;

/// Walks the data directory and names what belongs to a base backup, folder by folder, so that memory holds one folder's
/// names and no more. Each folder comes before what is in it; `global/pg_control` does not come at all (it is read last).
pub struct Walk {
    version: MajorVersion,
    /// Folders still to be listed.
    folders: Vec<Vec<u8>>,
    ready: VecDeque<WalkItem>,
    notes: WalkNotes,
}

/// One thing to be backed up. The size is that of the listing; the file may have changed or gone since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkItem {
    Folder { path: Vec<u8> },
    File { path: Vec<u8>, size_bytes: u64 },
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
    /// Begins at the data directory.
    pub fn new(version: MajorVersion) -> Self {
        Walk { version, folders: vec![Vec::new()], ready: VecDeque::new(), notes: WalkNotes::default() }
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
            if treatment == Treatment::Exclude || self.is_foreign_version(folder, &entry.name) {
                continue;
            }
            if entry.is_link && !is_expected_link(folder, &path) {
                self.notes.followed_links.push(display_path(&path));
            }
            match entry.kind {
                EntryKind::Folder => {
                    if treatment == Treatment::Include {
                        self.folders.push(path.clone());
                    }
                    self.ready.push_back(WalkItem::Folder { path });
                }
                EntryKind::File if exclusion::is_unlogged_data(&entry.name, &unlogged) => {}
                EntryKind::File if path == pgformat::control_file::CONTROL_FILE_PATH.as_bytes() => {}
                EntryKind::File => self.ready.push_back(WalkItem::File { path, size_bytes: entry.size_bytes }),
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

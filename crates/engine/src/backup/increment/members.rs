//! Which files did the base hold?

use pgformat::incremental_file::INCREMENTAL_PREFIX;
use pgformat::relation_file::RelationFile;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use vault::archive::{ArchiveError, ArchiveReader, MemberKind};
use vault::repository::{BackupRecord, Repository, RepositoryError};

/// The file that a database's folder is made with, and that nobody writes to afterwards.
pub(super) const DATABASE_FILE: &str = "PG_VERSION";

/// The files of a base, as many as there may be: 16 bytes each. Two hashes with keys that nobody knows make a name; that two
/// paths share one does not happen.
pub(crate) struct BaseMembers {
    keys: [RandomState; 2],
    paths: HashSet<u128>,
    /// When each database's folder was made, by the path of its [`DATABASE_FILE`]: seconds since 1970.
    databases_made: HashMap<Vec<u8>, i64>,
}

impl BaseMembers {
    /// Reads an archive's index. A file of which the base holds blocks only counts as the file.
    ///
    /// # Errors
    /// The archive's.
    pub fn read(reader: &ArchiveReader) -> Result<Self, ArchiveError> {
        let mut members = BaseMembers::default();
        for member in reader.members()? {
            let member = member?;
            if member.kind == MemberKind::File {
                members.enter_file(&member.path, member.modified_seconds);
            }
        }
        Ok(members)
    }

    /// Reads the list of an encrypted archive's files, which needs no identity; `None` when there is none.
    ///
    /// # Errors
    /// The archive's and the storage's.
    pub fn listed(repository: &Repository, record: &BackupRecord) -> Result<Option<Self>, RepositoryError> {
        let mut members = BaseMembers::default();
        let is_there = repository.member_list(record, &mut |path, modified_seconds| {
            members.enter_file(path, modified_seconds);
        })?;
        Ok(is_there.then_some(members))
    }

    fn enter_file(&mut self, path: &[u8], modified_seconds: i64) {
        self.enter(stands_for(path).as_deref().unwrap_or(path));
        if path.ends_with(DATABASE_FILE.as_bytes()) {
            self.databases_made.insert(path.to_vec(), modified_seconds);
        }
    }

    /// Tells whether the base held the file.
    pub fn contains(&self, path: &[u8]) -> bool {
        self.paths.contains(&self.name(path))
    }

    /// Returns when the base's database with this [`DATABASE_FILE`] was made.
    pub fn database_made(&self, path: &[u8]) -> Option<i64> {
        self.databases_made.get(path).copied()
    }

    pub(super) fn enter(&mut self, path: &[u8]) {
        let name = self.name(path);
        self.paths.insert(name);
    }

    fn name(&self, path: &[u8]) -> u128 {
        let [one, other] = self.keys.each_ref().map(|key| u128::from(key.hash_one(path)));
        one << 64 | other
    }
}

impl Default for BaseMembers {
    fn default() -> Self {
        let keys = [RandomState::new(), RandomState::new()];
        BaseMembers { keys, paths: HashSet::new(), databases_made: HashMap::new() }
    }
}

/// Returns the path of the relation file whose blocks a member holds; `None` for a member that stands for itself.
fn stands_for(path: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(path).ok()?;
    let (folder, name) = text.rsplit_once('/')?;
    let path = format!("{folder}/{}", name.strip_prefix(INCREMENTAL_PREFIX)?);
    RelationFile::parse(&path).map(|_| path.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_path_alone() {
        let mut members = BaseMembers::default();
        members.enter(b"base/5/16384");
        assert!(members.contains(b"base/5/16384"));
        assert!(!members.contains(b"base/5/16384.1") && !members.contains(b"base/5/1638"));
    }

    #[test]
    fn blocks_stand_for_their_relation_file_and_nothing_else_does() {
        assert_eq!(stands_for(b"base/5/INCREMENTAL.16384.1").unwrap(), b"base/5/16384.1");
        assert_eq!(stands_for(b"global/INCREMENTAL.1262_vm").unwrap(), b"global/1262_vm");
        for other in [b"base/5/16384".as_slice(), b"base/5/INCREMENTAL.notes", b"INCREMENTAL.1", b"base/5/\xff"] {
            assert!(stands_for(other).is_none());
        }
    }
}

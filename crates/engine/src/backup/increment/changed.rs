//! Which part of a file must a backup hold? The rules are those of upstream's `basebackup_incremental.c`
//! (`GetFileBackupMethod`), and where our knowledge is less than complete, more careful ones.

use super::members::BaseMembers;
use pgformat::block_reference::BlockReferenceTable;
use pgformat::incremental_file::{IncrementalHeader, SegmentGeometry};
use pgformat::relation_file::{ForkNumber, RelationFile};

/// From this share of a file's blocks on it is taken whole, in hundredths.
const WHOLE_FROM_PERCENT: u64 = 90;

/// How changed blocks were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangesFoundBy {
    /// From WAL: archived, or still on the server.
    Wal,
    /// From the server's own summaries.
    Server,
    /// By reading every page.
    Scan,
}

/// What a backup must hold of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileMethod {
    Whole,
    Blocks(IncrementalHeader),
}

/// All that changed since the base.
pub(crate) struct ChangedBlocks {
    pub table: BlockReferenceTable,
    pub found_by: ChangesFoundBy,
    pub base: BaseMembers,
    pub geometry: SegmentGeometry,
}

impl ChangesFoundBy {
    /// Returns the record's word.
    pub fn word(self) -> &'static str {
        match self {
            ChangesFoundBy::Wal => "wal",
            ChangesFoundBy::Server => "server",
            ChangesFoundBy::Scan => "scan",
        }
    }

    /// Tells whether the table tells all changes of a fork. No record names the changes of a free space map; the server's
    /// summaries miss bits that a visibility map loses, and a scan does too, since those do not change its page's LSN.
    pub fn knows(self, fork: ForkNumber) -> bool {
        match fork {
            ForkNumber::Fsm => false,
            ForkNumber::Vm => self == ChangesFoundBy::Wal,
            ForkNumber::Main | ForkNumber::Init => true,
        }
    }
}

impl ChangedBlocks {
    /// Decides on the file at `path`, which is `size_bytes` long now. What happens to it from now on is in the backup's WAL.
    pub fn method(&self, path: &[u8], size_bytes: u64) -> FileMethod {
        self.blocks(path, size_bytes).map_or(FileMethod::Whole, FileMethod::Blocks)
    }

    fn blocks(&self, path: &[u8], size_bytes: u64) -> Option<IncrementalHeader> {
        let relation = RelationFile::parse(std::str::from_utf8(path).ok()?)?;
        let block_bytes = u64::from(self.geometry.block_size_bytes);
        let segment_blocks = self.geometry.relation_segment_blocks;
        let length = u32::try_from(size_bytes / block_bytes).ok().filter(|length| *length <= segment_blocks)?;
        let first = relation.first_block(segment_blocks)?;
        let (spc_oid, db_oid) = (relation.locator.spc_oid, relation.locator.db_oid);
        if length == 0
            || !size_bytes.is_multiple_of(block_bytes)
            || !self.found_by.knows(relation.fork)
            || !self.base.contains(path)
            || self.table.is_whole_database(spc_oid, db_oid)
        {
            return None;
        }
        let Some(entry) = self.table.entry(relation.locator, relation.fork) else {
            // A scan enters every file that it looks at: this one came later, in the place of another.
            return match self.found_by {
                ChangesFoundBy::Scan => None,
                ChangesFoundBy::Wal | ChangesFoundBy::Server => {
                    IncrementalHeader::new(self.geometry, length, Vec::new()).ok()
                }
            };
        };
        let limit = match entry.limit_block() {
            Some(limit) if limit <= first => return None,
            Some(limit) => (limit - first).min(length),
            None => length,
        };
        let numbers: Vec<u32> = entry.blocks_in(first..first + length).map(|block| block - first).collect();
        if numbers.len() as u64 * 100 > u64::from(length) * WHOLE_FROM_PERCENT {
            return None;
        }
        IncrementalHeader::new(self.geometry, limit, numbers).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::relation_file::RelFileLocator;

    const GEOMETRY: SegmentGeometry = SegmentGeometry { block_size_bytes: 8192, relation_segment_blocks: 100 };
    const RELATION: RelFileLocator = RelFileLocator { spc_oid: 1663, db_oid: 5, rel_number: 16384 };

    fn changed(found_by: ChangesFoundBy, fill: impl FnOnce(&mut BlockReferenceTable)) -> ChangedBlocks {
        let mut base = BaseMembers::default();
        for path in ["base/5/16384", "base/5/16384.1", "base/5/16384_vm", "base/5/16384_fsm", "base/5/PG_VERSION"] {
            base.enter(path.as_bytes());
        }
        let mut table = BlockReferenceTable::new();
        fill(&mut table);
        ChangedBlocks { table, found_by, base, geometry: GEOMETRY }
    }

    fn blocks(changed: &ChangedBlocks, path: &str, blocks: u64) -> Option<(u32, Vec<u32>)> {
        match changed.method(path.as_bytes(), blocks * 8192) {
            FileMethod::Whole => None,
            FileMethod::Blocks(header) => Some((header.truncation_block_length(), header.block_numbers().to_vec())),
        }
    }

    #[test]
    fn an_unchanged_file_has_no_blocks_and_its_own_length() {
        let changed = changed(ChangesFoundBy::Wal, |_| ());
        assert_eq!(blocks(&changed, "base/5/16384", 7), Some((7, vec![])));
    }

    #[test]
    fn changed_blocks_are_numbered_within_their_segment() {
        let changed = changed(ChangesFoundBy::Wal, |table| {
            for block in [3, 99, 100, 150, 199] {
                table.mark_block(RELATION, ForkNumber::Main, block);
            }
        });
        assert_eq!(blocks(&changed, "base/5/16384", 100), Some((100, vec![3, 99])));
        // Block 199 is not there any more.
        assert_eq!(blocks(&changed, "base/5/16384.1", 99), Some((99, vec![0, 50])));
    }

    #[test]
    fn what_lies_at_or_behind_a_limit_comes_from_no_older_backup() {
        let changed = changed(ChangesFoundBy::Wal, |table| {
            table.set_limit_block(RELATION, ForkNumber::Main, 40);
            table.mark_block(RELATION, ForkNumber::Main, 60);
        });
        assert_eq!(blocks(&changed, "base/5/16384", 100), Some((40, vec![60])));
        assert_eq!(blocks(&changed, "base/5/16384.1", 5), None);
        assert_eq!(blocks(&changed, "base/5/16384", 30), Some((30, vec![])));
    }

    #[test]
    fn files_of_which_something_is_unknown_are_taken_whole() {
        let wal = changed(ChangesFoundBy::Wal, |table| table.set_whole_database(1663, 6));
        for (path, length) in [
            ("base/5/16384_fsm", 3),
            ("base/5/16385", 3),
            ("base/5/16384", 0),
            ("base/5/16384", 101),
            ("base/5/PG_VERSION", 1),
            ("base/6/16384", 3),
        ] {
            assert_eq!(blocks(&wal, path, length), None, "{path} {length}");
        }
        assert_eq!(wal.method(b"base/5/16384", 8193), FileMethod::Whole);
        assert_eq!(blocks(&wal, "base/5/16384_vm", 3), Some((3, vec![])));
        let server = changed(ChangesFoundBy::Server, |_| ());
        assert_eq!(blocks(&server, "base/5/16384_vm", 3), None);
        assert!(blocks(&server, "base/5/16384", 3).is_some());
    }

    #[test]
    fn a_scan_trusts_only_files_that_it_has_seen_and_only_up_to_their_length_then() {
        let unseen = changed(ChangesFoundBy::Scan, |_| ());
        assert_eq!(blocks(&unseen, "base/5/16384", 3), None);
        let seen = changed(ChangesFoundBy::Scan, |table| table.set_limit_block(RELATION, ForkNumber::Main, 5));
        assert_eq!(blocks(&seen, "base/5/16384", 8), Some((5, vec![])));
    }

    #[test]
    fn a_file_changed_nearly_everywhere_is_taken_whole() {
        let upto = |last: u32| {
            changed(ChangesFoundBy::Wal, |table| {
                (0..last).for_each(|block| table.mark_block(RELATION, ForkNumber::Main, block));
            })
        };
        assert!(blocks(&upto(90), "base/5/16384", 100).is_some());
        assert!(blocks(&upto(91), "base/5/16384", 100).is_none());
    }

    #[test]
    fn a_database_made_anew_is_taken_whole() {
        let changed = changed(ChangesFoundBy::Wal, |table| table.set_whole_database(1663, 5));
        assert_eq!(blocks(&changed, "base/5/16384", 3), None);
    }
}

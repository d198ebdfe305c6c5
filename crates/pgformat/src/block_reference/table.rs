use super::{BlockReferenceEntry, BlockReferenceReader, BlockReferenceWriter};
use crate::FormatError;
use crate::relation_file::{ForkNumber, RelFileLocator};
use std::collections::BTreeMap;

/// Names a fork of a relation. The order is that of the file (upstream `BlockRefTableComparator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationFork {
    /// Whose storage it is.
    pub locator: RelFileLocator,
    /// Which of its forks.
    pub fork: ForkNumber,
}

/// The blocks that a stretch of the log changed, in all relations.
///
/// File number 0, main fork, limit 0 stands for every relation of a database in a tablespace: the two were made or dropped
/// together, by copying or removing the folder, so that no record names the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockReferenceTable {
    entries: BTreeMap<RelationFork, BlockReferenceEntry>,
}

impl BlockReferenceTable {
    /// Makes an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names a changed block. Tablespace 0, where no file is, is ignored, here and below: in the file it would be the end.
    pub fn mark_block(&mut self, locator: RelFileLocator, fork: ForkNumber, block: u32) {
        if let Some(entry) = self.entry_mut(locator, fork) {
            entry.mark_block(block);
        }
    }

    /// Notes a fork's length; see [`BlockReferenceEntry::set_limit_block`].
    pub fn set_limit_block(&mut self, locator: RelFileLocator, fork: ForkNumber, limit_block: u32) {
        if let Some(entry) = self.entry_mut(locator, fork) {
            entry.set_limit_block(limit_block);
        }
    }

    /// Notes that all relations of a database in a tablespace were made or dropped at once.
    pub fn set_whole_database(&mut self, spc_oid: u32, db_oid: u32) {
        self.set_limit_block(RelFileLocator { spc_oid, db_oid, rel_number: 0 }, ForkNumber::Main, 0);
    }

    /// Tells whether [`BlockReferenceTable::set_whole_database`] was said of it.
    pub fn is_whole_database(&self, spc_oid: u32, db_oid: u32) -> bool {
        let locator = RelFileLocator { spc_oid, db_oid, rel_number: 0 };
        self.entry(locator, ForkNumber::Main).is_some_and(|entry| entry.limit_block() == Some(0))
    }

    /// Returns what is known of a fork; `None`: nothing happened to it.
    pub fn entry(&self, locator: RelFileLocator, fork: ForkNumber) -> Option<&BlockReferenceEntry> {
        self.entries.get(&RelationFork { locator, fork })
    }

    /// Returns all entries in order.
    pub fn entries(&self) -> impl Iterator<Item = (RelationFork, &BlockReferenceEntry)> {
        self.entries.iter().map(|(key, entry)| (*key, entry))
    }

    /// Returns how many forks it tells of.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a table of what happened after it, so that both together tell of the whole stretch. The order matters: a later
    /// limit makes earlier blocks void, an earlier one does not do so to later blocks.
    pub fn merge_later(&mut self, later: &Self) {
        for (key, entry) in &later.entries {
            self.merge_later_entry(*key, entry);
        }
    }

    /// Adds one entry of a later table, as [`BlockReferenceReader`] hands them over.
    pub fn merge_later_entry(&mut self, key: RelationFork, later: &BlockReferenceEntry) {
        if let Some(entry) = self.entry_mut(key.locator, key.fork) {
            entry.merge_later(later);
        }
    }

    /// Appends the whole file.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut writer = BlockReferenceWriter::new(out);
        self.entries.iter().for_each(|(key, entry)| writer.entry(*key, entry, out));
        writer.finish(out);
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// `FormatDamaged`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut table = Self::new();
        let mut reader = BlockReferenceReader::new();
        reader.feed::<FormatError>(bytes, &mut |key, entry| {
            table.entries.insert(key, entry);
            Ok(())
        })?;
        reader.finish()?;
        Ok(table)
    }

    fn entry_mut(&mut self, locator: RelFileLocator, fork: ForkNumber) -> Option<&mut BlockReferenceEntry> {
        (locator.spc_oid != 0).then(|| self.entries.entry(RelationFork { locator, fork }).or_default())
    }
}

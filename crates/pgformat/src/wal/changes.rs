use super::page::u32_at;
use super::record::{Fault, Layout, damaged_record};
use super::{ResourceManager, WalRecord};
use crate::block_reference::BlockReferenceTable;
use crate::relation_file::{ForkNumber, RelFileLocator};
use crate::{FormatError, Lsn, MajorVersion};

/// Length of a page's header; the rest of a visibility map's page has two bits for each block of the relation.
const PAGE_HEADER_BYTES: u32 = 24;
/// Length of a relation's three numbers in a record.
const LOCATOR_BYTES: usize = 12;

/// By which rules a table is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRules {
    /// What the summarizer of PostgreSQL 17 and 18 does (upstream `walsummarizer.c`), so that the table is that of the
    /// server's own file. (Their first releases gave a visibility map that is cut the limit of the relation; we give it its
    /// own, as later ones do.) Of 14 to 17 it misses that a visibility map loses bits: when a row is changed, the record does not name the
    /// map's block, and when the relation is cut, the last block that is kept is changed without a word.
    AsServer,
    /// All changes of the main, visibility map and init forks. What clears bits of a visibility map is a record of a row on the
    /// relation's block: with that block, the map's block for it counts as changed (it may not exist). A map that is cut gets
    /// the first block that loses bits as its limit. And with any block of an SP-GiST index its first one counts as changed,
    /// which notes without a record where there was room last (upstream `SpGistUpdateMetaPage`); an old note would do no harm.
    Complete,
}

/// What a stretch of the log does that no table tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeEvent {
    /// A database was made in a tablespace. With `by_copy`, no record names the files.
    DatabaseCreated { lsn: Lsn, spc_oid: u32, db_oid: u32, by_copy: bool },
    /// A database's folder in a tablespace was removed.
    DatabaseDropped { lsn: Lsn, spc_oid: u32, db_oid: u32 },
    /// From here on the server may change files without logging it: no incremental backup may reach across.
    WalLevelMinimal { lsn: Lsn },
}

/// Collects which blocks records change. The free space map is left out: it is not logged, and is to be copied whole.
///
/// Records of 14 to 18 are understood; the stretch must be fed whole and in order. A file that an older copy lacks is to be
/// copied whole, too: a visibility map is made, and a relation gets its next segment, without a record that says so. And on a
/// server without checksums and `wal_log_hints`, changes of hints only are not logged, which nobody misses.
#[derive(Debug)]
pub struct ChangeCollector {
    rules: ChangeRules,
    /// How many of a relation's blocks a block of its visibility map tells of (upstream `HEAPBLOCKS_PER_PAGE`).
    blocks_per_map_block: u32,
    table: BlockReferenceTable,
    events: Vec<ChangeEvent>,
}

impl ChangeCollector {
    /// Begins a stretch. `block_size_bytes` is that of relations, from pg_control.
    pub fn new(rules: ChangeRules, block_size_bytes: u32) -> Self {
        let blocks_per_map_block = block_size_bytes.saturating_sub(PAGE_HEADER_BYTES).max(1).saturating_mul(4);
        ChangeCollector { rules, blocks_per_map_block, table: BlockReferenceTable::new(), events: Vec::new() }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// `FormatDamaged` when it can't be read; the table is of no use then.
    pub fn record(&mut self, record: &WalRecord<'_>) -> Result<(), FormatError> {
        self.read(record).map_err(|fault| damaged_record(record.lsn, fault))
    }

    /// Returns the table so far.
    pub fn table(&self) -> &BlockReferenceTable {
        &self.table
    }

    /// Returns the events so far, in the log's order.
    pub fn events(&self) -> &[ChangeEvent] {
        &self.events
    }

    /// Ends the stretch.
    pub fn finish(self) -> (BlockReferenceTable, Vec<ChangeEvent>) {
        (self.table, self.events)
    }

    fn read(&mut self, record: &WalRecord<'_>) -> Result<(), Fault> {
        let complete = self.rules == ChangeRules::Complete;
        let rows = complete && matches!(record.resource_manager, ResourceManager::HEAP | ResourceManager::HEAP2);
        let first_too = complete && record.resource_manager == ResourceManager::SPGIST;
        let per_map_block = self.blocks_per_map_block;
        let table = &mut self.table;
        // No record has both blocks and lengths; were there one, upstream would take the lengths first.
        let layout = Layout::read(record.bytes, record.version, &mut |block| {
            if block.fork == ForkNumber::Fsm {
                return;
            }
            let locator = RelFileLocator { spc_oid: block.spc_oid, db_oid: block.db_oid, rel_number: block.rel_number };
            table.mark_block(locator, block.fork, block.block);
            if rows && block.fork == ForkNumber::Main {
                table.mark_block(locator, ForkNumber::Vm, block.block / per_map_block);
            }
            if first_too {
                table.mark_block(locator, block.fork, 0);
            }
        })?;
        let data = record.bytes.get(layout.main_data_at..).ok_or(Fault::Short)?;
        match record.resource_manager {
            ResourceManager::STORAGE => self.storage(record.info, data),
            ResourceManager::TRANSACTION => self.transaction(record.info, data),
            ResourceManager::DATABASE => self.database(record, data),
            ResourceManager::XLOG => self.log(record, data),
            _ => Ok(()),
        }
    }

    /// Upstream `storage_xlog.h`: creation and truncation of forks.
    fn storage(&mut self, info: u8, data: &[u8]) -> Result<(), Fault> {
        let mut data = Data(data);
        match info & 0xF0 {
            // `xl_smgr_create`
            0x10 => {
                let locator = data.locator()?;
                let fork = match data.u32()? {
                    0 => ForkNumber::Main,
                    1 => return Ok(()),
                    2 => ForkNumber::Vm,
                    3 => ForkNumber::Init,
                    _ => return Err(Fault::Nonsense("no such fork".to_owned())),
                };
                self.table.set_limit_block(locator, fork, 0);
            }
            // `xl_smgr_truncate`
            0x20 => {
                let (length, locator, flags) = (data.u32()?, data.locator()?, data.u32()?);
                if flags & 0x01 != 0 {
                    self.table.set_limit_block(locator, ForkNumber::Main, length);
                }
                if flags & 0x02 != 0 {
                    // The record has the relation's new length. The map's block that tells of it loses the bits behind.
                    let limit = match self.rules {
                        ChangeRules::AsServer => length.div_ceil(self.blocks_per_map_block),
                        ChangeRules::Complete => length / self.blocks_per_map_block,
                    };
                    self.table.set_limit_block(locator, ForkNumber::Vm, limit);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Upstream `xactdesc.c`, `ParseCommitRecord` and `ParseAbortRecord`: what was dropped is in front of what 15 added.
    fn transaction(&mut self, info: u8, data: &[u8]) -> Result<(), Fault> {
        // Commit, abort, and those of prepared transactions; the highest bit says that there is more than the time.
        if !matches!(info & 0x70, 0x00 | 0x20 | 0x30 | 0x40) || info & 0x80 == 0 {
            return Ok(());
        }
        let mut data = Data(data);
        data.take(8)?;
        let parts = data.u32()?;
        if parts & 1 << 0 != 0 {
            data.take(8)?;
        }
        if parts & 1 << 1 != 0 {
            let subtransactions = data.u32()? as usize;
            data.take(subtransactions.checked_mul(4).ok_or(Fault::Short)?)?;
        }
        if parts & 1 << 2 != 0 {
            let count = data.u32()? as usize;
            let mut relations = Data(data.take(count.checked_mul(LOCATOR_BYTES).ok_or(Fault::Short)?)?);
            for _ in 0..count {
                let locator = relations.locator()?;
                for fork in [ForkNumber::Main, ForkNumber::Vm, ForkNumber::Init] {
                    self.table.set_limit_block(locator, fork, 0);
                }
            }
        }
        Ok(())
    }

    /// Upstream `dbcommands_xlog.h`; until 14 there was one way of making databases, and dropping had the second's number.
    fn database(&mut self, record: &WalRecord<'_>, data: &[u8]) -> Result<(), Fault> {
        let mut data = Data(data);
        let (lsn, kind) = (record.lsn, record.info & 0xF0);
        let drops = if record.version == MajorVersion::V14 { 0x10 } else { 0x20 };
        // `xl_dbase_create_file_copy_rec`, `xl_dbase_create_wal_log_rec`, `xl_dbase_drop_rec`
        if kind == drops {
            let (db_oid, count) = (data.u32()?, data.u32()? as usize);
            let mut tablespaces = Data(data.take(count.checked_mul(4).ok_or(Fault::Short)?)?);
            for _ in 0..count {
                let spc_oid = tablespaces.u32()?;
                self.table.set_whole_database(spc_oid, db_oid);
                self.events.push(ChangeEvent::DatabaseDropped { lsn, spc_oid, db_oid });
            }
        } else if kind == 0x00 || kind == 0x10 {
            let (db_oid, spc_oid) = (data.u32()?, data.u32()?);
            self.table.set_whole_database(spc_oid, db_oid);
            self.events.push(ChangeEvent::DatabaseCreated { lsn, spc_oid, db_oid, by_copy: kind == 0x00 });
        }
        Ok(())
    }

    /// Upstream `xlog.c`: records that tell the `wal_level` under which what follows was written.
    fn log(&mut self, record: &WalRecord<'_>, data: &[u8]) -> Result<(), Fault> {
        let place = match record.info & 0xF0 {
            // `CheckPoint`: padding until 16.
            0x00 if record.version >= MajorVersion::V17 => 20,
            // `xl_parameter_change`
            0x60 => 20,
            // `xl_end_of_recovery`, longer since 17.
            0x90 if record.version >= MajorVersion::V17 => 16,
            // `XLOG_CHECKPOINT_REDO`, new in 17.
            0xE0 if record.version >= MajorVersion::V17 => 0,
            _ => return Ok(()),
        };
        let level = data.get(place..place + 4).ok_or(Fault::Short)?;
        if u32_at(level, 0) == 0 {
            self.events.push(ChangeEvent::WalLevelMinimal { lsn: record.lsn });
        }
        Ok(())
    }
}

/// What is left of a record's main data.
struct Data<'a>(&'a [u8]);

impl<'a> Data<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Fault::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32_at(self.take(4)?, 0))
    }

    fn locator(&mut self) -> Result<RelFileLocator, Fault> {
        let numbers = self.take(LOCATOR_BYTES)?;
        let [spc_oid, db_oid, rel_number] = [0, 4, 8].map(|at| u32_at(numbers, at));
        Ok(RelFileLocator { spc_oid, db_oid, rel_number })
    }
}

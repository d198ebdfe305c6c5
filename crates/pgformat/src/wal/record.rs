use super::WalFact;
use crate::relation_file::ForkNumber;
use crate::{FormatError, Lsn, MajorVersion};

/// Length of a record's header (upstream `SizeOfXLogRecord`).
pub const RECORD_HEADER_BYTES: usize = 24;

/// One whole record; its checksum was right.
#[derive(Debug, Clone, Copy)]
pub struct WalRecord<'a> {
    /// Where it begins.
    pub lsn: Lsn,
    /// Where the next one may begin: after its last byte, aligned to 8. After a segment switch: the next segment's start.
    pub end_lsn: Lsn,
    /// Where the record before it begins, as it says.
    pub previous_lsn: Lsn,
    /// The transaction, or 0.
    pub xid: u32,
    /// What its resource manager makes of it; the low four bits are flags of the log itself.
    pub info: u8,
    /// Whose record it is.
    pub resource_manager: ResourceManager,
    /// The version whose forms it has.
    pub version: MajorVersion,
    /// All of it, header included, without the page headers between.
    pub bytes: &'a [u8],
}

/// The number of a resource manager (upstream `rmgrlist.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResourceManager(pub u8);

impl ResourceManager {
    /// Checkpoints, switches, restore points, parameters.
    pub const XLOG: Self = Self(0);
    /// Commits and aborts.
    pub const TRANSACTION: Self = Self(1);
    /// Creation and truncation of relation files.
    pub const STORAGE: Self = Self(2);
    /// Databases.
    pub const DATABASE: Self = Self(4);
}

/// One block that a record touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockReference {
    /// Its number within the record.
    pub id: u8,
    /// Tablespace, database and file number of the relation.
    pub spc_oid: u32,
    /// Database.
    pub db_oid: u32,
    /// File number.
    pub rel_number: u32,
    /// Fork.
    pub fork: ForkNumber,
    /// Block.
    pub block: u32,
    /// Whether an image of the page is in the record.
    pub has_image: bool,
    /// Whether replay starts the page anew.
    pub will_init: bool,
}

/// A record opened (upstream `xlogreader.c`, `DecodeXLogRecord`).
#[derive(Debug, Clone)]
pub struct DecodedRecord<'a> {
    /// In the record's order.
    pub blocks: Vec<BlockReference>,
    /// What belongs to no block.
    pub main_data: &'a [u8],
    /// The transaction that a subtransaction's record names as its top.
    pub top_level_xid: Option<u32>,
}

impl<'a> WalRecord<'a> {
    /// Opens the record.
    ///
    /// # Errors
    /// `FormatDamaged` when lengths or references make no sense.
    pub fn decode(&self) -> Result<DecodedRecord<'a>, FormatError> {
        todo!()
    }

    /// Tells what the record means to a point-in-time restore; `None` for nearly all records, at little cost.
    ///
    /// # Errors
    /// `FormatDamaged` when it is one of those and can't be read.
    pub fn fact(&self) -> Result<Option<WalFact>, FormatError> {
        todo!()
    }
}

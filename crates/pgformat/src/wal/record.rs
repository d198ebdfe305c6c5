use super::WalFact;
use super::fact::fact_of;
use super::page::{u16_at, u32_at, u64_at};
use crate::relation_file::ForkNumber;
use crate::{FormatError, Lsn, MajorVersion};

/// Length of a record's header (upstream `SizeOfXLogRecord`).
pub const RECORD_HEADER_BYTES: usize = 24;
/// Where the checksum lies, which covers what is before it and what is after it.
const CRC_AT: usize = 20;

/// Ids of what may stand in a record before its data; smaller ones are blocks (upstream `xlogrecord.h`).
const MAX_BLOCK_ID: u8 = 32;
const ID_TOP_LEVEL_XID: u8 = 252;
const ID_ORIGIN: u8 = 253;
const ID_DATA_LONG: u8 = 254;
const ID_DATA_SHORT: u8 = 255;

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
    /// Rows of tables: pruning, freezing, many rows at once, the visibility map.
    pub const HEAP2: Self = Self(9);
    /// Rows of tables.
    pub const HEAP: Self = Self(10);
    /// SP-GiST indexes.
    pub const SPGIST: Self = Self(16);

    /// Tells whether a server of `version` may have it: all versions have the same 22 of their own, and since 15 an
    /// extension's are numbered from 128 (upstream `rmgr.h`, `RmgrIdIsValid`).
    pub fn exists_in(self, version: MajorVersion) -> bool {
        self.0 <= 21 || (self.0 >= 128 && version >= MajorVersion::V15)
    }
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
    /// The replication origin whose change it is.
    pub origin: Option<u16>,
}

impl<'a> WalRecord<'a> {
    /// Names the parts of the header of a whole record, whose length and checksum the caller has checked.
    pub(super) fn from_checked(bytes: &'a [u8], lsn: Lsn, end_lsn: Lsn, version: MajorVersion) -> Self {
        WalRecord {
            lsn,
            end_lsn,
            previous_lsn: Lsn(u64_at(bytes, 8)),
            xid: u32_at(bytes, 4),
            info: bytes[16],
            resource_manager: ResourceManager(bytes[17]),
            version,
            bytes,
        }
    }

    /// Opens the record.
    ///
    /// # Errors
    /// `FormatDamaged` when lengths or references make no sense.
    pub fn decode(&self) -> Result<DecodedRecord<'a>, FormatError> {
        let mut blocks = Vec::new();
        let layout = Layout::read(self.bytes, self.version, &mut |block| blocks.push(block))
            .map_err(|fault| damaged_record(self.lsn, fault))?;
        let main_data = self.bytes.get(layout.main_data_at..).ok_or_else(|| damaged_record(self.lsn, Fault::Short))?;
        Ok(DecodedRecord { blocks, main_data, top_level_xid: layout.top_level_xid, origin: layout.origin })
    }

    /// Tells what the record means to a point-in-time restore; `None` for nearly all records, at little cost.
    ///
    /// # Errors
    /// `FormatDamaged` when it is one of those and can't be read.
    pub fn fact(&self) -> Result<Option<WalFact>, FormatError> {
        fact_of(self.bytes, self.version).map_err(|fault| damaged_record(self.lsn, fault))
    }
}

/// Tells whether the checksum of a whole record is right: upstream takes the header last (`xlogreader.c`, `ValidXLogRecord`).
pub(super) fn checksum_is_right(record: &[u8]) -> bool {
    let data = crc32c::crc32c(&record[RECORD_HEADER_BYTES..]);
    crc32c::crc32c_append(data, &record[..CRC_AT]) == u32_at(record, CRC_AT)
}

/// Makes an error about the record at `lsn`.
pub(super) fn damaged_record(lsn: Lsn, fault: impl std::fmt::Display) -> FormatError {
    FormatError::FormatDamaged { what: "WAL record", detail: format!("{lsn}: {fault}") }
}

/// Why a record's inner headers can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The bytes end too early; normal when only the head of a record is known.
    #[error("its parts are longer than the record")]
    Short,
    /// They make no sense.
    #[error("{0}")]
    Nonsense(String),
}

/// Where a record's main data lies, and what its small headers say.
pub(super) struct Layout {
    /// The end of the record when there is none.
    pub(super) main_data_at: usize,
    top_level_xid: Option<u32>,
    origin: Option<u16>,
}

impl Layout {
    /// Reads the headers in `bytes`, a record or its first bytes, and hands over its blocks.
    pub(super) fn read(
        bytes: &[u8],
        version: MajorVersion,
        each: &mut dyn FnMut(BlockReference),
    ) -> Result<Self, Fault> {
        if bytes.len() < RECORD_HEADER_BYTES {
            return Err(Fault::Short);
        }
        let total = u32_at(bytes, 0) as usize;
        let mut headers = Headers { bytes, at: RECORD_HEADER_BYTES, version, relation: None };
        let mut layout = Layout { main_data_at: total, top_level_xid: None, origin: None };
        // How many bytes at the record's end are data, by the headers so far: the headers end where the data begins.
        let mut data_bytes = 0_usize;
        let mut last_block = None;
        while headers.at + data_bytes < total {
            match headers.u8()? {
                short_or_long @ (ID_DATA_SHORT | ID_DATA_LONG) => {
                    let short = short_or_long == ID_DATA_SHORT;
                    let length = if short { usize::from(headers.u8()?) } else { headers.u32()? as usize };
                    data_bytes += length;
                    layout.main_data_at = total.checked_sub(length).ok_or(Fault::Short)?;
                    break;
                }
                ID_ORIGIN => layout.origin = Some(headers.u16()?),
                ID_TOP_LEVEL_XID => layout.top_level_xid = Some(headers.u32()?),
                id if id <= MAX_BLOCK_ID => {
                    if last_block.is_some_and(|last| id <= last) {
                        return Err(Fault::Nonsense(format!("block reference {id} is out of order")));
                    }
                    last_block = Some(id);
                    let (block, length) = headers.block(id)?;
                    data_bytes += length;
                    each(block);
                }
                id => return Err(Fault::Nonsense(format!("block reference {id} is impossible"))),
            }
        }
        if headers.at + data_bytes != total { Err(Fault::Short) } else { Ok(layout) }
    }
}

/// Reads the small headers of a record, which are not aligned.
struct Headers<'a> {
    bytes: &'a [u8],
    at: usize,
    version: MajorVersion,
    /// Tablespace, database and file number of the block before: the next may be of the same.
    relation: Option<[u32; 3]>,
}

impl Headers<'_> {
    fn take(&mut self, length: usize) -> Result<usize, Fault> {
        let at = self.at;
        if self.bytes.len() - at < length {
            return Err(Fault::Short);
        }
        self.at += length;
        Ok(at)
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.bytes[self.take(1)?])
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16_at(self.bytes, self.take(2)?))
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32_at(self.bytes, self.take(4)?))
    }

    /// Reads a block's headers after its id, and returns how long its image and data are together.
    fn block(&mut self, id: u8) -> Result<(BlockReference, usize), Fault> {
        let nonsense = |what: &str| Err(Fault::Nonsense(format!("block reference {id}: {what}")));
        let flags = self.u8()?;
        let (has_image, has_data, will_init, same_relation) =
            (flags & 0x10 != 0, flags & 0x20 != 0, flags & 0x40 != 0, flags & 0x80 != 0);
        let fork = match flags & 0x0F {
            0 => ForkNumber::Main,
            1 => ForkNumber::Fsm,
            2 => ForkNumber::Vm,
            3 => ForkNumber::Init,
            _ => return nonsense("no such fork"),
        };
        let mut length = usize::from(self.u16()?);
        if has_data != (length > 0) {
            return nonsense("its data contradicts its flags");
        }
        if has_image {
            match self.image()? {
                Some(image_length) => length += image_length,
                None => return nonsense("its image contradicts its flags"),
            }
        }
        if !same_relation {
            self.relation = Some([self.u32()?, self.u32()?, self.u32()?]);
        }
        let Some([spc_oid, db_oid, rel_number]) = self.relation else {
            return nonsense("no relation to be the same");
        };
        let block = self.u32()?;
        Ok((BlockReference { id, spc_oid, db_oid, rel_number, fork, block, has_image, will_init }, length))
    }

    /// Reads an image's headers and returns its length; `None` when they contradict one another. 15 gave the flags new
    /// places when it learnt more ways of compressing. The size of the cluster's pages is not known here.
    fn image(&mut self) -> Result<Option<usize>, Fault> {
        let (length, hole_offset, flags) = (self.u16()?, self.u16()?, self.u8()?);
        let compressed = flags & if self.version < MajorVersion::V15 { 0x02 } else { 0x1C } != 0;
        let has_hole = flags & 0x01 != 0;
        // Of an image that is not compressed, the hole is what it lacks of a page.
        let empty_hole = has_hole && compressed && self.u16()? == 0;
        let contradictory = empty_hole || has_hole != (hole_offset > 0);
        Ok((!contradictory).then_some(usize::from(length)))
    }
}

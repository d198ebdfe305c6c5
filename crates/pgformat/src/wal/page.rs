use super::WalGeometry;
use crate::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId};

/// Length of a page's header (upstream `SizeOfXLogShortPHD`).
const SHORT_HEADER_BYTES: usize = 24;
/// Length of the header of a segment's first page (upstream `SizeOfXLogLongPHD`).
const LONG_HEADER_BYTES: usize = 40;

/// The header goes with the rest of a record that began earlier.
const FIRST_IS_CONTRECORD: u16 = 0x0001;
/// The header is a long one.
const LONG_HEADER: u16 = 0x0002;
/// Something else stands where a record that a crash broke off ought to go on.
const FIRST_IS_OVERWRITE_CONTRECORD: u16 = 0x0008;
/// All flags that mean something; the one not named above (`XLP_BKP_REMOVABLE`) concerns nobody since 9.x.
const ALL_FLAGS: u16 = 0x000F;

/// The header of a WAL page (upstream `xlog_internal.h`, `XLogPageHeaderData`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalPageHeader {
    /// The timeline of the first record on the page.
    pub timeline: TimelineId,
    /// The page's own address.
    pub page_lsn: Lsn,
    /// How many bytes of a record that began earlier are still to come, those on this page included; 0 without one.
    pub remaining_bytes: u32,
    /// Whether a record that began earlier goes on here (`XLP_FIRST_IS_CONTRECORD`).
    pub continues_record: bool,
    /// Whether the record that ought to go on here was broken off by a crash, and something else stands here
    /// (`XLP_FIRST_IS_OVERWRITE_CONTRECORD`).
    pub overwrites_broken_record: bool,
    /// Present on the first page of a segment.
    pub long: Option<LongPageHeader>,
}

/// What the first page of a segment says besides (upstream `XLogLongPageHeaderData`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongPageHeader {
    /// The cluster.
    pub system_identifier: SystemIdentifier,
    /// Bytes in a segment.
    pub segment_size_bytes: u32,
    /// Bytes in a WAL page.
    pub block_size_bytes: u32,
}

/// Returns the magic number of WAL pages (`XLOG_PAGE_MAGIC`) of a version.
pub fn page_magic(version: MajorVersion) -> u16 {
    match version {
        MajorVersion::V14 => 0xD10D,
        MajorVersion::V15 => 0xD110,
        MajorVersion::V16 => 0xD113,
        MajorVersion::V17 => 0xD116,
        MajorVersion::V18 => 0xD118,
    }
}

/// Returns the length of the header of the page at `page_lsn`: servers write the long one on a segment's first page only.
pub(super) fn header_size_bytes(geometry: &WalGeometry, page_lsn: Lsn) -> usize {
    let first = page_lsn.0 & (geometry.segment_size.bytes() - 1) == 0;
    if first { LONG_HEADER_BYTES } else { SHORT_HEADER_BYTES }
}

impl WalPageHeader {
    /// Reads the header at the start of `page` (which may be just the header) and checks it against the geometry and the address
    /// that it should have. The timeline is not checked, but for being none.
    ///
    /// # Errors
    /// `FormatDamaged` naming the address and the field; a foreign system identifier says so.
    pub fn parse(page: &[u8], geometry: &WalGeometry, expected_lsn: Lsn) -> Result<Self, FormatError> {
        let damaged = |detail: String| damaged_page(expected_lsn, detail);
        let size = header_size_bytes(geometry, expected_lsn);
        if page.len() < size {
            return Err(damaged(format!("only {} bytes", page.len())));
        }
        let magic = u16_at(page, 0);
        if magic != page_magic(geometry.version) {
            let expected = page_magic(geometry.version);
            return Err(damaged(format!("the magic number is {magic:04X}, not {expected:04X}")));
        }
        let flags = u16_at(page, 2);
        let has = |flag: u16| flags & flag != 0;
        let contradictory = has(FIRST_IS_CONTRECORD) && has(FIRST_IS_OVERWRITE_CONTRECORD);
        if flags & !ALL_FLAGS != 0 || has(LONG_HEADER) != (size == LONG_HEADER_BYTES) || contradictory {
            return Err(damaged(format!("the flags are {flags:04X}")));
        }
        let header = WalPageHeader {
            timeline: TimelineId(u32_at(page, 4)),
            page_lsn: Lsn(u64_at(page, 8)),
            remaining_bytes: u32_at(page, 16),
            continues_record: has(FIRST_IS_CONTRECORD),
            overwrites_broken_record: has(FIRST_IS_OVERWRITE_CONTRECORD),
            long: has(LONG_HEADER).then(|| LongPageHeader {
                system_identifier: SystemIdentifier(u64_at(page, 24)),
                segment_size_bytes: u32_at(page, 32),
                block_size_bytes: u32_at(page, 36),
            }),
        };
        // A recycled segment that was not written over yet has right pages with wrong addresses.
        if header.page_lsn != expected_lsn {
            return Err(damaged(format!("the page's own address is {}", header.page_lsn)));
        }
        if header.timeline.0 == 0 {
            return Err(damaged("the timeline is 0".to_owned()));
        }
        if header.continues_record != (header.remaining_bytes != 0) {
            let bytes = header.remaining_bytes;
            return Err(damaged(format!("the flags are {flags:04X} and {bytes} bytes of a record remain")));
        }
        if let Some(long) = header.long {
            long.check(geometry).map_err(damaged)?;
        }
        Ok(header)
    }

    /// Returns the header's length: 24 bytes, or 40 with the long one.
    pub fn size_bytes(&self) -> usize {
        if self.long.is_some() { LONG_HEADER_BYTES } else { SHORT_HEADER_BYTES }
    }
}

impl LongPageHeader {
    fn check(&self, geometry: &WalGeometry) -> Result<(), String> {
        if self.system_identifier != geometry.system_identifier {
            let (found, own) = (self.system_identifier, geometry.system_identifier);
            return Err(format!("it is of another cluster: the system identifier is {found}, not {own}"));
        }
        let segment_size = geometry.segment_size.bytes();
        if u64::from(self.segment_size_bytes) != segment_size {
            return Err(format!("the segment size is {}, not {segment_size}", self.segment_size_bytes));
        }
        if self.block_size_bytes != geometry.block_size_bytes {
            return Err(format!("the page size is {}, not {}", self.block_size_bytes, geometry.block_size_bytes));
        }
        Ok(())
    }
}

/// Makes an error about the page at `lsn`.
pub(super) fn damaged_page(lsn: Lsn, detail: impl std::fmt::Display) -> FormatError {
    FormatError::FormatDamaged { what: "WAL page", detail: format!("{lsn}: {detail}") }
}

/// Reads a little-endian number; the caller has made sure that the bytes are there.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Reads a little-endian number; the caller has made sure that the bytes are there.
#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// Reads a little-endian number; the caller has made sure that the bytes are there.
#[inline]
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

use super::WalGeometry;
use crate::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId};

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
pub fn page_magic(_version: MajorVersion) -> u16 {
    todo!()
}

impl WalPageHeader {
    /// Reads the header at the start of `page` (which may be just the header) and checks it against the geometry and the address
    /// that it should have. The timeline is not checked.
    ///
    /// # Errors
    /// `FormatDamaged` naming the address and the field; a foreign system identifier says so.
    pub fn parse(_page: &[u8], _geometry: &WalGeometry, _expected_lsn: Lsn) -> Result<Self, FormatError> {
        todo!()
    }

    /// Returns the header's length: 24 bytes, or 40 with the long one.
    pub fn size_bytes(&self) -> usize {
        if self.long.is_some() { 40 } else { 24 }
    }
}

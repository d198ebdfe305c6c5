use super::{SealOutcome, WalArchiveError};
use pgformat::WalSegment;
use pgformat::wal::SegmentSummary;
use serde::{Deserialize, Serialize};

/// The trailer of a sealed segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedInfo {
    /// The 24-digit name, so that a renamed file is found out.
    pub segment: String,
    /// Bytes of the segment.
    pub segment_bytes: u64,
    /// CRC-32C of the segment's bytes.
    pub crc32c: u32,
    /// What it says.
    pub summary: SegmentSummary,
    /// What made it, such as `cadena 0.1.0`.
    pub tool_version: String,
}

/// Takes a segment's bytes, in order.
pub struct SegmentSealer {
    _segment: WalSegment,
}

impl SegmentSealer {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// `WalInvalid` when they are no WAL of this segment; storage errors. Nothing is visible then.
    pub fn write(&mut self, _bytes: &[u8]) -> Result<(), WalArchiveError> {
        todo!()
    }

    /// Checks that the segment is whole, and makes it durable and visible. One that is there already is compared.
    ///
    /// # Errors
    /// `WalInvalid` when bytes are missing or too many; `WalConflict`; storage errors.
    pub fn finish(self) -> Result<(SealOutcome, SegmentSummary), WalArchiveError> {
        todo!()
    }
}

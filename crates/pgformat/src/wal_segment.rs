//! WAL segment and timeline history file names, for every segment size (upstream `xlog_internal.h`).

use crate::{FormatError, Lsn, TimelineId};
use serde::{Deserialize, Serialize};

/// Holds a WAL segment size in bytes: a power of two from 1 MiB to 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct WalSegmentSize(u64);

impl WalSegmentSize {
    /// Accepts a power of two from 1 MiB to 1 GiB.
    ///
    /// # Errors
    /// `FormatDamaged` for anything else.
    pub fn new(bytes: u64) -> Result<Self, FormatError> {
        let _ = bytes;
        todo!()
    }
    /// Returns the size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// Names one WAL segment file: a timeline and a segment number (LSN / segment size).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalSegment {
    pub timeline: TimelineId,
    pub number: u64,
}

impl WalSegment {
    /// Returns the segment that holds the byte at `lsn` (upstream `XLByteToSeg`).
    pub fn containing(timeline: TimelineId, lsn: Lsn, size: WalSegmentSize) -> Self {
        let _ = (timeline, lsn, size);
        todo!()
    }
    /// Returns the segment that holds the byte before `lsn` (upstream `XLByteToPrevSeg`); `lsn` must be above 0.
    pub fn ending_at(timeline: TimelineId, lsn: Lsn, size: WalSegmentSize) -> Self {
        let _ = (timeline, lsn, size);
        todo!()
    }
    /// Returns the address of the segment's first byte.
    pub fn start_lsn(self, size: WalSegmentSize) -> Lsn {
        let _ = size;
        todo!()
    }
    /// Returns the segment after this one on the same timeline.
    pub fn next(self) -> Self {
        WalSegment { timeline: self.timeline, number: self.number + 1 }
    }
    /// Returns the 24-digit file name, such as `000000010000000000000007`.
    pub fn file_name(self, size: WalSegmentSize) -> String {
        let _ = size;
        todo!()
    }
    /// Reads a 24-digit file name.
    ///
    /// # Errors
    /// `FormatText` when it is no segment's name at this segment size.
    pub fn parse(name: &str, size: WalSegmentSize) -> Result<Self, FormatError> {
        let _ = (name, size);
        todo!()
    }
}

/// Returns the name of a timeline's history file, such as `00000002.history`.
pub fn history_file_name(timeline: TimelineId) -> String {
    let _ = timeline;
    todo!()
}

impl TryFrom<u64> for WalSegmentSize {
    type Error = FormatError;
    fn try_from(bytes: u64) -> Result<Self, FormatError> {
        Self::new(bytes)
    }
}
impl From<WalSegmentSize> for u64 {
    fn from(size: WalSegmentSize) -> u64 {
        size.0
    }
}

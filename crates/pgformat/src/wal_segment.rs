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
        if bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&bytes) {
            Ok(WalSegmentSize(bytes))
        } else {
            Err(FormatError::FormatDamaged { what: "WAL segment size", detail: format!("{bytes} bytes") })
        }
    }

    /// Returns the size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Returns how many segments 4 GiB of WAL have (upstream `XLogSegmentsPerXLogId`): the last eight digits of a
    /// file name stay below this.
    fn segments_per_id(self) -> u64 {
        (1 << 32) / self.0
    }
}

/// Names one WAL segment file: a timeline and a segment number (LSN / segment size).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalSegment {
    /// The timeline whose WAL the segment holds.
    pub timeline: TimelineId,
    /// The segment's place in the whole log.
    pub number: u64,
}

impl WalSegment {
    /// Returns the segment that holds the byte at `lsn` (upstream `XLByteToSeg`).
    pub fn containing(timeline: TimelineId, lsn: Lsn, size: WalSegmentSize) -> Self {
        WalSegment { timeline, number: lsn.0 / size.0 }
    }

    /// Returns the segment that holds the byte before `lsn` (upstream `XLByteToPrevSeg`); `lsn` must be above 0.
    pub fn ending_at(timeline: TimelineId, lsn: Lsn, size: WalSegmentSize) -> Self {
        // Nothing lies before 0: the first segment is the nearest answer.
        WalSegment { timeline, number: lsn.0.saturating_sub(1) / size.0 }
    }

    /// Returns the address of the segment's first byte.
    pub fn start_lsn(self, size: WalSegmentSize) -> Lsn {
        // A number that no LSN leads to has no address: the last one is the nearest answer.
        Lsn(self.number.saturating_mul(size.0))
    }

    /// Returns the address after the segment's last byte: where the next one starts.
    pub fn end_lsn(self, size: WalSegmentSize) -> Lsn {
        self.next().start_lsn(size)
    }

    /// Returns the segment after this one on the same timeline.
    pub fn next(self) -> Self {
        WalSegment { timeline: self.timeline, number: self.number.saturating_add(1) }
    }

    /// Returns the 24-digit file name, such as `000000010000000000000007` (upstream `XLogFileName`).
    pub fn file_name(self, size: WalSegmentSize) -> String {
        let (id, segment) = (self.number / size.segments_per_id(), self.number % size.segments_per_id());
        format!("{:08X}{id:08X}{segment:08X}", self.timeline.0)
    }

    /// Reads a 24-digit file name (upstream `IsXLogFileName`, `XLogFromFileName`).
    ///
    /// # Errors
    /// `FormatText` when it is no segment's name at this segment size.
    pub fn parse(name: &str, size: WalSegmentSize) -> Result<Self, FormatError> {
        let bad = || FormatError::FormatText { what: "WAL segment name", text: name.to_owned() };
        if name.len() != 24 || !name.bytes().all(is_upper_hexadecimal) {
            return Err(bad());
        }
        let part = |at: usize| u32::from_str_radix(&name[at..at + 8], 16).map_err(|_| bad());
        let (timeline, id, segment) = (part(0)?, part(8)?, u64::from(part(16)?));
        // Timeline 0 does not exist; a segment past the last of its 4 GiB belongs to another segment size.
        if timeline == 0 || segment >= size.segments_per_id() {
            return Err(bad());
        }
        Ok(WalSegment { timeline: TimelineId(timeline), number: u64::from(id) * size.segments_per_id() + segment })
    }
}

/// Returns the name of a timeline's history file, such as `00000002.history` (upstream `TLHistoryFileName`).
pub fn history_file_name(timeline: TimelineId) -> String {
    format!("{:08X}.history", timeline.0)
}

/// Reads the name of a timeline's history file (upstream `IsTLHistoryFileName`); `None` when `name` is not one.
pub fn parse_history_file_name(name: &str) -> Option<TimelineId> {
    let digits = name.strip_suffix(".history")?;
    if digits.len() != 8 || !digits.bytes().all(is_upper_hexadecimal) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok().filter(|timeline| *timeline != 0).map(TimelineId)
}

/// PostgreSQL writes and accepts capital digits only.
fn is_upper_hexadecimal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'F')
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

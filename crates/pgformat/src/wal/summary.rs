use super::{WalFact, WalGeometry, WalRecord};
use crate::{FormatError, Lsn, TimelineId, WalSegment};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many of a record's first bytes are kept when it does not end in the segment where it begins: enough for
/// [`super::fact_of_head`].
pub const RECORD_HEAD_BYTES: usize = 160;

/// What one segment says for itself, whoever brought it: a pure function of its bytes (or, for a partial one, of the bytes
/// so far). Records count where they are whole; one that crosses the segment's border is in `open` of the one and
/// `continued` of the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSummary {
    /// The timeline of the newest page.
    pub timeline: TimelineId,
    /// The first record that begins here.
    pub first_record_lsn: Option<Lsn>,
    /// The end of the last record that begins and ends here.
    pub records_end_lsn: Option<Lsn>,
    /// The record that began earlier and goes on at the segment's start.
    pub continued: Option<ContinuedRecord>,
    /// The record that begins here and does not end here.
    pub open: Option<OpenRecord>,
    /// Commits and aborts.
    pub transactions: u64,
    /// The earliest time of a commit or abort (their times are not in order).
    pub earliest_time: Option<Timestamp>,
    /// The latest time of one.
    pub latest_time: Option<Timestamp>,
    /// The commit that is last in the log (not in time).
    pub last_commit: Option<SummaryTime>,
    /// Restore points.
    pub restore_points: Vec<SummaryPoint>,
    /// Whether some record says that `wal_level` became minimal.
    pub wal_level_minimal: bool,
}

/// The rest of a record that began earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContinuedRecord {
    /// How long the rest is, in this and later segments.
    pub remaining_bytes: u32,
    /// Its first bytes, at most [`RECORD_HEAD_BYTES`], in hex.
    pub head: String,
    /// Whether it ends in this segment.
    pub ends_here: bool,
}

/// A record whose end lies in a later segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRecord {
    /// Where it begins.
    pub lsn: Lsn,
    /// Its first bytes, at most [`RECORD_HEAD_BYTES`], in hex.
    pub head: String,
}

/// A commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryTime {
    /// Where its record begins.
    pub lsn: Lsn,
    /// When it happened, by the server's clock.
    pub time: Timestamp,
}

/// A restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryPoint {
    /// Where its record begins.
    pub lsn: Lsn,
    /// Its name.
    pub name: String,
    /// When it was made, by the server's clock.
    pub time: Timestamp,
}

/// Makes a [`SegmentSummary`] from a segment's bytes, checking them on the way as [`super::WalDecoder`] does.
pub struct SegmentSummarizer {
    _segment: WalSegment,
}

impl SegmentSummarizer {
    /// Begins with the segment's first byte.
    pub fn new(_geometry: WalGeometry, _segment: WalSegment) -> Self {
        todo!()
    }

    /// Takes the next bytes, and hands over whole records with their facts.
    ///
    /// # Errors
    /// `FormatDamaged` when the bytes are no WAL of this segment; and what `each` returns.
    pub fn feed<E: From<FormatError>>(
        &mut self,
        _bytes: &[u8],
        _each: &mut dyn FnMut(&WalRecord<'_>, Option<&WalFact>) -> Result<(), E>,
    ) -> Result<(), E> {
        todo!()
    }

    /// Returns what the bytes so far say.
    pub fn summary(&self) -> SegmentSummary {
        todo!()
    }
}

impl SegmentSummary {
    /// Joins the record that is open at the end of `earlier` with what `later`, the next segment, has of it.
    /// `None` when none is open, or it is none that matters, or too little of it is known.
    ///
    /// # Errors
    /// `FormatDamaged` when the two do not fit together.
    pub fn fact_across(
        _earlier: &Self,
        _later: &Self,
        _geometry: &WalGeometry,
    ) -> Result<Option<(Lsn, WalFact)>, FormatError> {
        todo!()
    }
}

use pgformat::timeline_history::HistoryEntry;
use pgformat::{Lsn, TimelineId, WalSegment};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that lies under `wal/`, as one listing shows it.
#[derive(Debug, Clone, Default)]
pub struct WalContents {
    /// By number.
    pub timelines: BTreeMap<TimelineId, TimelineContents>,
    /// Gaps that a receiver noted, with their causes.
    pub gaps: Vec<WalGap>,
    /// Objects under `wal/` that are none of ours. Never touched.
    pub foreign: Vec<String>,
}

/// What lies here of one timeline.
#[derive(Debug, Clone, Default)]
pub struct TimelineContents {
    /// By number. A segment that is here in both forms counts as sealed.
    pub segments: BTreeMap<u64, ArchivedSegment>,
    /// The ancestors from its history file; `None` without one (timeline 1, or the file is missing).
    pub history: Option<Vec<HistoryEntry>>,
}

/// One segment here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedSegment {
    /// Which.
    pub segment: WalSegment,
    /// How.
    pub form: SegmentForm,
    /// The object's size.
    pub size_bytes: u64,
    /// When it was last written, in seconds since the Unix epoch.
    pub modified_seconds: i64,
}

/// How a segment lies here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentForm {
    /// Whole and compressed.
    Sealed,
    /// Its beginning, plain.
    Partial,
}

/// A stretch of WAL that will never be archived, and why. Stored as `wal/gaps/TIMELINE-START.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalGap {
    /// The timeline.
    pub timeline: TimelineId,
    /// The first byte that is missing.
    pub from_lsn: Lsn,
    /// The first byte after it that is here again.
    pub to_lsn: Lsn,
    /// When it was noticed.
    pub noticed_at: jiff::Timestamp,
    /// `{"key": …, arguments}`.
    pub cause: serde_json::Value,
}

use super::layout::{self, WAL_PREFIX, WalKey};
use super::{WalArchive, WalArchiveError};
use crate::storage::StoredObject;
use pgformat::timeline_history::{HistoryEntry, parse_history};
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
    /// The object's size: for a plain partial one, how far it goes.
    pub size_bytes: u64,
    /// When it was last written, in seconds since the Unix epoch.
    pub modified_seconds: i64,
}

/// How a segment lies here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentForm {
    /// Whole and compressed, encrypted or not.
    Sealed,
    /// Its beginning: plain, or encrypted in pieces.
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

impl WalArchive {
    /// Lists everything: segments by timeline and number, histories, known gaps. Opens no segment.
    ///
    /// # Errors
    /// `WalUnreadable` when a history file or a gap's note can't be read; storage errors.
    pub fn contents(&self) -> Result<WalContents, WalArchiveError> {
        let mut contents = WalContents::default();
        let size = self.geometry().segment_size;
        for object in self.storage().list(WAL_PREFIX)? {
            match layout::parse(&object.key, size) {
                WalKey::Description | WalKey::Reserved => {}
                WalKey::Sealed(segment, _) => contents.enter(archived(segment, SegmentForm::Sealed, object)),
                WalKey::Partial(segment, _) => contents.enter(archived(segment, SegmentForm::Partial, object)),
                WalKey::History(timeline) => {
                    // One that has gone since the listing is none.
                    if let Some(history) = self.parsed_history(timeline, &object.key)? {
                        contents.timelines.entry(timeline).or_default().history = Some(history);
                    }
                }
                WalKey::Gap(timeline, from_lsn) => contents.gaps.extend(self.gap(timeline, from_lsn, &object.key)?),
                WalKey::Foreign => contents.foreign.push(object.key),
            }
        }
        Ok(contents)
    }

    /// Returns how `segment` lies here, or `None`. Sealed wins over partial.
    ///
    /// # Errors
    /// Storage errors.
    pub fn find(&self, segment: WalSegment) -> Result<Option<ArchivedSegment>, WalArchiveError> {
        // Listing a folder takes longer than asking for two names, which are often not there.
        if self.sealed_cover(segment)?.is_none() && self.partial_cover(segment)?.is_none() {
            return Ok(None);
        }
        let size = self.geometry().segment_size;
        let mut contents = WalContents::default();
        for object in self.storage().list(&layout::segment_prefix(segment, size))? {
            match layout::parse(&object.key, size) {
                WalKey::Sealed(..) => contents.enter(archived(segment, SegmentForm::Sealed, object)),
                WalKey::Partial(..) => contents.enter(archived(segment, SegmentForm::Partial, object)),
                _ => {}
            }
        }
        Ok(contents.timelines.remove(&segment.timeline).and_then(|mut one| one.segments.remove(&segment.number)))
    }

    fn parsed_history(&self, timeline: TimelineId, key: &str) -> Result<Option<Vec<HistoryEntry>>, WalArchiveError> {
        let Some(text) = self.history(timeline)? else { return Ok(None) };
        let text = String::from_utf8(text).map_err(|error| self.unreadable(key, error.to_string()))?;
        parse_history(&text).map(Some).map_err(|error| self.unreadable(key, error.to_string()))
    }

    fn gap(&self, timeline: TimelineId, from_lsn: Lsn, key: &str) -> Result<Option<WalGap>, WalArchiveError> {
        let Some(content) = self.storage().get(key)? else { return Ok(None) };
        let gap: WalGap = serde_json::from_slice(&content).map_err(|error| self.unreadable(key, error.to_string()))?;
        if (gap.timeline, gap.from_lsn) != (timeline, from_lsn) {
            return Err(self.unreadable(key, "it tells of another gap than its name".to_owned()));
        }
        Ok(Some(gap))
    }
}

impl WalContents {
    fn enter(&mut self, found: ArchivedSegment) {
        let segments = &mut self.timelines.entry(found.segment.timeline).or_default().segments;
        let known = segments.entry(found.segment.number).or_insert_with(|| found.clone());
        if found.form == SegmentForm::Sealed {
            *known = found;
        }
    }
}

fn archived(segment: WalSegment, form: SegmentForm, object: StoredObject) -> ArchivedSegment {
    ArchivedSegment { segment, form, size_bytes: object.size_bytes, modified_seconds: object.modified_seconds }
}

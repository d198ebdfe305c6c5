use crate::Error;
use jiff::Timestamp;
use pgformat::{Lsn, TimelineId};
use serde::Serialize;
use vault::repository::{BackupId, Repository};

/// Everything that can be restored, and what can't.
#[derive(Debug, Clone, Serialize)]
pub struct RestorableWindows {
    /// In order of timeline and LSN.
    pub windows: Vec<Window>,
    /// Stretches of WAL that are missing between what is here.
    pub gaps: Vec<WindowGap>,
    /// Backups that restore to their own end only, since the WAL after them is not here.
    pub isolated_backups: Vec<BackupId>,
    /// What is odd: a damaged or unreadable segment, a missing history file.
    pub findings: Vec<serde_json::Value>,
}

/// An interval without a gap: every instant in it can be restored.
#[derive(Debug, Clone, Serialize)]
pub struct Window {
    /// The timeline on which it lies (its newest part, if the WAL comes from ancestors).
    pub timeline: TimelineId,
    /// The oldest backup that it stands on.
    pub first_backup: BackupId,
    /// The first address that can be restored: that backup's stop.
    pub first_lsn: Lsn,
    /// The last: the end of the WAL here.
    pub last_lsn: Lsn,
    /// The earliest instant that can be asked for.
    pub first_time: Timestamp,
    /// The last commit in it, if any.
    pub last_commit_time: Option<Timestamp>,
    /// The latest instant that can be asked for: the last commit's, or later when the receiver is known to have had everything.
    pub last_time: Timestamp,
    /// Every backup inside.
    pub backups: Vec<BackupId>,
    /// Restore points inside: name, LSN, time.
    pub restore_points: Vec<pgformat::wal::SummaryPoint>,
}

/// A stretch that is missing.
#[derive(Debug, Clone, Serialize)]
pub struct WindowGap {
    /// The timeline.
    pub timeline: TimelineId,
    /// The first byte missing.
    pub from_lsn: Lsn,
    /// The first that is here again.
    pub to_lsn: Lsn,
    /// Why, `{"key": …}`: as noted by the receiver, or that segments are not there, or that one is damaged.
    pub cause: serde_json::Value,
}

/// Finds every restorable interval. Reads the trailer of every sealed segment and the partial ones, not the segments.
///
/// # Errors
/// Repository and storage errors.
pub fn windows(_repository: &Repository) -> Result<RestorableWindows, Error> {
    todo!()
}

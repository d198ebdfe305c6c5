use pgformat::TimelineId;
use serde::Serialize;

/// Why WAL is missing, or what is odd in the archive. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum WindowFinding {
    /// Segments are not in the archive, and nobody noted why.
    GapSegmentsMissing { first: String, last: String },
    /// The segment is in the archive and can't be used.
    GapSegmentDamaged { segment: String, detail: String },
    /// Only the beginning of a segment is in the archive, though later ones are.
    GapSegmentPartial { segment: String },
    /// Retention removed segments that nothing needs any more.
    GapRemovedByRetention { policy: String },
    /// A timeline's history file is neither in the archive nor in a backup: nothing tells where it came from.
    WindowHistoryMissing { timeline: TimelineId },
    /// A record could not be read: its backup is not counted.
    WindowBackupUnreadable { object: String, detail: String },
    /// A backup can't be restored, since one that it stands on is not as it was: it is not counted.
    WindowBackupBroken { id: String, reason: String },
}

impl WindowFinding {
    /// Returns the value for a report.
    pub(crate) fn value(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

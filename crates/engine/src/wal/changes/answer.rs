use pgformat::block_reference::BlockReferenceTable;
use pgformat::{Lsn, MajorVersion, TimelineId};
use serde::Serialize;

/// From which backup to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeRange {
    /// Where the base started.
    pub from_lsn: Lsn,
    /// Where the base stopped. It holds what was written up to there, so all of that must be on the way to this backup.
    pub from_stop_lsn: Lsn,
    /// The timeline of both.
    pub from_timeline: TimelineId,
    /// Where this backup starts.
    pub to_lsn: Lsn,
    /// On which timeline.
    pub to_timeline: TimelineId,
}

/// Whether the changed blocks are known.
#[derive(Debug)]
pub enum ChangeAnswer {
    /// At least these blocks changed, and no others.
    Known {
        /// What the records tell that begin in the range, free space maps left out.
        table: BlockReferenceTable,
        /// What it was put together from.
        detail: ChangeDetail,
    },
    /// This way can't tell.
    Unknown(ChangesUnknown),
}

/// What a table was put together from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ChangeDetail {
    /// Stored summaries: ours, or the server's.
    pub summaries: u64,
    /// Segments, or parts of them, that were decoded out of the archive.
    pub archived_segments: u64,
    /// Segments, or parts of them, that were decoded out of the server's pg_wal.
    pub server_segments: u64,
    /// Stored summaries that were damaged, and were made anew.
    pub mended_summaries: u64,
}

/// Why a way can't tell which blocks changed. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum ChangesUnknown {
    /// A segment is neither in the archive nor on the server.
    ChangesWalMissing { segment: String },
    /// A segment can't be read or decoded, wherever it lies.
    ChangesWalDamaged { segment: String, detail: String },
    /// From there on the server may have changed files without logging it.
    ChangesWalLevelMinimal { lsn: Lsn },
    /// The base holds what never happened on this backup's timeline: no increment of it can be taken, whichever way.
    ChangesBaseElsewhere { timeline: TimelineId, lsn: Lsn, to_timeline: TimelineId },
    /// The base started after this backup, as with a standby that lags behind the base's server.
    ChangesBaseLater { from_lsn: Lsn, to_lsn: Lsn },
    /// Nothing tells which timelines this backup's came from.
    ChangesHistoryMissing { timeline: TimelineId },
    /// Servers before 17 keep no summaries.
    ChangesNoServerSummaries { version: MajorVersion },
    /// The server could keep summaries and doesn't.
    ChangesSummariesOff {},
    /// The server did not come to summarize what is needed.
    ChangesSummariesBehind { summarized_lsn: Lsn, wanted_lsn: Lsn },
    /// The server has no summary of a stretch, or no longer.
    ChangesSummaryMissing { timeline: TimelineId, lsn: Lsn },
    /// A summary of the server's can't be read.
    ChangesSummaryDamaged { summary: String, detail: String },
    /// The server doesn't let us read what is needed.
    ChangesNotAllowed { detail: String },
}

impl ChangesUnknown {
    /// Tells whether the base itself is of no use for an increment, so that no other way of finding the changes helps.
    pub fn is_about_base(&self) -> bool {
        matches!(self, ChangesUnknown::ChangesBaseElsewhere { .. } | ChangesUnknown::ChangesBaseLater { .. })
    }
}

//! One look at all that retention decides about.

use crate::Error;
use crate::wal::{KnownWal, receiver_state};
use pgformat::block_reference::SummaryFileName;
use pgformat::timeline_history::HistoryEntry;
use pgformat::{Lsn, TimelineId, WalSegmentSize};
use std::collections::BTreeMap;
use vault::repository::{Repository, RepositoryContents};
use vault::wal::{WalArchive, WalContents};

/// What lies in the repository.
#[derive(Debug, Clone, Default)]
pub struct RetentionView {
    /// Backups.
    pub contents: RepositoryContents,
    /// The log.
    pub wal: WalListing,
}

/// What lies in the repository of the log.
#[derive(Debug, Clone, Default)]
pub struct WalListing {
    /// Size of a segment; `None` where no WAL was ever archived.
    pub segment_size: Option<WalSegmentSize>,
    /// Segments, histories, notes of gaps.
    pub contents: WalContents,
    /// The ancestors of timelines, from history files here or in backups.
    pub histories: BTreeMap<TimelineId, Vec<HistoryEntry>>,
    /// Summaries of changed blocks.
    pub summaries: Vec<SummaryFileName>,
    /// How far a receiver is, or was when it ended.
    pub receiver: Option<(TimelineId, Lsn)>,
}

/// Lists everything. Under the lock of a cleanup no backup comes or goes meanwhile; WAL does.
///
/// # Errors
/// Repository, archive and storage errors.
pub fn look(repository: &Repository) -> Result<RetentionView, Error> {
    // The receiver first: what it has received since is newer than all that could go.
    let receiver = receiver_state(repository)?.map(|(state, _)| (state.timeline, state.durable_lsn));
    let contents = repository.contents()?;
    let known = KnownWal::look(repository)?;
    let summaries = known.archive.as_ref().map(WalArchive::list_summaries).transpose()?.unwrap_or_default();
    let wal = WalListing {
        segment_size: known.archive.as_ref().map(|archive| archive.geometry().segment_size),
        histories: known.histories().clone(),
        contents: known.contents,
        summaries,
        // Before it received anything it knows of no timeline.
        receiver: receiver.filter(|(timeline, _)| timeline.0 > 0),
    };
    Ok(RetentionView { contents, wal })
}

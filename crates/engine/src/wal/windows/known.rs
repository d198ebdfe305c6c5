//! All that one look at the repository finds: WAL, backups, histories.

use super::list::tells_of_damage;
use super::{Base, TimelinePath, WindowFinding};
use crate::Error;
use pgformat::timeline_history::{HistoryEntry, parse_history};
use pgformat::wal::{SegmentSummary, WalGeometry};
use pgformat::wal_segment::history_file_name;
use pgformat::{TimelineId, WalSegment, WalSegmentSize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use vault::archive::{ArchiveError, ArchiveReader};
use vault::repository::{BackupRecord, BackupState, ChainFault, Repository, UnreadableRecord};
use vault::wal::{WalArchive, WalArchiveError, WalContents};

/// No history file is longer: a promotion makes one line.
const HISTORY_LIMIT_BYTES: u64 = 1 << 20;

/// What the repository holds of the log, and the backups to begin with.
pub(crate) struct KnownWal {
    pub repository: Repository,
    pub archive: Option<WalArchive>,
    pub contents: WalContents,
    /// Completed backups whose whole chain is there, in order of their ids.
    pub backups: Vec<BackupRecord>,
    /// Completed backups whose own archive is there, and whose chain is broken.
    pub broken: Vec<BrokenBackup>,
    pub unreadable: Vec<UnreadableRecord>,
    pub geometry: Option<WalGeometry>,
    histories: BTreeMap<TimelineId, Vec<HistoryEntry>>,
    summaries: Mutex<HashMap<WalSegment, Arc<SegmentSummary>>>,
}

/// A backup that can't be restored, though itself it is sound.
#[derive(Debug, Clone)]
pub(crate) struct BrokenBackup {
    pub record: BackupRecord,
    pub fault: ChainFault,
}

/// The pages of nearly every server's WAL (upstream `XLOG_BLCKSZ`); asked for only where nothing was archived.
const USUAL_BLOCK_BYTES: u32 = 8192;

impl KnownWal {
    /// Lists everything.
    ///
    /// # Errors
    /// Repository, archive and storage errors.
    pub fn look(repository: &Repository) -> Result<Self, Error> {
        let archive = WalArchive::open(repository)?;
        let contents = archive.as_ref().map(WalArchive::contents).transpose()?.unwrap_or_default();
        let found = repository.contents()?;
        let usable = |record: &BackupRecord| {
            record.state == BackupState::Completed
                && !found.without_archive.contains(&record.id)
                && Base::of(record).is_some()
        };
        let (mut backups, mut broken) = (Vec::new(), Vec::new());
        for record in found.records.iter().filter(|record| usable(record)) {
            match found.chain(record) {
                Ok(_) => backups.push(record.clone()),
                Err(fault) => broken.push(BrokenBackup { record: record.clone(), fault }),
            }
        }
        let geometry = match (&archive, backups.last()) {
            (Some(archive), _) => Some(*archive.geometry()),
            (None, Some(backup)) => backup.wal_segment_size.map(|segment_size| WalGeometry {
                version: backup.postgresql_version,
                system_identifier: backup.system_identifier,
                segment_size,
                block_size_bytes: USUAL_BLOCK_BYTES,
            }),
            (None, None) => None,
        };
        let mut known = KnownWal {
            repository: repository.clone(),
            archive,
            contents,
            backups,
            broken,
            unreadable: found.unreadable,
            geometry,
            histories: BTreeMap::new(),
            summaries: Mutex::default(),
        };
        known.histories = known.read_histories()?;
        Ok(known)
    }

    /// Returns every timeline of which something is known.
    pub fn timelines(&self) -> BTreeSet<TimelineId> {
        let archived = self.contents.timelines.keys().copied();
        archived.chain(self.backups.iter().filter_map(|backup| backup.timeline)).collect()
    }

    /// Returns the known descents: those of the archive's history files and of backups'.
    pub fn histories(&self) -> &BTreeMap<TimelineId, Vec<HistoryEntry>> {
        &self.histories
    }

    /// Returns the way to a timeline.
    pub fn path(&self, timeline: TimelineId) -> TimelinePath {
        TimelinePath::new(timeline, self.histories.get(&timeline).map_or(&[], Vec::as_slice))
    }

    /// Tells whether the server will find the history file of a timeline.
    pub fn has_history(&self, timeline: TimelineId) -> bool {
        self.histories.contains_key(&timeline)
    }

    /// Returns a finding for each timeline of unknown descent.
    pub fn missing_histories(&self) -> Vec<WindowFinding> {
        let orphan = |timeline: &TimelineId| timeline.0 > 1 && !self.has_history(*timeline);
        let missing = self.timelines().into_iter().filter(orphan);
        missing.map(|timeline| WindowFinding::WindowHistoryMissing { timeline }).collect()
    }

    /// Returns what an archived segment says of itself; asked for once.
    ///
    /// # Errors
    /// `WalMissing`, `WalDamaged`, storage errors.
    pub fn summary(&self, segment: WalSegment) -> Result<Arc<SegmentSummary>, WalArchiveError> {
        let lock = || self.summaries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&segment) {
            return Ok(known.clone());
        }
        let summary = Arc::new(self.archive()?.summary(segment)?);
        lock().insert(segment, summary.clone());
        Ok(summary)
    }

    /// Returns the archive.
    ///
    /// # Errors
    /// `WalMissing` when nothing was ever archived.
    pub fn archive(&self) -> Result<&WalArchive, WalArchiveError> {
        self.archive.as_ref().ok_or_else(|| WalArchiveError::WalMissing {
            segment: "-".to_owned(),
            storage: self.repository.storage().describe(),
        })
    }

    /// Returns the size of a segment; any, where there is neither WAL nor a backup.
    pub fn segment_size(&self) -> Option<WalSegmentSize> {
        self.geometry.map(|geometry| geometry.segment_size)
    }

    /// Collects the histories of the archive, and where it lacks one, that of a backup taken on the timeline.
    fn read_histories(&self) -> Result<BTreeMap<TimelineId, Vec<HistoryEntry>>, Error> {
        let archived = self.contents.timelines.iter();
        let mut histories: BTreeMap<TimelineId, Vec<HistoryEntry>> =
            archived.filter_map(|(timeline, found)| Some((*timeline, found.history.clone()?))).collect();
        for backup in self.backups.iter().rev() {
            let Some(timeline) = backup.timeline.filter(|timeline| timeline.0 > 1) else { continue };
            if histories.contains_key(&timeline) {
                continue;
            }
            match self.history_in(backup, timeline) {
                Ok(history) => histories.extend(history.map(|history| (timeline, history))),
                // Another backup may have it; if none has, that is told.
                Err(error) if tells_of_damage(&error) || error.lacks_identity() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(histories)
    }

    /// Reads the history file that a backup has of a timeline.
    fn history_in(&self, backup: &BackupRecord, timeline: TimelineId) -> Result<Option<Vec<HistoryEntry>>, Error> {
        let reader = self.repository.open_archive(backup)?;
        let member = format!("pg_wal/{}", history_file_name(timeline));
        let bytes = read_small(&reader, member.as_bytes(), HISTORY_LIMIT_BYTES)?;
        Ok(bytes.map(|bytes| parse_history(&String::from_utf8_lossy(&bytes))).transpose()?)
    }
}

/// Reads a small member of a backup; `None` when it is not there.
pub(super) fn read_small(
    reader: &ArchiveReader,
    path: &[u8],
    limit_bytes: u64,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    for member in reader.members()? {
        let member = member?;
        if member.path == path {
            return Ok(Some(reader.read_member(&member, limit_bytes)?));
        }
    }
    Ok(None)
}

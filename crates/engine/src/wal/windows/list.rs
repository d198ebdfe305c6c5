use super::gaps::{add_gaps, sound_contents};
use super::{Holder, KnownWal, PathLog, Tail, TimelinePath, WindowFinding};
use crate::Error;
use crate::wal::{ReceiverState, receiver_state};
use jiff::Timestamp;
use pgformat::{Lsn, TimelineId};
use serde::Serialize;
use std::collections::BTreeMap;
use vault::archive::ArchiveError;
use vault::repository::{BackupId, BackupRecord, Repository, RepositoryError};
use vault::storage::StorageError;
use vault::wal::{WalArchiveError, WalContents};

/// How often it is looked for what was listed and is gone, before that counts as an error.
const ATTEMPTS: u32 = 3;

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
#[derive(Debug, Clone, PartialEq, Serialize)]
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

/// Finds every restorable interval. Reads the trailer of every sealed segment and the partial ones, and of the segments only those
/// where a backup starts or stops and where the log ends.
///
/// # Errors
/// Repository and storage errors.
pub fn windows(repository: &Repository) -> Result<RestorableWindows, Error> {
    // A cleanup may remove what was listed: then there is another list. What is missing for good is so every time.
    for _ in 1..ATTEMPTS {
        match windows_now(repository) {
            Err(error) if is_gone(&error) => tracing::debug!(%error, "looking once more"),
            found => return found,
        }
    }
    windows_now(repository)
}

fn is_gone(error: &Error) -> bool {
    ["wal-missing", "repository-archive-missing", "storage-missing"].contains(&error.key().as_str())
}

fn windows_now(repository: &Repository) -> Result<RestorableWindows, Error> {
    let known = KnownWal::look(repository)?;
    let (contents, damaged) = sound_contents(&known)?;
    let receiver = receiver_state(repository)?.map(|(state, _)| state);
    let mut drafts: Vec<Draft> = Vec::new();
    let mut gaps = BTreeMap::new();
    let mut unusable = BTreeMap::new();
    for timeline in known.timelines() {
        let path = known.path(timeline);
        add_gaps(&known, &contents, &damaged, &path, &mut gaps)?;
        for window in windows_along(&known, &contents, &path, receiver.as_ref(), &mut unusable)? {
            drafts.push(Draft { window, path: path.clone() });
        }
    }
    let windows = without_repetitions(drafts);
    let held = |id: BackupId| windows.iter().any(|window| window.backups.contains(&id));
    let isolated_backups = known.backups.iter().map(|backup| backup.id).filter(|id| !held(*id)).collect();

    let mut findings: Vec<_> = known.missing_histories().iter().map(WindowFinding::value).collect();
    for (segment, detail) in damaged {
        let segment = known.segment_size().map_or_else(String::new, |size| segment.file_name(size));
        findings.push(WindowFinding::GapSegmentDamaged { segment, detail }.value());
    }
    for unreadable in &known.unreadable {
        let (object, detail) = (unreadable.key.clone(), unreadable.detail.clone());
        findings.push(WindowFinding::WindowBackupUnreadable { object, detail }.value());
    }
    for broken in &known.broken {
        let (id, reason) = (broken.record.id.to_string(), broken.fault.to_string());
        findings.push(WindowFinding::WindowBackupBroken { id, reason }.value());
    }
    for (id, reason) in unusable {
        findings.push(WindowFinding::WindowBackupBroken { id: id.to_string(), reason }.value());
    }
    Ok(RestorableWindows { windows, gaps: gaps.into_values().collect(), isolated_backups, findings })
}

/// A window and the path that it was found on.
struct Draft {
    window: Window,
    path: TimelinePath,
}

/// Returns the windows along one path, in order. A backup whose archive is damaged begins none: it goes into `unusable`, and hides no
/// other.
fn windows_along(
    known: &KnownWal,
    contents: &WalContents,
    path: &TimelinePath,
    receiver: Option<&ReceiverState>,
    unusable: &mut BTreeMap<BackupId, String>,
) -> Result<Vec<Window>, Error> {
    let mut backups: Vec<&BackupRecord> = known.backups.iter().collect();
    backups.sort_by_key(|backup| (backup.stop_lsn, backup.id));
    let mut windows: Vec<Window> = Vec::new();
    for backup in backups {
        let Some(log) = PathLog::new(known, contents, path, backup) else { continue };
        if let Some(window) = windows.last_mut()
            && log.base.stop_lsn <= window.last_lsn
        {
            window.backups.push(backup.id);
            continue;
        }
        // What the backup holds in itself after its end is next to nothing, and its archive need not be opened for it.
        let alone = log.run.first == log.run.last
            && log.coverage.piece(log.run.first).is_none_or(|piece| piece.holder == Holder::Base);
        if alone {
            continue;
        }
        match window_after(&log, receiver) {
            Ok(window) => windows.extend(window),
            Err(error) if tells_of_damage(&error) => {
                unusable.insert(backup.id, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(windows)
}

/// Returns the window that begins with a backup; `None` when nothing follows its end.
fn window_after(log: &PathLog<'_>, receiver: Option<&ReceiverState>) -> Result<Option<Window>, Error> {
    let tail = log.tail()?;
    let follows = tail.end_lsn > log.base.stop_lsn;
    follows.then(|| window_of(log, &tail, receiver)).transpose()
}

/// Tells whether an error is about bytes that are not what they should be, rather than about reading them.
pub(super) fn tells_of_damage(error: &Error) -> bool {
    let of_archive = |error: &ArchiveError| match error {
        ArchiveError::Storage(error) => matches!(error, StorageError::StorageShort { .. }),
        _ => true,
    };
    match error {
        Error::Archive(error) => of_archive(error),
        Error::Repository(RepositoryError::Archive(error)) => of_archive(error),
        Error::Repository(RepositoryError::RepositoryArchiveSize { .. }) | Error::Format(_) => true,
        Error::WalArchive(error) => matches!(error, WalArchiveError::WalDamaged { .. }),
        _ => false,
    }
}

fn window_of(log: &PathLog<'_>, tail: &Tail, receiver: Option<&ReceiverState>) -> Result<Window, Error> {
    let (first_lsn, last_lsn) = (log.base.stop_lsn, tail.end_lsn);
    let times = log.times(tail)?;
    let first_time = log.first_time()?;
    let last_time = times.latest.max(caught_up_at(log, tail, receiver)).unwrap_or(first_time).max(first_time);
    let timelines = log.coverage.path.timelines_between(first_lsn, last_lsn);
    Ok(Window {
        timeline: timelines.last().copied().unwrap_or(log.base.timeline),
        first_backup: log.record.id,
        first_lsn,
        last_lsn,
        first_time,
        last_commit_time: times.last_commit.map(|commit| commit.time),
        last_time,
        backups: vec![log.record.id],
        restore_points: times.points,
    })
}

/// Leaves out windows that are the beginning of another one, on the way to another timeline.
fn without_repetitions(drafts: Vec<Draft>) -> Vec<Window> {
    let begins = |draft: &Draft, other: &Draft| {
        let last = draft.window.last_lsn;
        let shared = |path: &TimelinePath| {
            let parts = path.parts().iter().filter(|part| part.begin_lsn < last);
            parts.map(|part| (part.timeline, part.begin_lsn)).collect::<Vec<_>>()
        };
        draft.window.first_backup == other.window.first_backup
            && last <= other.window.last_lsn
            && shared(&draft.path) == shared(&other.path)
    };
    let repeated = |(place, draft): (usize, &Draft)| {
        let mut others = drafts.iter().enumerate().filter(|(other, _)| *other != place);
        // Of two that are the same the first stays.
        others.any(|(number, other)| begins(draft, other) && (number < place || !begins(other, draft)))
    };
    let keep: Vec<bool> = drafts.iter().enumerate().map(|draft| !repeated(draft)).collect();
    let kept = drafts.into_iter().zip(keep).filter(|(_, keep)| *keep);
    let mut windows: Vec<Window> = kept.map(|(draft, _)| draft.window).collect();
    windows.sort_by_key(|window| (window.timeline, window.first_lsn));
    windows
}

/// Returns the latest instant at which the server's log is known to have held nothing beyond the run.
pub(crate) fn caught_up_at(log: &PathLog<'_>, tail: &Tail, receiver: Option<&ReceiverState>) -> Option<Timestamp> {
    let known = receiver?.caught_up?;
    let size = log.geometry().segment_size;
    // What is durable may end within a record, which then is not in the run.
    let reached = tail.end_lsn >= known.lsn
        || log.run.last == pgformat::WalSegment::ending_at(known.timeline, known.lsn, size).number;
    (known.timeline == log.coverage.path.timeline() && reached).then_some(known.at)
}

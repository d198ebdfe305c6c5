use super::JobDue;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use vault::repository::{BackupId, BackupKind, BackupRecord, BackupState, RepositoryContents};

/// A backup that is so much later than its time is late: it may be running, or about to be tried again.
const LATE_AFTER: SignedDuration = SignedDuration::from_hours(2);

/// A kind of backup: its last one, its next. Logical backups are none of it: the schedule takes physical ones.
#[derive(Debug, Clone, Serialize)]
pub struct KindHealth {
    /// The kind.
    pub kind: BackupKind,
    /// The newest completed one of the kind.
    pub last_id: Option<BackupId>,
    /// When that one began.
    pub last_started_at: Option<Timestamp>,
    /// How long that one took.
    pub last_seconds: Option<f64>,
    /// When the next one is due; `None` without a schedule.
    pub next_due_at: Option<Timestamp>,
    /// Since when one is due that was not taken, once it is late.
    pub late_since: Option<Timestamp>,
}

/// Count and size of one kind's completed backups.
#[derive(Debug, Clone, Serialize)]
pub struct KindTotal {
    /// The kind.
    pub kind: BackupKind,
    /// How many there are.
    pub count: u64,
    /// Bytes of their archives.
    pub archive_bytes: u64,
    /// Bytes before compression.
    pub plain_bytes: u64,
}

fn completed(contents: &RepositoryContents) -> impl Iterator<Item = &BackupRecord> {
    contents.records.iter().filter(|record| record.state == BackupState::Completed)
}

/// Looks at each kind.
pub(super) fn kinds(contents: &RepositoryContents, due: &[JobDue], now: Timestamp) -> Vec<KindHealth> {
    let of_kind = |kind| {
        let of_cluster = completed(contents).filter(|record| record.is_physical());
        let last = of_cluster.filter(|record| record.kind == kind).max_by_key(|record| record.id);
        let due = due.iter().find(|due| due.kind == kind);
        KindHealth {
            kind,
            last_id: last.map(|record| record.id),
            last_started_at: last.map(|record| record.started_at),
            last_seconds: last.and_then(seconds),
            next_due_at: due.and_then(|due| due.next),
            late_since: due.and_then(|due| due.pending).filter(|due| is_late(contents, kind, *due, now)),
        }
    };
    BackupKind::ALL.into_iter().map(of_kind).collect()
}

/// Tells whether the run that was due at `due` is missing. A FULL does for any kind: without a base, it was taken instead.
fn is_late(contents: &RepositoryContents, kind: BackupKind, due: Timestamp, now: Timestamp) -> bool {
    let does = |record: &BackupRecord| {
        record.is_physical()
            && (record.kind == kind || record.kind == BackupKind::Full)
            && (record.started_at >= due || record.scheduled_for == Some(due))
    };
    now.duration_since(due) > LATE_AFTER && !completed(contents).any(does)
}

fn seconds(record: &BackupRecord) -> Option<f64> {
    record.finished_at.map(|finished| finished.duration_since(record.started_at).as_secs_f64())
}

/// Sums up each kind that there is.
pub(super) fn totals(contents: &RepositoryContents) -> Vec<KindTotal> {
    let of_kind = |kind| {
        let records = || completed(contents).filter(move |record| record.kind == kind);
        KindTotal {
            kind,
            count: records().count() as u64,
            archive_bytes: records().map(|record| record.archive_bytes).sum(),
            plain_bytes: records().map(|record| record.plain_bytes).sum(),
        }
    };
    BackupKind::ALL.into_iter().map(of_kind).filter(|total| total.count > 0).collect()
}

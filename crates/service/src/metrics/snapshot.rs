use super::JournalDigest;
use crate::health::RepositoryHealth;
use crate::notify::Matter;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vault::repository::{BackupKind, BackupRecord, BackupState, RepositoryContents};

/// Everything that is known at one moment. What is not known is `None`, or missing.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub taken_at: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// The program's version.
    pub version: String,
    /// The cluster's system identifier.
    pub system_identifier: Option<String>,
    /// The server's major version.
    pub postgresql_version: Option<String>,
    /// The repository; `None` when it can't be looked at.
    pub health: Option<RepositoryHealth>,
    /// Its backups, by kind and state.
    pub backups: Option<BackupSums>,
    /// What the journal adds up to.
    pub journal: Option<JournalDigest>,
    /// What the schedule runs.
    pub jobs: Option<Vec<JobFacts>>,
    /// The seed's tables.
    pub catalog: Option<CatalogFacts>,
    /// Channels of notifications: name, and whether the last message got through.
    pub channels: Option<Vec<(String, bool)>>,
    /// Every problem that there is now.
    pub problems: Vec<Matter>,
}

/// One job of the schedule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobFacts {
    /// Its word: `FULL`, …, `CLEANUP`.
    pub job: String,
    /// When it is due next.
    pub next_due_at: Option<Timestamp>,
    /// Whether it runs now.
    pub running: bool,
}

/// The catalog, as the last synchronization left it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CatalogFacts {
    /// Whether it got through.
    pub up: bool,
    /// The last one that did.
    pub last_success_at: Option<Timestamp>,
    /// Why the last one did not: `{"key": …, arguments}`.
    pub error: Option<Value>,
}

/// Counts, sizes and the newest of backups.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BackupSums {
    /// By kind and state: how many, and bytes of their archives.
    pub sums: Vec<(BackupKind, BackupState, u64, u64)>,
    /// The newest completed physical one of each kind.
    pub last: Vec<LastBackup>,
}

/// The newest completed backup of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct LastBackup {
    /// The kind.
    pub kind: BackupKind,
    /// When it was complete.
    pub finished_at: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// Size of its archive.
    pub archive_bytes: u64,
    /// Bytes before compression.
    pub plain_bytes: u64,
}

impl BackupSums {
    /// Adds up.
    pub fn of(contents: &RepositoryContents) -> Self {
        let mut sums = BackupSums::default();
        for kind in BackupKind::ALL {
            for state in [BackupState::Completed, BackupState::Failed] {
                let records = || contents.records.iter().filter(|record| record.kind == kind && record.state == state);
                let bytes = records().map(|record| record.archive_bytes).sum();
                sums.sums.push((kind, state, records().count() as u64, bytes));
            }
            // Of the cluster: an alert on their age must not be put at rest by a dump.
            let completed = contents
                .records
                .iter()
                .filter(|record| record.kind == kind && record.state == BackupState::Completed && record.is_physical());
            sums.last.extend(completed.max_by_key(|record| record.id).map(LastBackup::of));
        }
        sums
    }
}

impl LastBackup {
    fn of(record: &BackupRecord) -> Self {
        let finished_at = record.finished_at.unwrap_or(record.started_at);
        LastBackup {
            kind: record.kind,
            finished_at,
            seconds: finished_at.duration_since(record.started_at).as_secs_f64(),
            archive_bytes: record.archive_bytes,
            plain_bytes: record.plain_bytes,
        }
    }
}

/// Takes snapshots. May take seconds: it reads the repository and asks the server.
pub trait SnapshotSource: Send + Sync {
    /// Takes one. What can't be found out is left out, and is a problem of its own where it matters.
    fn snapshot(&self) -> Snapshot;
}

/// Keeps a snapshot for a while, so that many who ask cost no more than one.
pub struct SnapshotCache {
    source: Arc<dyn SnapshotSource>,
    keep_for: Duration,
    kept: Mutex<Option<(Instant, Arc<Snapshot>)>>,
}

impl SnapshotCache {
    /// Makes one.
    pub fn new(source: Arc<dyn SnapshotSource>, keep_for: Duration) -> Self {
        SnapshotCache { source, keep_for, kept: Mutex::new(None) }
    }

    /// Returns a snapshot that is not older than `keep_for`. Whoever asks meanwhile waits for the same one.
    pub fn get(&self) -> Arc<Snapshot> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, snapshot)) = kept.as_ref().filter(|(taken, _)| taken.elapsed() < self.keep_for) {
            return Arc::clone(snapshot);
        }
        self.take(&mut kept)
    }

    /// Returns a new snapshot, and keeps that: something has changed.
    pub fn refresh(&self) -> Arc<Snapshot> {
        self.take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, kept: &mut Option<(Instant, Arc<Snapshot>)>) -> Arc<Snapshot> {
        let snapshot = Arc::new(self.source.snapshot());
        *kept = Some((Instant::now(), Arc::clone(&snapshot)));
        snapshot
    }
}

use super::{BackupResult, ServiceSettings};
use engine::backup::{BackupOutcome, BackupRequest, LogicalRequest, run_backup, run_logical};
use engine::{Cancel, Error, Phase, Progress};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use vault::repository::{BackupId, BackupKind};

/// Takes backups: the description's `BackupIncrementalService`.
pub struct BackupService {
    settings: ServiceSettings,
}

impl BackupService {
    /// Makes the service for one cluster and its repository.
    pub fn new(settings: &ServiceSettings) -> Self {
        BackupService { settings: settings.clone() }
    }

    /// Returns what the service works with.
    pub fn settings(&self) -> &ServiceSettings {
        &self.settings
    }

    /// Takes a FULL.
    pub fn full(&self, progress: &dyn Progress, cancel: &Cancel) -> BackupResult {
        self.backup(BackupRequest::FULL, progress, cancel)
    }

    /// Takes what changed since the newest FULL.
    pub fn differential(&self, progress: &dyn Progress, cancel: &Cancel) -> BackupResult {
        self.backup(BackupRequest::of(BackupKind::Differential), progress, cancel)
    }

    /// Takes what changed since the newest backup of any kind.
    pub fn incremental(&self, progress: &dyn Progress, cancel: &Cancel) -> BackupResult {
        self.backup(BackupRequest::of(BackupKind::Incremental), progress, cancel)
    }

    /// Takes a logical FULL: dumps of these databases, or of all when none is named. No other backup stands on it.
    pub fn logical(&self, databases: &[String], progress: &dyn Progress, cancel: &Cancel) -> BackupResult {
        let ServiceSettings { connection, repository, backup, binaries, .. } = &self.settings;
        let request = LogicalRequest { databases: databases.to_vec(), search: binaries.clone() };
        Self::result_of(BackupKind::Full, progress, |watched| {
            run_logical(connection, repository, &request, backup, watched, cancel)
        })
    }

    /// Takes a backup; see [`engine::backup::run_backup`]. Whether it succeeded, the result says.
    pub fn backup(&self, request: BackupRequest, progress: &dyn Progress, cancel: &Cancel) -> BackupResult {
        let ServiceSettings { connection, repository, backup, .. } = &self.settings;
        Self::result_of(request.kind, progress, |watched| {
            run_backup(connection, repository, request, backup, watched, cancel)
        })
    }

    fn result_of(
        kind: BackupKind,
        progress: &dyn Progress,
        take: impl FnOnce(&dyn Progress) -> Result<BackupOutcome, Error>,
    ) -> BackupResult {
        let begin = Instant::now();
        let watched = Watched { progress, id: AtomicU64::new(0) };
        match take(&watched) {
            Ok(outcome) => BackupResult::completed(outcome.record, outcome.seconds),
            Err(error) => {
                let id = Some(watched.id.into_inner()).filter(|id| *id > 0).map(BackupId);
                BackupResult::failed(kind, id, begin.elapsed().as_secs_f64(), error)
            }
        }
    }
}

/// Passes progress on, and keeps the id that was reserved.
struct Watched<'a> {
    progress: &'a dyn Progress,
    id: AtomicU64,
}

impl Progress for Watched<'_> {
    fn phase(&self, phase: Phase, total_bytes: Option<u64>) {
        self.progress.phase(phase, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn reserved(&self, id: u64, name: &str) {
        self.id.store(id, Ordering::Relaxed);
        self.progress.reserved(id, name);
    }
}

use super::DaemonLock;
use crate::scheduler::{Job, Run, RunFailure, RunNote, RunSummary, Runner};
use engine::backup::{BackupOptions, BackupRequest, run_backup};
use engine::cluster::ConnectionSettings;
use engine::{Cancel, Phase, Progress};
use vault::repository::{BackupKind, Repository};
use vault::storage::StorageError;

/// What the daemon does beside taking backups and receiving WAL. Called from the scheduler's thread, one at a time.
pub trait DaemonHooks: Send + Sync {
    /// Validates what is due to be validated.
    ///
    /// # Errors
    /// [`RunFailure`].
    fn validate(&self, run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure>;

    /// Removes what is due to be removed.
    ///
    /// # Errors
    /// [`RunFailure`].
    fn cleanup(&self, run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure>;

    /// Restores into a throw-away cluster, and looks at it.
    ///
    /// # Errors
    /// [`RunFailure`].
    fn drill(&self, run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure>;

    /// Is told that a backup has its id and name: others may see that it is under way. It must not fail.
    fn backup_began(&self, _id: u64, _name: &str) {}

    /// Is told how a run ended: the place for what follows a backup. It must not fail, and should not take long.
    fn after_run(&self, _run: &Run, _result: &Result<RunSummary, RunFailure>) {}
}

/// Does what the schedule says, for real.
pub(super) struct JobRunner<'a> {
    pub connection: &'a ConnectionSettings,
    pub repository: &'a Repository,
    pub backups: &'a BackupOptions,
    pub hooks: &'a dyn DaemonHooks,
    pub lock: &'a DaemonLock,
}

impl Runner for JobRunner<'_> {
    fn run(&self, run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        // One that was paused wakes up to what was due meanwhile: that is the other daemon's work by now.
        if let Err(error) = self.lock.confirm() {
            let value = serde_json::to_value(&error).unwrap_or_default();
            return Err(match error {
                StorageError::StorageLockLost { .. } => RunFailure::Busy(value),
                _ => RunFailure::Failed(value),
            });
        }
        let result = match run.job {
            Job::Full => self.back_up(BackupKind::Full, run, cancel),
            Job::Differential => self.back_up(BackupKind::Differential, run, cancel),
            Job::Incremental => self.back_up(BackupKind::Incremental, run, cancel),
            Job::Validate => self.hooks.validate(run, cancel),
            Job::Cleanup => self.hooks.cleanup(run, cancel),
            Job::Drill => self.hooks.drill(run, cancel),
        };
        self.hooks.after_run(run, &result);
        result
    }
}

impl JobRunner<'_> {
    fn back_up(&self, kind: BackupKind, run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        let request = BackupRequest { scheduled_for: Some(run.due_at), ..BackupRequest::of(kind) };
        let outcome = run_backup(self.connection, self.repository, request, self.backups, &Began(self.hooks), cancel)?;
        Ok(RunSummary::fine(&RunNote::of_backup(&outcome.record)))
    }
}

/// Tells the hooks when a backup has begun; nobody watches its progress.
struct Began<'a>(&'a dyn DaemonHooks);

impl Progress for Began<'_> {
    fn phase(&self, _phase: Phase, _total_bytes: Option<u64>) {}

    fn advance(&self, _bytes: u64) {}

    fn reserved(&self, id: u64, name: &str) {
        self.0.backup_began(id, name);
    }
}

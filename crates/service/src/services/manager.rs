use super::{
    BackupResult, BackupService, DatabaseResult, RestorePoint, RestoreService, ServiceSettings, SpaceUsage,
    StatusSummary, TotalStatistics, TypeStatistics, UsedSpace,
};
use crate::health::{HealthQuestion, RepositoryHealth, health};
use crate::scheduler::{
    Job, JobTime, JobView, Memory, Rule, Rules, Schedule, ScheduleError, set_rule, stored_rules, view,
};
use engine::backup::BackupRequest;
use engine::restore::{RecoveryTarget, RestoreSelector};
use engine::verify::{DueRound, DueValidations, validate_due};
use engine::{Cancel, Error, Progress};
use jiff::Timestamp;
use std::time::Duration;
use vault::repository::{BackupId, BackupKind, BackupState, RepositoryContents};

/// Stands above backups, restores and the schedule: the description's `BackupManager`.
pub struct BackupManager {
    settings: ServiceSettings,
    backups: BackupService,
}

impl BackupManager {
    /// Makes the manager of one cluster's backups.
    pub fn new(settings: &ServiceSettings) -> Self {
        BackupManager { settings: settings.clone(), backups: BackupService::new(settings) }
    }

    /// Returns the service that takes backups.
    pub fn backups(&self) -> &BackupService {
        &self.backups
    }

    /// Takes a backup of a kind now.
    pub fn run_backup(&self, kind: BackupKind, progress: &dyn Progress, cancel: &Cancel) -> BackupResult {
        self.backups.backup(BackupRequest::of(kind), progress, cancel)
    }

    /// Restores the connection's own database, as it was at the end of a backup, into the live server under a new name: the
    /// description's `restore_from_backup_id(123, 'nexoryn_tech_restaurado')`. The other databases are not touched.
    pub fn restore_from_backup_id(
        &self,
        id: BackupId,
        name: &str,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> DatabaseResult {
        let restores = RestoreService::new(&self.backups);
        let selector = RestoreSelector::Backup(id);
        restores.restore_database(selector, RecoveryTarget::BackupEnd, None, name, progress, cancel)
    }

    /// Validates every completed backup, the never validated first, and enters each outcome into the journal.
    ///
    /// # Errors
    /// Those of [`validate_due`].
    pub fn validate_all(&self, progress: &dyn Progress, cancel: &Cancel) -> Result<DueRound, Error> {
        // Nothing is too fresh, and there is no limit of time.
        let all = DueValidations { again_after: Duration::ZERO, budget: None, ..self.settings.validation.clone() };
        validate_due(&self.settings.repository, &all, Timestamp::MAX, progress, cancel)
    }

    /// Says when a job runs: the description's `set_schedule('FULL', day=1, hour=0, minute=0)`. A running daemon takes it up within
    /// seconds.
    ///
    /// # Errors
    /// `ScheduleTime`, `ScheduleDays` for a time that there is not; `ScheduleBusy`, `ScheduleUnreadable`; storage errors.
    pub fn set_schedule(&self, job: Job, time: JobTime) -> Result<(), ScheduleError> {
        set_rule(&self.settings.repository, job, Some(&Rule::at(time)?))
    }

    /// Shows each job of the schedule with its next due times, as a daemon without a configuration file keeps it.
    ///
    /// # Errors
    /// `ScheduleUnreadable`; storage errors.
    pub fn schedule(&self, next: usize) -> Result<Vec<JobView>, ScheduleError> {
        let repository = &self.settings.repository;
        let zone = self.settings.backup.time_zone.clone();
        let schedule = Schedule::of(&Rules::new(), &stored_rules(repository)?, zone)?;
        Ok(view(&schedule, Memory::read(repository)?.as_ref(), Timestamp::now(), next))
    }

    /// Sums up: statistics, space, restore points, what needs attention. The server is asked about its slot if it can be.
    ///
    /// # Errors
    /// Those of the repository.
    pub fn get_status_summary(&self) -> Result<StatusSummary, Error> {
        let contents = self.settings.repository.contents()?;
        let health = health(&HealthQuestion {
            repository: &self.settings.repository,
            connection: Some(&self.settings.connection),
            slot: &self.settings.slot,
            max_slot_retained_bytes: None,
            due: &[],
            now: Timestamp::now(),
            cancelled: &|| false,
        })?;
        Ok(StatusSummary {
            statistics: statistics(&health),
            space: space(&health),
            restore_points: restore_points(&health, &contents),
            attention: health.attention.iter().map(|one| serde_json::to_value(one).unwrap_or_default()).collect(),
        })
    }
}

fn statistics(health: &RepositoryHealth) -> TypeStatistics {
    let of = |total: &crate::health::KindTotal| {
        (total.kind.word().to_owned(), TotalStatistics::of(total.count, total.archive_bytes))
    };
    TypeStatistics {
        by_kind: health.totals.iter().map(of).collect(),
        total: TotalStatistics::of(
            health.totals.iter().map(|total| total.count).sum(),
            health.totals.iter().map(|total| total.archive_bytes).sum(),
        ),
    }
}

fn space(health: &RepositoryHealth) -> SpaceUsage {
    let kinds = health.totals.iter().map(|total| (total.kind.word().to_owned(), total.archive_bytes.into()));
    SpaceUsage {
        by_kind: kinds.chain([("WAL".to_owned(), UsedSpace::from(health.space.wal_bytes))]).collect(),
        total: health.space.total_bytes.into(),
        free: health.space.free_bytes.map(UsedSpace::from),
    }
}

fn restore_points(health: &RepositoryHealth, contents: &RepositoryContents) -> Vec<RestorePoint> {
    let completed = contents.records.iter().rev().filter(|record| record.state == BackupState::Completed);
    let point = |record: &vault::repository::BackupRecord| {
        let window = health.wal.windows.windows.iter().filter(|window| window.backups.contains(&record.id));
        Some(RestorePoint {
            at: record.finished_at?,
            until: window.map(|window| window.last_time).max(),
            backup_id: record.id,
            // What stands on something that is missing is no point to restore to.
            backup_count: contents.chain(record).ok()?.len(),
        })
    };
    // Dumps restore one database each, to their own instant only.
    let of_cluster = completed.filter(|record| record.is_physical());
    of_cluster.filter(|record| !contents.without_archive.contains(&record.id)).filter_map(point).collect()
}

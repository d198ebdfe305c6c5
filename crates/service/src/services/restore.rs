use super::results::mebibytes;
use super::{
    BackupService, ChainCheck, ChainValidation, DatabaseResult, PreviewedBackup, RestorePreview, RestoreResult,
    ServiceSettings,
};
use engine::cluster::Connection;
use engine::restore::{
    DatabasePlan, DatabaseRequest, DumpParts, RecoveryRequest, RecoveryTarget, RestorePlan, RestoreRequest,
    RestoreSelector, StartRequest, StartedServer, ThrowAwayPlace, ThrowAwayRequest, WalDelivery, apply, plan,
    restore_database, start,
};
use engine::verify::validate_recorded;
use engine::{Cancel, Error, Progress};
use jiff::{Timestamp, Zoned};
use pgformat::Lsn;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vault::repository::{BackupId, BackupRecord};

/// Recovery takes about as long as what it replays took to happen; this is a bound for what hangs.
const START_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Restores clusters: the description's `RestoreService`.
pub struct RestoreService {
    settings: ServiceSettings,
}

/// Where a cluster is restored to.
#[derive(Debug, Clone)]
pub struct RestoreInto {
    /// The new data directory: absolute, and absent or empty.
    pub directory: PathBuf,
    /// `OLD=NEW` for each tablespace: its name, OID or old directory, and the new one.
    pub tablespaces: Vec<(String, PathBuf)>,
    /// The user who is to own the files, when we are root.
    pub owner: Option<String>,
    /// Whether and where it is started.
    pub start: Option<StartAt>,
}

/// Where a restored cluster answers.
#[derive(Debug, Clone)]
pub struct StartAt {
    /// The port.
    pub port: u16,
    /// The folder of its socket; `None`: where its configuration says.
    pub socket_folder: Option<PathBuf>,
}

impl RestoreInto {
    /// Restores into a directory; nothing is started.
    pub fn directory(directory: impl Into<PathBuf>) -> Self {
        RestoreInto { directory: directory.into(), tablespaces: Vec::new(), owner: None, start: None }
    }

    /// Starts the restored cluster on a port, and waits until it has recovered.
    #[must_use]
    pub fn started_at(mut self, port: u16) -> Self {
        self.start = Some(StartAt { port, socket_folder: None });
        self
    }
}

impl RestoreService {
    /// Makes the service for the cluster and the repository of a backup service.
    pub fn new(backups: &BackupService) -> Self {
        RestoreService { settings: backups.settings().clone() }
    }

    /// Restores the whole cluster as it was at an instant: every transaction that had committed by then, and nothing else.
    pub fn restore_to_date(
        &self,
        target: Timestamp,
        into: &RestoreInto,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> RestoreResult {
        self.restore(RestoreSelector::Latest, RecoveryTarget::Time(target), into, progress, cancel)
    }

    /// Restores the whole cluster as it was at the end of a backup.
    pub fn restore_backup(
        &self,
        id: BackupId,
        into: &RestoreInto,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> RestoreResult {
        self.restore(RestoreSelector::Backup(id), RecoveryTarget::BackupEnd, into, progress, cancel)
    }

    /// Restores to any target; see [`engine::restore`].
    pub fn restore(
        &self,
        selector: RestoreSelector,
        target: RecoveryTarget,
        into: &RestoreInto,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> RestoreResult {
        let begin = Instant::now();
        let mut applied = Vec::new();
        let done = self.carry_out(selector, target, into, &mut applied, progress, cancel);
        let (end_lsn, message, error) = match done {
            Ok(end_lsn) => {
                let count = applied.len();
                let message = format!("restored from {count} backups into {}", into.directory.display());
                (end_lsn, message, None)
            }
            Err(error) => (None, error.to_string(), Some(error)),
        };
        RestoreResult {
            succeeded: error.is_none(),
            message,
            backups_applied: applied,
            seconds: begin.elapsed().as_secs_f64(),
            end_lsn,
            directory: into.directory.clone(),
            port: into.start.as_ref().filter(|_| error.is_none()).map(|start| start.port),
            error,
        }
    }

    /// Restores one database, as it was at a target, into the live server under a new name; see
    /// [`engine::restore::restore_database`]. `None` takes the database that the service's connection reaches.
    pub fn restore_database(
        &self,
        selector: RestoreSelector,
        target: RecoveryTarget,
        database: Option<&str>,
        name: &str,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> DatabaseResult {
        let begin = Instant::now();
        let done = self.database_request(selector, target, database, name).and_then(|request| {
            let plan = DatabasePlan::make(&self.settings.repository, &request)?;
            restore_database(&self.settings.repository, plan, &request, progress, cancel)
        });
        DatabaseResult::of(name, done, begin.elapsed().as_secs_f64())
    }

    fn database_request(
        &self,
        selector: RestoreSelector,
        target: RecoveryTarget,
        database: Option<&str>,
        name: &str,
    ) -> Result<DatabaseRequest, Error> {
        let settings = &self.settings;
        let database = match database {
            Some(database) => database.to_owned(),
            None => Connection::connect(&settings.connection)?.database(),
        };
        let folder = &settings.work_folder;
        Ok(DatabaseRequest {
            database,
            name: name.to_owned(),
            into: settings.connection.clone(),
            throw_away: ThrowAwayRequest {
                database: None,
                selector,
                recovery: RecoveryRequest { target, delivery: WalDelivery::Stage, ..RecoveryRequest::default() },
                place: ThrowAwayPlace { work_folder: folder.clone(), registry: folder.clone() },
                owner: None,
                search: settings.binaries.clone(),
                jobs: settings.backup.jobs,
                port: None,
                users: Vec::new(),
                read_only: false,
                wait: START_WAIT,
            },
            parts: DumpParts::All,
            tables: Vec::new(),
            schemas: Vec::new(),
            replace: false,
            drop_old: false,
            create_roles: false,
            no_owner: false,
            no_privileges: false,
            no_tablespaces: false,
            now: Zoned::now().with_time_zone(settings.backup.time_zone.clone()),
        })
    }

    /// Says what a restore to an instant would apply; nothing is written.
    ///
    /// # Errors
    /// Those of [`engine::restore::plan`]: an instant that can't be reached, with the nearest that can.
    pub fn preview_restore(&self, target: Timestamp) -> Result<RestorePreview, Error> {
        let plan = self.plan(RestoreSelector::Latest, RecoveryTarget::Time(target), None)?;
        Ok(RestorePreview {
            backup_count: plan.backups.len(),
            total_mb: mebibytes(plan.archive_bytes),
            written_mb: mebibytes(plan.plain_bytes),
            backups: plan.backups.iter().map(PreviewedBackup::of).collect(),
            end_lsn: end_of(&plan),
            wal_segments: plan.recovery.as_ref().map_or(0, |recovery| recovery.segments),
        })
    }

    /// Validates a backup and all that it stands on, and enters each outcome into the journal: that the chain holds together, that
    /// each archive is there with its size, that its SHA-256 is the recorded one.
    ///
    /// # Errors
    /// Those of the repository, when it can't be read or has no such backup; `cancelled`. Damage is an answer, not an error.
    pub fn validate_backup_chain(
        &self,
        id: BackupId,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<ChainValidation, Error> {
        let repository = &self.settings.repository;
        let tip = repository.record(id)?;
        let mut checks = Vec::new();
        let mut add = |kind, backup_id, outcome: Result<String, String>| {
            let valid = outcome.is_ok();
            checks.push(ChainCheck { kind, backup_id, valid, message: outcome.unwrap_or_else(|message| message) });
        };
        let chain = repository.chain(id);
        let together = match &chain {
            Ok(links) => Ok(format!("{} backups stand on one another", links.len())),
            Err(error) => Err(error.to_string()),
        };
        add("CADENA", id, together);
        for record in chain.unwrap_or_else(|_| vec![tip]) {
            let present = repository.open_archive_object(&record).map_err(|error| error.to_string());
            let is_present = present.is_ok();
            add(
                "ARCHIVO",
                record.id,
                present.map(|object| format!("{}: {} bytes", record.archive_name, object.size_bytes())),
            );
            if is_present {
                add("CHECKSUM", record.id, self.check_archive(&record, progress, cancel)?);
            }
        }
        Ok(ChainValidation { valid: checks.iter().all(|check| check.valid), checks })
    }

    /// Returns the archive's SHA-256, or what is wrong with it.
    fn check_archive(
        &self,
        record: &BackupRecord,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Result<String, String>, Error> {
        let due = &self.settings.validation;
        let repository = &self.settings.repository;
        match validate_recorded(repository, record, &due.request(), &due.by, progress, cancel) {
            Ok(report) if report.is_valid() => Ok(Ok(format!("SHA-256 {}", report.sha256_found.unwrap_or_default()))),
            Ok(report) => {
                let text =
                    |what: &serde_json::Value| what["message"].as_str().map_or_else(|| what.to_string(), str::to_owned);
                let found: Vec<String> = report.findings.iter().map(|finding| text(&finding.what)).collect();
                Ok(Err(found.join("; ")))
            }
            Err(error) if error.is_cancelled() => Err(error),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn plan(
        &self,
        selector: RestoreSelector,
        target: RecoveryTarget,
        into: Option<&RestoreInto>,
    ) -> Result<RestorePlan, Error> {
        let request = RestoreRequest {
            selector,
            target: into.map(|into| into.directory.clone()),
            tablespaces: into.map(|into| into.tablespaces.clone()).unwrap_or_default(),
            owner: into.and_then(|into| into.owner.clone()),
            jobs: self.settings.backup.jobs,
            over: false,
            // A library is no program that the server could call for its WAL.
            recovery: RecoveryRequest { target, delivery: WalDelivery::Stage, ..RecoveryRequest::default() },
        };
        plan(&self.settings.repository, &request)
    }

    fn carry_out(
        &self,
        selector: RestoreSelector,
        target: RecoveryTarget,
        into: &RestoreInto,
        applied: &mut Vec<BackupId>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Option<Lsn>, Error> {
        let plan = self.plan(selector, target, Some(into))?;
        if let (Some(_), Some(newest)) = (&into.start, plan.backups.last()) {
            // Found out now rather than after an hour of writing.
            self.settings.binaries.find(newest.postgresql_version)?;
        }
        apply(&self.settings.repository, &plan, progress, cancel)?;
        applied.extend(plan.backups.iter().map(|record| record.id));
        let started = into.start.as_ref().map(|at| self.start(at, into, &plan, progress, cancel)).transpose()?;
        Ok(started.and_then(|started| started.recovered_lsn).or_else(|| end_of(&plan)))
    }

    fn start(
        &self,
        at: &StartAt,
        into: &RestoreInto,
        plan: &RestorePlan,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<StartedServer, Error> {
        let request = StartRequest {
            data_directory: into.directory.clone(),
            port: at.port,
            socket_folder: at.socket_folder.clone(),
            owner: into.owner.clone(),
            search: self.settings.binaries.clone(),
            wait: START_WAIT,
            recovery: plan.recovery.clone(),
        };
        start(&request, progress, cancel)
    }
}

/// Returns where recovery will end.
fn end_of(plan: &RestorePlan) -> Option<Lsn> {
    let of_backup = || plan.backups.last().and_then(|newest| newest.stop_lsn);
    plan.recovery.as_ref().map(|recovery| recovery.stop_lsn).or_else(of_backup)
}

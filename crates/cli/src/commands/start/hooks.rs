use crate::app::Session;
use crate::commands::catalog_hook::{CatalogHook, ask_for_policy, tell};
use crate::commands::drill::hold;
use crate::commands::monitoring::{CatalogMemo, note_catalog};
use crate::failure::Failure;
use cadena::daemon::DaemonHooks;
use cadena::replica::ReplicaPolicies;
use cadena::repository::Repository;
use cadena::retention::{PolicyChoice, RetentionError, apply, settle_policy};
use cadena::scheduler::{Run, RunFailure, RunNote, RunSummary};
use cadena::verify::{ValidationReport, validate_due};
use cadena::{Cancel, SilentProgress};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the daemon runs beside backups.
pub struct Hooks<'a> {
    pub session: &'a Session,
    pub repository: Repository,
    /// What the metrics say of the catalog.
    pub catalog: &'a CatalogMemo,
    /// Whether the catalog may be behind the repository.
    pub catalog_is_behind: AtomicBool,
}

/// How often a database that was away is tried again.
const CATCH_UP_EVERY: Duration = Duration::from_secs(15);
/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// What keeps a machine from holding drills.
const NO_DRILL_HERE: [&str; 7] = [
    "cluster-binary-missing",
    "cluster-no-user",
    "encryption-identity-missing",
    "restore-no-space",
    "restore-no-inodes",
    "repository-empty",
    "throw-away-folder",
];

/// Lets everybody else go first. Where that can't be had, the drill is as important as others.
fn be_nice() {
    #[cfg(unix)]
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "the drill runs as others do");
    }
}

impl Hooks<'_> {
    /// Brings the catalog up to date until `has_ended`: at the start, since a daemon that was killed may have left it behind, and when
    /// the database is back after a run that could not tell it.
    pub fn keep_catalog(&self, has_ended: &AtomicBool) {
        let mut tried: Option<Instant> = None;
        while !has_ended.load(Ordering::Relaxed) {
            let is_time = tried.is_none_or(|tried| tried.elapsed() >= CATCH_UP_EVERY);
            if is_time && self.catalog_is_behind.swap(false, Ordering::Relaxed) {
                tried = Some(Instant::now());
                let result = CatalogHook::expecting(self.session, &self.repository).sync();
                note_catalog(self.catalog, result.as_ref().map(Option::is_some));
                if let Err(failure) = result {
                    self.catalog_is_behind.store(true, Ordering::Relaxed);
                    tracing::debug!(error = failure.english(), "the catalog is still behind");
                }
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl DaemonHooks for Hooks<'_> {
    fn validate(&self, _run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        let settings = &self.session.settings;
        let due = settings.validation.due(settings.jobs, &settings.binaries, self.session.who());
        let round = validate_due(&self.repository, &due, Timestamp::now(), &SilentProgress, cancel)?;
        let is_damaged =
            |outcome: &Result<ValidationReport, cadena::Error>| !outcome.as_ref().is_ok_and(ValidationReport::is_valid);
        let damaged = round.outcomes.iter().filter(|(_, outcome)| is_damaged(outcome)).count();
        let note = RunNote::RunNoteValidated { count: round.outcomes.len() as u64, damaged: damaged as u64 };
        Ok(RunSummary { has_faults: damaged > 0, ..RunSummary::fine(&note) })
    }

    fn cleanup(&self, _run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        let session = self.session;
        let catalog = ask_for_policy(session).map_err(|failure| failed(&failure))?;
        let now = Zoned::new(Timestamp::now(), session.zone().clone());
        let file = session.settings.retention.as_ref();
        let choice = settle_policy(&self.repository, &catalog, file, Some(now.timestamp()))?;
        let plan = apply(&self.repository, &choice, &now, cancel)?.plan;
        let count = plan.backups.iter().filter(|verdict| !verdict.stays).count() as u64;
        let note = RunNote::RunNoteCleaned { count, freed_bytes: plan.freed_bytes + plan.wal.bytes };
        let has_faults = plan.findings.iter().any(|finding| finding.needs_a_look());
        Ok(RunSummary { has_faults, ..RunSummary::fine(&note) })
    }

    fn drill(&self, _run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        // In a thread of its own, whose children and workers take over how little it is in a hurry.
        let held = std::thread::scope(|scope| {
            let held = scope.spawn(|| {
                be_nice();
                hold(self.session, &self.repository, &SilentProgress, cancel)
            });
            held.join()
        });
        let Ok(held) = held else {
            return Err(RunFailure::Failed(json!({ "key": "daemon-part-died", "part": "drill" })));
        };
        match held {
            Ok((report, object)) => {
                let (result, rto_seconds) = (report.result.word().to_owned(), report.times.rto_seconds);
                let note = RunNote::RunNoteDrilled { result, rto_seconds, report: object };
                Ok(RunSummary { has_faults: !report.is_proved(), ..RunSummary::fine(&note) })
            }
            Err(failure) if failure.key() == "cancelled" => Err(RunFailure::Stopped),
            // What this machine lacks says nothing of the backups; it is told, and no reason to try all day.
            Err(failure) if NO_DRILL_HERE.contains(&failure.key()) => {
                Ok(RunSummary::fine(&RunNote::RunNoteNoDrill { error: failure.value() }))
            }
            Err(failure) => Err(failed(&failure)),
        }
    }

    fn backup_began(&self, _id: u64, _name: &str) {
        // What keeps it from being entered now is told when the run has ended, if it is still so.
        if let Err(failure) = CatalogHook::new(self.session, &self.repository).sync() {
            tracing::debug!(error = failure.english(), "the running backup is not in the catalog");
        }
    }

    fn after_run(&self, _run: &Run, _result: &Result<RunSummary, RunFailure>) {
        let result = CatalogHook::new(self.session, &self.repository).sync();
        note_catalog(self.catalog, result.as_ref().map(Option::is_some));
        match &result {
            Ok(Some(_)) => {}
            // Without a server nobody knows whether there is a catalog.
            Ok(None) => self.catalog_is_behind.store(true, Ordering::Relaxed),
            Err(failure) => {
                self.catalog_is_behind.store(true, Ordering::Relaxed);
                tell(self.session, failure);
            }
        }
    }
}

/// What replicas ask for.
pub struct Policies<'a> {
    pub session: &'a Session,
    pub repository: Repository,
    /// Set when copies have come or gone.
    pub catalog_is_behind: &'a AtomicBool,
}

impl ReplicaPolicies for Policies<'_> {
    fn repository_policy(&self) -> Result<PolicyChoice, cadena::Error> {
        let file = self.session.settings.retention.as_ref();
        match ask_for_policy(self.session) {
            Ok(catalog) => settle_policy(&self.repository, &catalog, file, None),
            Err(failure) => Err(RetentionError::RetentionUnknown { detail: failure.english().to_owned() }.into()),
        }
    }

    fn zone(&self) -> TimeZone {
        self.session.zone().clone()
    }

    fn copies_changed(&self) {
        self.catalog_is_behind.store(true, Ordering::Relaxed);
    }
}

fn failed(failure: &Failure) -> RunFailure {
    let mut value = serde_json::Value::Object(failure.arguments().clone());
    value["key"] = failure.key().into();
    value["message"] = failure.english().into();
    RunFailure::Failed(value)
}

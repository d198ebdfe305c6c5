//! What the journal adds up to: read once, then only what is new.

use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use vault::journal::{Journal, JournalError, JournalEvent};
use vault::repository::{BackupMethod, Repository};

/// Where the journal lies; a listing tells whether anything was written since.
const EVENTS_PREFIX: &str = "events/";
/// Jobs whose failures the events of their backups tell.
const BACKUP_JOBS: [&str; 3] = ["FULL", "DIFERENCIAL", "INCREMENTAL"];

/// What a logical FULL is called among the kinds of backup.
pub(crate) const LOGICAL: &str = "LOGICAL";

/// The last failure of something that has not gone well since.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// Why: `{"key": …, arguments}`.
    pub error: Value,
}

/// Counts and last times of the journal's events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JournalDigest {
    /// Attempts at backups: by kind, or `LOGICAL`, and outcome (`completed`, `failed`).
    pub attempts: BTreeMap<(String, &'static str), u64>,
    /// Validations by result, in the seed's words.
    pub validations: BTreeMap<String, u64>,
    /// The last validation: when, and its result.
    pub last_validation: Option<(Timestamp, String)>,
    /// Runs of the schedule: by job and outcome (`finished`, `faults`, `unneeded`, `failed`, `missed`).
    pub runs: BTreeMap<(String, &'static str), u64>,
    /// The last run of each job that came to its end.
    pub last_run: BTreeMap<String, Timestamp>,
    /// The last removal of what the policy no longer keeps.
    pub last_cleanup: Option<Timestamp>,
    failing_backups: BTreeMap<String, Failure>,
    failing_jobs: BTreeMap<String, Failure>,
}

impl JournalDigest {
    /// Returns the kinds of backup, and `LOGICAL`, whose last attempt failed.
    pub fn failing_backups(&self) -> &BTreeMap<String, Failure> {
        &self.failing_backups
    }

    /// Returns the other jobs whose last run failed.
    pub fn failing_jobs(&self) -> &BTreeMap<String, Failure> {
        &self.failing_jobs
    }

    /// Tells whether the journal knows of any attempt at a backup.
    pub fn has_backups(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// Adds one event.
    pub fn add(&mut self, event: &JournalEvent) {
        let text = |name: &str| event.details.get(name).and_then(Value::as_str).map(str::to_owned);
        let failure = || Failure { at: event.at, error: event.details.get("error").cloned().unwrap_or(Value::Null) };
        // A dump does for nothing that is due, and a backup of the cluster for no dump.
        let kind = if text("method").as_deref() == Some(BackupMethod::Logical.word()) {
            Some(LOGICAL.to_owned())
        } else {
            text("kind")
        };
        if let (Some(outcome), Some(kind)) = (attempt_outcome(&event.event), kind) {
            *self.attempts.entry((kind.clone(), outcome)).or_default() += 1;
            if outcome == "failed" {
                self.failing_backups.insert(kind, failure());
            } else {
                // One that was taken instead of another does for it.
                self.failing_backups.remove(&kind);
                if kind == "FULL" {
                    self.failing_backups.retain(|kind, _| kind == LOGICAL);
                }
            }
            return;
        }
        if let (Some(outcome), Some(job)) = (run_outcome(&event.event), text("job")) {
            *self.runs.entry((job.clone(), outcome)).or_default() += 1;
            if outcome == "failed" {
                if !BACKUP_JOBS.contains(&job.as_str()) {
                    self.failing_jobs.insert(job, failure());
                }
            } else if outcome != "missed" {
                self.failing_jobs.remove(&job);
                self.last_run.insert(job, event.at);
            }
            return;
        }
        match event.event.as_str() {
            "validation" => {
                let result = text("result").unwrap_or_default();
                *self.validations.entry(result.clone()).or_default() += 1;
                self.last_validation = Some((event.at, result));
            }
            "cleanup-finished" => self.last_cleanup = Some(event.at),
            _ => {}
        }
    }
}

fn attempt_outcome(event: &str) -> Option<&'static str> {
    match event {
        "backup-completed" => Some("completed"),
        "backup-failed" => Some("failed"),
        _ => None,
    }
}

fn run_outcome(event: &str) -> Option<&'static str> {
    match event {
        "run-finished" => Some("finished"),
        "run-found-faults" => Some("faults"),
        "run-unneeded" => Some("unneeded"),
        "run-failed" => Some("failed"),
        "run-missed" => Some("missed"),
        _ => None,
    }
}

/// Follows a journal.
#[derive(Debug, Default)]
pub struct JournalFollower {
    digest: JournalDigest,
    last_id: u64,
    /// Keys and sizes of the files when they were last read.
    seen: Vec<(String, u64)>,
}

impl JournalFollower {
    /// Reads what is new and returns it; the first time, that is everything.
    ///
    /// # Errors
    /// Those of the storage. What was not read is read the next time.
    pub fn follow(&mut self, repository: &Repository) -> Result<Vec<JournalEvent>, JournalError> {
        // Before the reading: what is written meanwhile is found the next time, if not now.
        let listed = repository.storage().list(EVENTS_PREFIX)?;
        let now: Vec<_> = listed.into_iter().map(|object| (object.key, object.size_bytes)).collect();
        if now == self.seen {
            return Ok(Vec::new());
        }
        let events = Journal::of(repository).read_after(self.last_id)?.events;
        for event in &events {
            self.digest.add(event);
            self.last_id = self.last_id.max(event.id);
        }
        self.seen = now;
        Ok(events)
    }

    /// Returns what all of it adds up to.
    pub fn digest(&self) -> &JournalDigest {
        &self.digest
    }

    /// Returns the id of the last event that was read.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }
}

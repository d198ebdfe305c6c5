use super::Job;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use vault::journal::EventLevel;
use vault::repository::{BackupKind, BackupRecord};

/// Something that the scheduler did or saw. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum SchedulerEvent {
    /// A run was due while nobody watched the clock, or was cut off: it is made up now, once.
    RunMissed { job: Job, due_at: Timestamp },
    /// A run had not been done when the next one of the same job fell due: only that one will be.
    RunReplaced { job: Job, due_at: Timestamp, next_at: Timestamp },
    /// A run begins.
    RunStarted { job: Job, due_at: Timestamp },
    /// It did what it was to do.
    RunFinished { job: Job, due_at: Timestamp, seconds: u64, note: Value },
    /// It came to its end, and found what somebody has to look at.
    RunFoundFaults { job: Job, due_at: Timestamp, seconds: u64, note: Value },
    /// What was due is there already.
    RunUnneeded { job: Job, due_at: Timestamp, note: Value },
    /// It failed; it will be tried again after a pause, until the next one is due.
    RunFailed { job: Job, due_at: Timestamp, attempt: u64, seconds: u64, error: Value },
    /// Somebody else is at work; it begins once they have ended.
    RunWaiting { job: Job, due_at: Timestamp, error: Value },
    /// It was stopped with the daemon; it is made up at the next start.
    RunStopped { job: Job, due_at: Timestamp },
    /// A job's rule was changed.
    ScheduleChanged { job: Job, rule: String, next_at: Value },
    /// The rules can't be read; the old ones go on.
    ScheduleReloadFailed { error: Value },
    /// What the scheduler remembered can't be read; it begins anew, from the records of the backups.
    SchedulerMemoryLost { error: Value },
    /// What the scheduler has to remember can't be written; it tries again.
    SchedulerMemoryUnwritten { error: Value },
    /// The clock went back.
    ClockSetBack { from_at: Timestamp, to_at: Timestamp },
}

/// What a run did. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum RunNote {
    /// A backup was taken.
    RunNoteBackup { id: u64, kind: BackupKind, name: String, archive_bytes: u64 },
    /// Backups were validated; so many are damaged.
    RunNoteValidated { count: u64, damaged: u64 },
    /// Backups were removed.
    RunNoteCleaned { count: u64, freed_bytes: u64 },
    /// A restore was proved, or was not.
    RunNoteDrilled { result: String, rto_seconds: f64, report: String },
    /// A drill could not be held here.
    RunNoteNoDrill { error: Value },
    /// There was nothing to do.
    RunNoteNothing {},
}

impl RunNote {
    /// Names a completed backup.
    pub fn of_backup(record: &BackupRecord) -> RunNote {
        RunNote::RunNoteBackup {
            id: record.id.0,
            kind: record.kind,
            name: record.archive_name.clone(),
            archive_bytes: record.archive_bytes,
        }
    }

    /// Returns it as logs and files hold it.
    pub fn value(&self) -> Value {
        // Words and numbers only: this can't fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl SchedulerEvent {
    /// Returns how grave it is.
    pub fn level(&self) -> EventLevel {
        match self {
            SchedulerEvent::RunFailed { .. }
            | SchedulerEvent::RunFoundFaults { .. }
            | SchedulerEvent::ScheduleReloadFailed { .. }
            | SchedulerEvent::SchedulerMemoryLost { .. }
            | SchedulerEvent::SchedulerMemoryUnwritten { .. } => EventLevel::Error,
            SchedulerEvent::RunMissed { .. }
            | SchedulerEvent::RunReplaced { .. }
            | SchedulerEvent::ClockSetBack { .. } => EventLevel::Warning,
            _ => EventLevel::Info,
        }
    }
}

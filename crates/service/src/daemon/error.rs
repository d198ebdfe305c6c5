use crate::scheduler::SchedulerStartError;
use serde::Serialize;
use serde_json::Value;
use vault::repository::RepositoryError;
use vault::storage::StorageError;

/// Says why the daemon can't begin, or had to end. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each field is named by the sentence above it")]
pub enum DaemonError {
    /// One daemon a repository: two would take each backup twice.
    #[error("another daemon works for this repository: process {pid} on {host}, since {since}")]
    DaemonBusy { host: String, pid: u32, since: String },
    /// It was paused, or cut off, for longer than its lock lasts, and another one took over.
    #[error("another daemon has taken over: process {pid} on {host}, since {since}")]
    DaemonLockLost { host: String, pid: u32, since: String },
    /// A thread ended on its own, which none does: a fault of the program.
    #[error("the daemon's {part} ended unexpectedly")]
    DaemonPartDied { part: String },
    /// Neither WAL nor schedule is wanted.
    #[error("there is nothing to do: neither WAL nor the schedule is wanted")]
    DaemonIdle {},
    /// The receiver can't work at all.
    #[error(transparent)]
    #[serde(untagged)]
    Receiver(#[from] engine::Error),
    /// The schedule can't begin.
    #[error(transparent)]
    #[serde(untagged)]
    Schedule(#[from] crate::scheduler::ScheduleError),
    /// The repository can't be read.
    #[error(transparent)]
    #[serde(untagged)]
    Repository(#[from] RepositoryError),
    /// The storage failed.
    #[error(transparent)]
    #[serde(untagged)]
    Storage(#[from] StorageError),
    /// What is wrong with the configuration file: `{"key": …, arguments}`.
    #[error("the configuration can't be read: {0}")]
    #[serde(untagged)]
    Configuration(Value),
}

impl From<SchedulerStartError> for DaemonError {
    fn from(error: SchedulerStartError) -> Self {
        match error {
            SchedulerStartError::File(error) => DaemonError::Configuration(error),
            SchedulerStartError::Schedule(error) => DaemonError::Schedule(error),
            SchedulerStartError::Repository(error) => DaemonError::Repository(error),
        }
    }
}

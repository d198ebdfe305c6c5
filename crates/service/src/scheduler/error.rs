use serde::Serialize;
use vault::storage::StorageError;

/// Says what is wrong with a schedule. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each field is named by the sentence above it")]
pub enum ScheduleError {
    /// No job has the name.
    #[error("there is no job {name}; there are {known}")]
    ScheduleUnknownJob { name: String, known: String },
    /// A cron pattern that can't be read.
    #[error("{text:?} is no cron pattern: {detail}")]
    SchedulePattern { text: String, detail: String },
    /// A cron pattern that no date ever matches.
    #[error("no date ever matches {text:?}")]
    ScheduleNever { text: String },
    /// A part of a time that is out of its range.
    #[error("{name} = {value}; allowed: {allowed}")]
    ScheduleTime { name: String, value: String, allowed: String },
    /// A day of the month and a day of the week at once.
    #[error("a day of the month ({day}) and a day of the week ({weekday}) at once")]
    ScheduleDays { day: u8, weekday: u8 },
    /// An object in the repository that has to be understood is not.
    #[error("{object} in {storage} can't be read: {detail}")]
    ScheduleUnreadable { storage: String, object: String, detail: String },
    /// The configuration file says when the job runs, so the repository can't.
    #[error("{file} sets the time of {job} ({name} in [schedule])")]
    ScheduleFixed { job: String, file: String, name: String },
    /// Somebody else is changing it.
    #[error("another process ({pid} on {host}) is changing the schedule")]
    ScheduleBusy { pid: u32, host: String },
    /// The storage failed.
    #[error(transparent)]
    #[serde(untagged)]
    Storage(#[from] StorageError),
}

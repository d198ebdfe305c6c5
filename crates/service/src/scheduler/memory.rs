//! `scheduler.json`: what the scheduler has to know after a restart, whatever ended it.

use super::{Job, Rule, ScheduleError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use vault::repository::{BackupId, Repository};

/// The key of the scheduler's memory.
pub const MEMORY_KEY: &str = "scheduler.json";
/// The version that this program writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;

/// What the scheduler remembers. Written before a run begins and after it has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    format_version: u32,
    /// When the schedule first ran for this repository: nothing before it is due.
    pub first_start: Timestamp,
    /// The run that has begun and not ended.
    pub running: Option<RunningJob>,
    /// What is known of each job.
    pub jobs: BTreeMap<Job, JobMemory>,
}

/// A run that has begun. After a crash it tells which backup, if one was completed, is this run's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningJob {
    /// What runs.
    pub job: Job,
    /// Since it was due then.
    pub due_at: Timestamp,
    /// Backups up to here were there before.
    pub after_id: BackupId,
    /// When it began.
    pub started_at: Timestamp,
}

/// What is known of one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobMemory {
    /// Its rule when this was written: a due time of another rule is not this one's.
    pub rule: Rule,
    /// Due times up to here are done, or were never this schedule's.
    pub done_until: Timestamp,
    /// A due time besides the rule's that is not done yet: the first FULL, or the last one of a rule that was changed since.
    #[serde(default)]
    pub owed: Option<Timestamp>,
    /// How its last run ended.
    #[serde(default)]
    pub last: Option<LastRun>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it was due.
    pub due_at: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it did, `{"key": …, arguments}`; `None` when it failed.
    pub note: Option<Value>,
    /// Why it failed, `{"key": …, arguments}`.
    pub error: Option<Value>,
}

impl Memory {
    /// Begins to remember.
    pub fn new(first_start: Timestamp) -> Memory {
        Memory { format_version: FORMAT_VERSION, first_start, running: None, jobs: BTreeMap::new() }
    }

    /// Reads what the repository holds; `None` when the schedule has never run for it.
    ///
    /// # Errors
    /// `ScheduleUnreadable`; storage errors.
    pub fn read(repository: &Repository) -> Result<Option<Memory>, ScheduleError> {
        let Some(content) = repository.storage().get(MEMORY_KEY)? else { return Ok(None) };
        let unreadable = |detail: String| ScheduleError::ScheduleUnreadable {
            storage: repository.storage().describe(),
            object: MEMORY_KEY.to_owned(),
            detail,
        };
        let memory: Memory = serde_json::from_slice(&content).map_err(|error| unreadable(error.to_string()))?;
        if memory.format_version != FORMAT_VERSION {
            let found = memory.format_version;
            return Err(unreadable(format!("format_version is {found}, this program knows {FORMAT_VERSION}")));
        }
        Ok(Some(memory))
    }

    /// Writes it, durably and in one step.
    ///
    /// # Errors
    /// `ScheduleUnreadable` for what can't be put into JSON; storage errors.
    pub fn write(&self, repository: &Repository) -> Result<(), ScheduleError> {
        let mut content = serde_json::to_vec_pretty(self).map_err(|error| ScheduleError::ScheduleUnreadable {
            storage: repository.storage().describe(),
            object: MEMORY_KEY.to_owned(),
            detail: error.to_string(),
        })?;
        content.push(b'\n');
        Ok(repository.storage().put(MEMORY_KEY, &content)?)
    }
}

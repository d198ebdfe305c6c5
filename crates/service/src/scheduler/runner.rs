use super::{Job, RunNote};
use engine::{Cancel, Error};
use jiff::Timestamp;
use serde_json::Value;

/// One run of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// What is to be done.
    pub job: Job,
    /// Since it was due then.
    pub due_at: Timestamp,
    /// From 1; counts failures of this due time.
    pub attempt: u32,
}

/// Does what a job says.
pub trait Runner: Send + Sync {
    /// Runs it.
    ///
    /// # Errors
    /// [`RunFailure`].
    /// # Cancellation
    /// Ends soon with [`RunFailure::Stopped`], and leaves nothing half made.
    fn run(&self, run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure>;
}

/// What a run that came to its end has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// What it did, `{"key": …, arguments}`.
    pub note: Value,
    /// It found what somebody has to look at.
    pub has_faults: bool,
}

impl RunSummary {
    /// Says that all is well.
    pub fn fine(note: &RunNote) -> RunSummary {
        RunSummary { note: note.value(), has_faults: false }
    }
}

/// Why a run did not come to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum RunFailure {
    /// Somebody else is at work (`{"key": …, arguments}`): no failure, it is tried again soon.
    Busy(Value),
    /// It was cancelled.
    Stopped,
    /// It failed: `{"key": …, arguments}`.
    Failed(Value),
}

impl From<Error> for RunFailure {
    fn from(error: Error) -> RunFailure {
        let value = serde_json::to_value(&error).unwrap_or_default();
        match error.key().as_str() {
            "cancelled" | "cluster-cancelled" => RunFailure::Stopped,
            // Taken by another daemon: the next look at the records says so.
            "repository-busy" | "backup-taken" => RunFailure::Busy(value),
            _ => RunFailure::Failed(value),
        }
    }
}

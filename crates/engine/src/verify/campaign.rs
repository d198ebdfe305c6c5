use super::{ValidationHistory, ValidationLevel, ValidationReport, ValidationRequest, validate_recorded};
use crate::cluster::BinarySearch;
use crate::{Cancel, Error, Progress};
use std::time::{Duration, Instant};
use vault::repository::{BackupRecord, Repository};

/// What one round of validations may take.
#[derive(Debug, Clone)]
pub struct DueValidations {
    /// How much is read.
    pub level: ValidationLevel,
    /// Workers.
    pub jobs: usize,
    /// Where PostgreSQL's programs may be.
    pub search: BinarySearch,
    /// A backup is due again so long after its last validation; one that never was validated always is.
    pub again_after: Duration,
    /// No validation begins after so long; one that has begun ends.
    pub budget: Option<Duration>,
    /// Who asks, such as `user@host`.
    pub by: String,
}

impl DueValidations {
    /// Says how each backup is looked at.
    pub fn request(&self) -> ValidationRequest {
        ValidationRequest { level: self.level, jobs: self.jobs, search: self.search.clone() }
    }
}

/// How one backup of a round fared: a report, or why it could not be looked at.
pub type DueOutcome = (BackupRecord, Result<ValidationReport, Error>);

/// What became of a round.
#[derive(Debug)]
pub struct DueRound {
    /// Those that were looked at, in the order of their turn.
    pub outcomes: Vec<DueOutcome>,
    /// How many are due and have to wait for the next round.
    pub left: usize,
}

/// Validates what is due, the most urgent first (see [`ValidationHistory::queue`]), and enters every outcome into the journal. A
/// backup that can't be looked at keeps no other from its turn.
///
/// # Errors
/// Those of the repository; `cancelled`.
///
/// # Cancellation
/// Ends with `cancelled`; what was validated before is entered already.
pub fn validate_due(
    repository: &Repository,
    due: &DueValidations,
    now: jiff::Timestamp,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<DueRound, Error> {
    let begin = Instant::now();
    // Half an hour of grace: a round that runs a little earlier than yesterday's must not find everything fresh.
    let span = due.again_after.saturating_sub(Duration::from_secs(1800));
    let since = jiff::SignedDuration::try_from(span)
        .ok()
        .and_then(|span| now.checked_sub(span).ok())
        .unwrap_or(jiff::Timestamp::MIN);
    let queue = ValidationHistory::read(repository)?.due(&repository.contents()?, since);
    let total = queue.len();
    let mut outcomes: Vec<DueOutcome> = Vec::new();
    for record in queue {
        cancel.check()?;
        if due.budget.is_some_and(|budget| begin.elapsed() >= budget) {
            break;
        }
        let outcome = validate_recorded(repository, &record, &due.request(), &due.by, progress, cancel);
        match outcome {
            Err(error) if error.is_cancelled() => return Err(error),
            outcome => outcomes.push((record, outcome)),
        }
    }
    let left = total - outcomes.len();
    Ok(DueRound { outcomes, left })
}

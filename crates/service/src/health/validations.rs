use engine::verify::{ValidationHistory, ValidationResult};
use jiff::Timestamp;
use serde::Serialize;
use vault::repository::{BackupId, BackupState, RepositoryContents};

/// How far the completed backups were validated.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ValidationHealth {
    /// Those whose last validation found nothing wrong with them.
    pub valid: u64,
    /// Those that never were validated.
    pub never: u64,
    /// Those whose last validation failed.
    pub failed: Vec<BackupId>,
    /// The last validation of any.
    pub last_at: Option<Timestamp>,
    /// The oldest of the last validations: every backup was looked at since then, but for those that never were.
    pub oldest_at: Option<Timestamp>,
}

/// Counts.
pub(super) fn validations(contents: &RepositoryContents, history: &ValidationHistory) -> ValidationHealth {
    let mut health = ValidationHealth::default();
    for record in contents.records.iter().filter(|record| record.state == BackupState::Completed) {
        let Some(last) = history.last(record.id) else {
            health.never += 1;
            continue;
        };
        match last.result {
            ValidationResult::Failed => health.failed.push(record.id),
            ValidationResult::Passed | ValidationResult::Warned => health.valid += 1,
        }
        health.last_at = health.last_at.max(Some(last.at));
        health.oldest_at = Some(health.oldest_at.map_or(last.at, |oldest| oldest.min(last.at)));
    }
    health
}

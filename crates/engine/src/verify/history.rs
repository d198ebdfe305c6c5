//! What is known of validations that were: the journal's, by backup.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use vault::journal::{Journal, JournalEvent};
use vault::repository::{BackupId, BackupRecord, BackupState, Repository, RepositoryContents};

/// How a validation ended. Serializes as the seed's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValidationResult {
    /// Nothing is wrong.
    #[serde(rename = "EXITOSO")]
    Passed,
    /// The backup is sound; the cluster was not, when it was taken.
    #[serde(rename = "ADVERTENCIA")]
    Warned,
    /// The backup is damaged, or could not be read.
    #[serde(rename = "FALLIDO")]
    Failed,
}

impl ValidationResult {
    /// Returns the seed's word: `EXITOSO`, `ADVERTENCIA`, `FALLIDO`.
    pub fn word(self) -> &'static str {
        match self {
            ValidationResult::Passed => "EXITOSO",
            ValidationResult::Warned => "ADVERTENCIA",
            ValidationResult::Failed => "FALLIDO",
        }
    }
}

/// The last time that a backup was validated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastValidation {
    /// When it ended.
    pub at: jiff::Timestamp,
    /// How much was read: `checksum`, `deep`.
    pub level: String,
    /// How it ended.
    pub result: ValidationResult,
}

/// All validations of a repository's archives, the newest of each; drills are not among them.
#[derive(Debug, Clone, Default)]
pub struct ValidationHistory {
    last: HashMap<BackupId, LastValidation>,
}

impl ValidationHistory {
    /// Reads it from the journal.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn read(repository: &Repository) -> Result<Self, Error> {
        Ok(Self::of(&Journal::of(repository).read_after(0)?.events))
    }

    /// Takes it from events that were read already.
    pub fn of(events: &[JournalEvent]) -> Self {
        let mut last = HashMap::new();
        for event in events.iter().filter(|event| event.event == super::VALIDATION_EVENT) {
            let result = event.details.get("result").and_then(|word| serde_json::from_value(word.clone()).ok());
            if let (Some(id), Some(result)) = (event.backup_id, result) {
                let level = event.details.get("level").and_then(|level| level.as_str()).unwrap_or_default().to_owned();
                // It is not one archive that is proved or not: see `LastDrills`.
                if level == crate::restore::DRILL_LEVEL {
                    continue;
                }
                last.insert(id, LastValidation { at: event.at, level, result });
            }
        }
        ValidationHistory { last }
    }

    /// Returns the last validation of a backup.
    pub fn last(&self, id: BackupId) -> Option<&LastValidation> {
        self.last.get(&id)
    }

    /// Puts the completed backups into the order in which they should be validated: those that never were, the newest first, since a
    /// restore would take that one; then those whose last validation is the longest ago.
    pub fn queue(&self, contents: &RepositoryContents) -> Vec<BackupRecord> {
        let mut queue: Vec<_> =
            contents.records.iter().filter(|record| record.state == BackupState::Completed).cloned().collect();
        queue.sort_by_key(|record| (self.last(record.id).map(|last| last.at), std::cmp::Reverse(record.id)));
        queue
    }

    /// The same without those that were validated at `since` or later.
    pub fn due(&self, contents: &RepositoryContents, since: jiff::Timestamp) -> Vec<BackupRecord> {
        let mut queue = self.queue(contents);
        queue.retain(|record| self.last(record.id).is_none_or(|last| last.at < since));
        queue
    }
}

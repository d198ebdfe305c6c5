use crate::repository::BackupId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventLevel {
    /// As it should be.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Something did not work.
    Error,
}

impl EventLevel {
    /// Returns the word in logs and in the catalog: `INFO`, `WARNING`, `ERROR`.
    pub fn word(self) -> &'static str {
        match self {
            EventLevel::Info => "INFO",
            EventLevel::Warning => "WARNING",
            EventLevel::Error => "ERROR",
        }
    }
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// How grave it is.
    pub level: EventLevel,
    /// What happened, such as `backup-completed`: the key of its sentence in the message catalogues.
    pub event: String,
    /// Which backup it is about.
    pub backup_id: Option<BackupId>,
    /// The sentence's arguments, and whatever else is worth keeping. Never a secret.
    pub details: Map<String, Value>,
}

impl NewEvent {
    /// Makes an event. `details` that are no object count as none.
    pub fn new(level: EventLevel, event: &str, backup_id: Option<BackupId>, details: Value) -> Self {
        let details = if let Value::Object(details) = details { details } else { Map::new() };
        NewEvent { level, event: event.to_owned(), backup_id, details }
    }
}

/// One event, as a line of the journal holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEvent {
    /// From 1, rising over all files, never used twice.
    pub id: u64,
    /// When it was written.
    pub at: jiff::Timestamp,
    /// How grave it is.
    pub level: EventLevel,
    /// What happened.
    pub event: String,
    /// Which backup it is about.
    #[serde(default)]
    pub backup_id: Option<BackupId>,
    /// The sentence's arguments, and more.
    #[serde(default)]
    pub details: Map<String, Value>,
}

/// What a reader found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JournalReading {
    /// In the order of their ids.
    pub events: Vec<JournalEvent>,
    /// Lines that are no event: torn by a crash, damaged, or of a newer program. They hide no other.
    pub unreadable_lines: u64,
}

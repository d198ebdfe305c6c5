//! What the engine writes into the repository's journal. That an event can't be written is told, and fails nothing: no backup and no
//! restore depends on the journal.

use crate::Error;
use serde_json::{Value, json};
use vault::journal::{EventLevel, Journal, NewEvent};
use vault::repository::{BackupId, BackupKind, BackupMethod, BackupRecord, Repository};

/// Which backup an attempt has reserved.
#[derive(Debug, Clone)]
pub(crate) struct Reserved {
    pub id: BackupId,
    pub archive_name: String,
}

/// Writes one event.
pub(crate) fn note(repository: &Repository, event: NewEvent) {
    let name = event.event.clone();
    if let Err(error) = Journal::of(repository).append(jiff::Timestamp::now(), event) {
        tracing::warn!(event = name, %error, "the event could not be written into the repository's journal");
    }
}

/// Tells that a backup has begun.
pub(crate) fn backup_started(repository: &Repository, record: &BackupRecord) {
    let details = json!({
        "kind": record.kind, "method": record.method, "name": record.archive_name, "host": vault::storage::host_name(), "pid": std::process::id(),
        "scheduled_for": record.scheduled_for, "merged_from": record.merged_from,
    });
    note(repository, NewEvent::new(EventLevel::Info, "backup-started", Some(record.id), details));
}

/// Tells that a backup is complete; with warnings, somebody should look at it.
pub(crate) fn backup_completed(repository: &Repository, record: &BackupRecord, seconds: f64) {
    let level = if record.warnings.is_empty() { EventLevel::Info } else { EventLevel::Warning };
    let details = json!({
        "kind": record.kind, "method": record.method, "name": record.archive_name, "seconds": seconds,
        "archive_bytes": record.archive_bytes, "plain_bytes": record.plain_bytes, "warnings": record.warnings.len(), "scheduled_for": record.scheduled_for,
    });
    note(repository, NewEvent::new(level, "backup-completed", Some(record.id), details));
}

/// Tells that a backup failed. What never began because another one runs, or because somebody stopped it, did not fail.
pub(crate) fn backup_failed(
    repository: &Repository,
    (kind, method): (BackupKind, BackupMethod),
    reserved: Option<&Reserved>,
    error: &Error,
) {
    let never_began = reserved.is_none()
        && (error.is_cancelled() || ["repository-busy", "backup-taken"].contains(&error.key().as_str()));
    if never_began {
        return;
    }
    let details = json!({
        "kind": kind, "method": method, "error": error_value(error),
        "name": reserved.map_or("-", |reserved| reserved.archive_name.as_str()),
    });
    note(repository, NewEvent::new(EventLevel::Error, "backup-failed", reserved.map(|reserved| reserved.id), details));
}

/// Returns an error as records and events keep it: `{"key": …, arguments, "message": …}`.
pub(crate) fn error_value(error: &Error) -> Value {
    let mut value = serde_json::to_value(error).unwrap_or_else(|_| json!({ "key": "unknown" }));
    value["message"] = Value::String(error.to_string());
    value
}

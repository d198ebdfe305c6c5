use serde::Serialize;

/// Says why a backup failed. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum BackupError {
    #[error("WAL segment {segment} was already removed from the server before it could be copied")]
    BackupWalRemoved { segment: String },
    #[error("pg_control can't be read whole: {detail}")]
    BackupControlFile { detail: String },
    #[error("option {option} has value {value}: {reason}")]
    BackupOption { option: &'static str, value: String, reason: String },
    /// The manifest grows in a temporary file.
    #[error("the temporary file in {folder} failed: {cause}")]
    BackupSpool { folder: String, cause: String },
    /// A standby followed another timeline meanwhile, and its history file does not tell from where.
    #[error("the history of timeline {stop} does not lead back to timeline {start}")]
    BackupTimelineHistory { start: u32, stop: u32 },
}

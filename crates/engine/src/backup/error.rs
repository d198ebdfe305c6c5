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
    /// The one way that was demanded can't tell which blocks changed; `reason` is `{"key": …, arguments}`.
    #[error("the way {way} can't tell which blocks have changed: {reason}")]
    BackupChangesUnknown { way: &'static str, reason: serde_json::Value },
    /// The server was promoted between two looks at it.
    #[error("the backup began on timeline {found}, and the server was on timeline {expected} before")]
    BackupTimelineChanged { expected: u32, found: u32 },
    /// The server goes on from a point before the base's end: it was set back.
    #[error("the backup starts at {start_lsn}, before its base's start at {base_lsn}")]
    BackupBeforeBase { start_lsn: String, base_lsn: String },
    /// The base went away while the backup began.
    #[error("backup {id}, on which this one was to stand, is gone")]
    BackupBaseGone { id: String },
    /// Another daemon of this repository has taken it, while this one was paused, say.
    #[error("the {kind} that was due at {scheduled_for} is taken already: backup {id}")]
    BackupTaken { id: String, kind: &'static str, scheduled_for: String },
    /// `--method logical` of a DIFERENCIAL or INCREMENTAL.
    #[error("a {kind} can't be logical: it holds blocks that changed, and a dump knows of none")]
    BackupMethodKind { kind: &'static str },
    /// `--database` names none.
    #[error("there is no database {database}; there are: {known}")]
    BackupUnknownDatabase { database: String, known: String },
    /// Nothing that could be dumped.
    #[error("the server has no database that accepts connections and is no template")]
    BackupNoDatabase {},
    /// There is nothing to put together.
    #[error("backup {id} is a FULL already")]
    BackupMergeAlone { id: String },
    /// The manifest grows in a temporary file.
    #[error("the temporary file in {folder} failed: {cause}")]
    BackupSpool { folder: String, cause: String },
    /// A standby followed another timeline meanwhile, and its history file does not tell from where.
    #[error("the history of timeline {stop} does not lead back to timeline {start}")]
    BackupTimelineHistory { start: u32, stop: u32 },
}

use serde::Serialize;

/// Says why a restore is refused or failed. Serializes to `{"key": …, arguments}`.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum RestoreError {
    #[error("{directory} is not empty")]
    RestoreTargetNotEmpty { directory: String },
    #[error("a server is running in {directory} (process {pid})")]
    RestoreTargetRunning { directory: String, pid: u32 },
    #[error("{directory} can't be used as a target: {detail}")]
    RestoreTarget { directory: String, detail: String },
    #[error("{directory} has {free_bytes} bytes free; the restore needs {needed_bytes}")]
    RestoreNoSpace { directory: String, free_bytes: u64, needed_bytes: u64 },
    #[error("the backup has no tablespace {name}; it has: {known}")]
    RestoreUnknownTablespace { name: String, known: String },
    #[error("tablespace {name} would go to {directory}, {reason}")]
    RestoreTablespaceTarget { name: String, directory: String, reason: &'static str },
    #[error("backup {id} is {state}; only a completed one restores")]
    RestoreNotCompleted { id: String, state: String },
    #[error("backup {id} is {kind}; this version restores FULL backups")]
    RestoreKind { id: String, kind: String },
    #[error("writing {path} failed: {cause}")]
    RestoreWrite { path: String, cause: String },
    #[error("the archive's content of {path} does not match its checksum")]
    RestoreContent { path: String },
    #[error("the archive of backup {id} lacks {path}")]
    RestoreIncomplete { id: String, path: String },
    #[error("another restore is writing {directory}")]
    RestoreBusy { directory: String },
}

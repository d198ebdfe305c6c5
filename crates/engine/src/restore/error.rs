use serde::Serialize;
use std::path::Path;

/// Says why a restore is refused or failed. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each message says what its fields are")]
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum RestoreError {
    /// The target, or a tablespace's target, holds something.
    #[error("{directory} is not empty")]
    RestoreTargetNotEmpty { directory: String },
    /// Its postmaster.pid names a live process.
    #[error("a server is running in {directory} (process {pid})")]
    RestoreTargetRunning { directory: String, pid: u32 },
    /// The target is no usable directory.
    #[error("{directory} can't be used as a target: {detail}")]
    RestoreTarget { directory: String, detail: String },
    /// The file system is too small for all that would go there.
    #[error("{directory} has {free_bytes} bytes free; the restore needs {needed_bytes}")]
    RestoreNoSpace { directory: String, free_bytes: u64, needed_bytes: u64 },
    /// The file system has too few inodes.
    #[error("{directory} has room for {free_inodes} more files; the restore needs {needed_inodes}")]
    RestoreNoInodes { directory: String, free_inodes: u64, needed_inodes: u64 },
    /// The user who is to own the files can't reach them.
    #[error("user {owner} can't reach {directory}: {ancestor} does not let it pass")]
    RestoreUnreachable { directory: String, owner: String, ancestor: String },
    /// `--tablespace` names one that the backup does not have.
    #[error("the backup has no tablespace {name}; it has: {known}")]
    RestoreUnknownTablespace { name: String, known: String },
    /// A tablespace's target is relative, taken twice, inside another target, …
    #[error("tablespace {name} would go to {directory}, {reason}")]
    RestoreTablespaceTarget { name: String, directory: String, reason: &'static str },
    /// Failed and running backups don't restore.
    #[error("backup {id} is {state}; only a completed one restores")]
    RestoreNotCompleted { id: String, state: String },
    /// It holds dumps: no files to restore, no address in the log to recover from.
    #[error("backup {id} is logical: it holds dumps of databases, and no cluster")]
    RestoreLogical { id: String },
    /// A target of recovery together with a backup on which no WAL can be replayed.
    #[error("backup {id} is logical: nothing can be replayed on it")]
    RestoreLogicalTarget { id: String },
    /// The archive and its record disagree: a swapped archive or record.
    #[error("the archive of backup {id} has {what} {found}; its record says {recorded}")]
    RestoreMismatch { id: String, what: &'static str, found: String, recorded: String },
    /// The operating system refused a write.
    #[error("writing {path} failed: {cause}")]
    RestoreWrite { path: String, cause: String },
    /// The target's file system filled up although there was room at first.
    #[error("the disk is full: {path} could not be written")]
    RestoreDiskFull { path: String },
    /// The archive's bytes are not those that were read from the cluster.
    #[error("the archive's content of {path} does not match its checksum")]
    RestoreContent { path: String },
    /// A file without which the cluster can't start is not in the archive.
    #[error("the archive of backup {id} lacks {path}")]
    RestoreIncomplete { id: String, path: String },
    /// The marker's lock is held.
    #[error("another restore is writing {directory}")]
    RestoreBusy { directory: String },
    /// The restore failed for `reason`, and what it had written could not all be removed again. The directory has no control
    /// file, and the next restore into it removes the rest.
    #[error("the restore failed ({reason}) and its remains in {directory} could not be removed: {cause}")]
    RestoreRemains { directory: String, cause: String, reason: String },
    /// `--delta` onto something that is no cluster.
    #[error("{directory} holds no cluster that a restore could be made over: {detail}")]
    RestoreNoCluster { directory: String, detail: String },
    /// `--delta` onto another cluster.
    #[error("{directory} holds cluster {found}; the backup is of {wanted}")]
    RestoreForeignCluster { directory: String, found: String, wanted: String },
    /// A restore over a cluster was interrupted there; without `--delta` nothing may be made of it.
    #[error("a restore over the cluster in {directory} was interrupted; only another one over it can finish it")]
    RestoreUnfinishedOver { directory: String },
    /// The restore over a cluster ended early. No server starts in the directory until one has ended well.
    #[error("the restore over the cluster in {directory} ended early: {reason}")]
    RestoreEndedOver { directory: String, reason: String },
    /// The same, since it was cancelled.
    #[error("the restore over the cluster in {directory} was cancelled")]
    RestoreCancelledOver { directory: String },
    /// No backup and the WAL after it lead to the target.
    #[error("no backup and the WAL after it lead to {target}")]
    RestoreTargetUnreachable {
        target: Box<str>,
        earlier_at: Option<jiff::Timestamp>,
        earlier_lsn: Option<pgformat::Lsn>,
        later_at: Option<jiff::Timestamp>,
        later_lsn: Option<pgformat::Lsn>,
        timelines: Box<str>,
    },
    /// Several restore points have the name.
    #[error("{target} is the name of several restore points: {found}")]
    RestoreTargetAmbiguous { target: String, found: String },
    /// Neither the archive nor a backup knows the timeline.
    #[error("there is no timeline {timeline}; known are: {known}")]
    RestoreUnknownTimeline { timeline: pgformat::TimelineId, known: String },
    /// No restore point has the name.
    #[error("there is no restore point {name}; the newest are: {known}")]
    RestoreUnknownPoint { name: String, known: String, timelines: String },
    /// The log breaks off before the target, and goes on later.
    #[error("WAL from {needed_from} on is missing (segment {segment}); {target} lies after it")]
    RestoreWalMissing {
        segment: String,
        needed_from: pgformat::Lsn,
        target: String,
        earlier_at: Option<jiff::Timestamp>,
        later_at: Option<jiff::Timestamp>,
    },
    /// A segment that recovery needs is not what was archived.
    #[error("WAL segment {segment}, which is needed, is damaged: {detail}")]
    RestoreWalDamaged {
        segment: String,
        detail: String,
        earlier_at: Option<jiff::Timestamp>,
        earlier_lsn: Option<pgformat::Lsn>,
    },
    /// The restored server could not fetch its WAL.
    #[error("user {owner} can't fetch WAL: {detail} is in the way")]
    RestoreFetchUnusable { owner: String, detail: String },
    /// Recovery did not end where it ought to.
    #[error("recovery in {directory} ended at {recovered_lsn}, not at {expected_lsn}")]
    RestoreEndedShort { directory: String, expected_lsn: String, recovered_lsn: String },
}

/// Turns an operating system's refusal to write `path` into an error.
pub(super) fn write_error(path: &Path, error: impl Into<std::io::Error>) -> RestoreError {
    let error = error.into();
    let path = path.display().to_string();
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => RestoreError::RestoreDiskFull { path },
        _ => RestoreError::RestoreWrite { path, cause: error.to_string() },
    }
}

/// Turns a refusal to look at a target into an error.
pub(super) fn target_error(directory: &Path, error: impl Into<std::io::Error>) -> RestoreError {
    RestoreError::RestoreTarget { directory: directory.display().to_string(), detail: error.into().to_string() }
}

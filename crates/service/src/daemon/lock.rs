use super::DaemonError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vault::repository::Repository;
use vault::storage::{LockAttempt, LockGuard, LockHolder, host_name};

/// One daemon a repository.
const LOCK_KEY: &str = "daemon";

/// What the daemon says of itself to other processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonHolder {
    /// The name of its host.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// When it was started.
    pub since: Timestamp,
    /// Whether it runs the schedule.
    pub schedule: bool,
    /// Whether it receives WAL.
    pub wal: bool,
}

/// Takes the lock that keeps a second daemon out.
pub(super) fn take(repository: &Repository, schedule: bool, wal: bool) -> Result<Box<dyn LockGuard>, DaemonError> {
    let holder = DaemonHolder { host: host_name(), pid: std::process::id(), since: Timestamp::now(), schedule, wal };
    // Plain fields: this can't fail.
    let text = serde_json::to_vec(&holder).unwrap_or_default();
    match repository.storage().try_lock(LOCK_KEY, &|_| text.clone())? {
        LockAttempt::Acquired { guard, .. } => Ok(guard),
        LockAttempt::Held { holder } => {
            let holder: Option<DaemonHolder> = serde_json::from_slice(&holder).ok();
            let unknown = || ("?".to_owned(), 0, "?".to_owned());
            let (host, pid, since) =
                holder.map_or_else(unknown, |holder| (holder.host, holder.pid, holder.since.to_string()));
            Err(DaemonError::DaemonBusy { host, pid, since })
        }
    }
}

/// Returns the daemon that works for a repository now.
///
/// # Errors
/// Storage errors.
pub fn daemon_holder(repository: &Repository) -> Result<Option<DaemonHolder>, DaemonError> {
    let LockHolder::Alive(text) = repository.storage().lock_holder(LOCK_KEY)? else { return Ok(None) };
    // A text of another version tells nothing, which is no reason to fail.
    Ok(serde_json::from_slice(&text).ok())
}

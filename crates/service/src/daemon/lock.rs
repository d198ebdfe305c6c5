use super::{DaemonError, DaemonEvent, DaemonLog, DaemonMonitor, DaemonSettings, DaemonState};
use crate::pause::wait;
use engine::Cancel;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vault::repository::Repository;
use vault::storage::{LockAttempt, LockGuard, LockHolder, StorageError, host_name};

/// One daemon a repository.
const LOCK_KEY: &str = "daemon";
/// How often one that waits for its turn looks.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps a second daemon out, for as long as it lasts: in a bucket it is a lease, and one that was paused for longer loses it.
pub struct DaemonLock(Mutex<Box<dyn LockGuard>>);

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

impl DaemonLock {
    fn guard(&self) -> MutexGuard<'_, Box<dyn LockGuard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the store whether the lock is still ours.
    ///
    /// # Errors
    /// `StorageLockLost`, and those of the storage.
    pub(super) fn confirm(&self) -> Result<(), StorageError> {
        self.guard().confirm()
    }

    /// Tells whether another daemon is known to have taken over.
    pub(super) fn is_lost(&self) -> bool {
        // While it is being confirmed, the outcome of that tells.
        self.0.try_lock().is_ok_and(|guard| guard.is_lost())
    }

    /// Frees it. One that was lost is somebody else's.
    pub(super) fn release(self) {
        let guard = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if guard.is_lost() {
            return;
        }
        // The parts have ended; what is left of the lock ends with the process at the latest.
        if let Err(error) = guard.release() {
            tracing::warn!(%error, "the daemon's lock could not be released");
        }
    }
}

/// Takes the lock that keeps a second daemon out.
///
/// # Errors
/// `DaemonBusy` when another daemon works for this repository; `DaemonIdle`; storage errors.
pub fn take_lock(settings: &DaemonSettings<'_>) -> Result<DaemonLock, DaemonError> {
    if settings.receive.is_none() && settings.schedule.is_none() && settings.replicas.is_empty() {
        return Err(DaemonError::DaemonIdle {});
    }
    let holder = DaemonHolder {
        host: host_name(),
        pid: std::process::id(),
        since: Timestamp::now(),
        schedule: settings.schedule.is_some(),
        wal: settings.receive.is_some(),
    };
    // Plain fields: this can't fail.
    let text = serde_json::to_vec(&holder).unwrap_or_default();
    match settings.repository.storage().try_lock(LOCK_KEY, &|_| text.clone())? {
        LockAttempt::Acquired { guard, .. } => Ok(DaemonLock(Mutex::new(guard))),
        LockAttempt::Held { holder } => {
            let (host, pid, since) = words(serde_json::from_slice(&holder).ok());
            Err(DaemonError::DaemonBusy { host, pid, since })
        }
    }
}

/// Waits until the lock is free, or its holder dead, and takes it; `None` when it was cancelled before. Each daemon that is met is told
/// of once, and the service manager hears that all is well meanwhile.
///
/// # Errors
/// Those of [`take_lock`] at the first attempt, but for `DaemonBusy`; later ones are told, and it is tried again.
pub fn wait_for_lock(
    settings: &DaemonSettings<'_>,
    log: &dyn DaemonLog,
    monitor: &dyn DaemonMonitor,
    cancel: &Cancel,
) -> Result<Option<DaemonLock>, DaemonError> {
    let mut told = None;
    while !cancel.is_cancelled() {
        let error = match take_lock(settings) {
            Ok(lock) => return Ok(Some(lock)),
            Err(error) => error,
        };
        let is_first = told.is_none();
        match error {
            DaemonError::DaemonBusy { host, pid, since } => {
                let holder = format!("{host} {pid} {since}");
                if told.as_ref() != Some(&holder) {
                    log.record(&DaemonEvent::DaemonWaiting { host, pid, since });
                    told = Some(holder);
                }
            }
            error if is_first => return Err(error),
            error => {
                let text = error.to_string();
                if told.as_ref() != Some(&text) {
                    let error = serde_json::to_value(&error).unwrap_or_default();
                    log.record(&DaemonEvent::DaemonWaitFailed { error });
                    told = Some(text);
                }
            }
        }
        // Whoever waits for its turn is up.
        monitor.state(DaemonState::Running);
        monitor.alive();
        wait(LOOK, cancel);
    }
    Ok(None)
}

/// What is told of another daemon.
pub(super) fn words(holder: Option<DaemonHolder>) -> (String, u32, String) {
    let unknown = || ("?".to_owned(), 0, "?".to_owned());
    holder.map_or_else(unknown, |holder| (holder.host, holder.pid, holder.since.to_string()))
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

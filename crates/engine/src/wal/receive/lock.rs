//! The receiver's lock, and what it tells other processes.

use super::ReceiverState;
use crate::Error;
use crate::wal::WalError;
use pgformat::{Lsn, TimelineId};
use std::time::{Duration, Instant};
use vault::repository::Repository;
use vault::storage::{LockAttempt, LockGuard, LockHolder};

/// One receiver a repository: two would write the same partial file.
const LOCK_KEY: &str = "wal/receiver";
/// How often the holder's text is written anew while nothing happens.
const REFRESH: Duration = Duration::from_secs(2);

/// Keeps the lock. It is never released in so many words: the text stays, so that others can see how far a receiver that is
/// gone had come.
pub(super) struct ReceiverLock {
    guard: Box<dyn LockGuard>,
    pub(super) state: ReceiverState,
    written: Instant,
    refresh: Duration,
}

impl ReceiverLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// `WalReceiverBusy`; storage errors.
    pub(super) fn take(repository: &Repository, slot: &str) -> Result<Self, Error> {
        let fresh = |left: Option<&[u8]>| {
            let before: Option<ReceiverState> = left.and_then(|text| serde_json::from_slice(text).ok());
            ReceiverState {
                host: vault::storage::host_name(),
                pid: std::process::id(),
                slot: slot.to_owned(),
                streaming_since: None,
                timeline: before.as_ref().map_or(TimelineId(0), |before| before.timeline),
                durable_lsn: before.as_ref().map_or(Lsn(0), |before| before.durable_lsn),
                server_lsn: before.as_ref().map_or(Lsn(0), |before| before.server_lsn),
                behind_since: before.as_ref().and_then(|before| before.behind_since),
                caught_up: before.and_then(|before| before.caught_up),
                updated_at: jiff::Timestamp::now(),
            }
        };
        match repository.storage().try_lock(LOCK_KEY, &|left| text(&fresh(left)))? {
            LockAttempt::Acquired { guard, left_by_dead_holder } => {
                let state = fresh(left_by_dead_holder.as_deref());
                // Where each word costs a request, it is said as often as anything becomes durable.
                let refresh = repository.storage().sync_pause().map_or(REFRESH, |pause| pause.max(REFRESH));
                Ok(ReceiverLock { guard, state, written: Instant::now(), refresh })
            }
            LockAttempt::Held { holder } => {
                let holder: Option<ReceiverState> = serde_json::from_slice(&holder).ok();
                let (host, pid) = holder.map_or_else(|| ("?".to_owned(), 0), |holder| (holder.host, holder.pid));
                Err(WalError::WalReceiverBusy { host, pid }.into())
            }
        }
    }

    /// Writes the state when it is time to.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) fn refresh(&mut self) -> Result<(), Error> {
        if self.written.elapsed() < self.refresh { Ok(()) } else { self.write() }
    }

    /// Writes the state now.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) fn write(&mut self) -> Result<(), Error> {
        self.state.updated_at = jiff::Timestamp::now();
        self.written = Instant::now();
        Ok(self.guard.update_holder(&text(&self.state))?)
    }
}

/// Returns what the receiver of this repository says of itself, and whether it lives; `None` when there was none.
///
/// # Errors
/// Storage errors.
pub fn receiver_state(repository: &Repository) -> Result<Option<(ReceiverState, bool)>, Error> {
    let (text, alive) = match repository.storage().lock_holder(LOCK_KEY)? {
        LockHolder::Nobody => return Ok(None),
        LockHolder::Alive(text) => (text, true),
        LockHolder::Dead(text) => (text, false),
    };
    // A text of another version tells nothing, which is no reason to fail.
    Ok(serde_json::from_slice(&text).ok().map(|state| (state, alive)))
}

fn text(state: &ReceiverState) -> Vec<u8> {
    // Strings, numbers and timestamps only: this can't fail.
    serde_json::to_vec(state).unwrap_or_default()
}

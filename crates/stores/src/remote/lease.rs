//! A lock where there is no kernel to hold it: a small object that its holder renews.
//!
//! Every change of it is made on the condition that it is still as it was last seen. So there is one holder at a time in the order
//! in which the store sees things, whatever the clocks of hosts say. A lease that nobody renews for its whole length is taken over.
//! Whether that time has passed is told by the store's own clock (its answers carry both its time and that of the last change), and
//! then by watching, by our own clock, whether it is renewed after all: neither clock is compared with that of another host.
//!
//! A holder that was paused and wakes after a take-over finds out with its next change. What it does before that must not harm:
//! docs/format/repository.md says how each step sees to it.

use super::{Remote, put_once, token};
use crate::client::{Client, Condition, Found};
use crate::failure::Failure;
use crate::patience::{GaveUp, Patience};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vault::storage::{HolderText, LockAttempt, LockGuard, LockHolder, ProcessMark, StorageError, lease_key};

/// How often a taker looks again because the lease changed while it looked.
const ATTEMPTS: usize = 10;
/// A lease is renewed so many times before it would run out.
const BEATS: u32 = 4;

/// The content of a lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Lease {
    lease_version: u32,
    state: State,
    /// Of this holder, and of no other.
    token: String,
    /// Rises with every renewal.
    beat: u64,
    /// For how long it is held without a renewal.
    lease_seconds: u64,
    /// What the holder says about itself, base 64.
    holder: String,
    /// Which process holds it: one of the same host can see whether it still runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<ProcessMark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// By whoever renews it.
    Held,
    /// Its holder gave it up without having finished.
    Dropped,
    /// Its holder released it.
    Free,
}

impl Lease {
    fn text(&self) -> Result<Vec<u8>, String> {
        STANDARD.decode(&self.holder).map_err(|error| error.to_string())
    }

    fn content(&self) -> Bytes {
        // Strings and numbers: this can't fail, and an empty lease would be refused by whoever reads it.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn length(&self) -> Duration {
        Duration::from_secs(self.lease_seconds.clamp(1, 24 * 3600))
    }

    /// Tells whether it is held by a process of this very host that has ended. What that process has sent and the store has not
    /// taken yet meets the same conditions as what a paused holder sends.
    fn is_orphaned(&self, remote: &Remote) -> bool {
        self.process.as_ref().is_some_and(|process| process.has_ended(&remote.options.lease_host))
    }
}

/// Reads the lease of a lock.
fn read(remote: &Remote, object: &str) -> Result<Option<(Lease, Vec<u8>, Found)>, StorageError> {
    let Some((content, found)) = remote.fetch(object)? else { return Ok(None) };
    let lease = serde_json::from_slice::<Lease>(&content).map_err(|error| error.to_string());
    let lease = lease.and_then(|lease| match lease.lease_version {
        1 => lease.text().map(|text| (lease, text)),
        version => Err(format!("lease version {version}")),
    });
    match lease {
        Ok((lease, text)) => Ok(Some((lease, text, found))),
        // Nobody can tell whether it is held: taking it could make two holders.
        Err(cause) => {
            let (storage, object) = (remote.place.clone(), object.to_owned());
            Err(StorageError::StorageIo { storage, object, action: "lock", cause })
        }
    }
}

pub(super) fn holder(remote: &Remote, key: &str) -> Result<LockHolder, StorageError> {
    let object = lease_key(key)?;
    if !remote.client.has_conditions() {
        // No lock is ever taken here; a copy of a lease would be no lease.
        return Ok(LockHolder::Nobody);
    }
    Ok(match read(remote, &object)? {
        None => LockHolder::Nobody,
        Some((Lease { state: State::Free, .. }, ..)) => LockHolder::Nobody,
        Some((Lease { state: State::Dropped, .. }, text, _)) => LockHolder::Dead(text),
        Some((lease, text, _)) if lease.is_orphaned(remote) => LockHolder::Dead(text),
        // A reader does not watch: only what is long over counts as dead.
        Some((lease, text, found)) => match age(&found) {
            Some(age) if age > 2 * lease.length().as_secs() as i64 => LockHolder::Dead(text),
            _ => LockHolder::Alive(text),
        },
    })
}

pub(super) fn try_lock(remote: &Remote, key: &str, holder: HolderText<'_>) -> Result<LockAttempt, StorageError> {
    let object = lease_key(key)?;
    if !remote.client.has_conditions() {
        return Err(StorageError::StorageReplicaOnly { storage: remote.place.clone() });
    }
    for _ in 0..ATTEMPTS {
        let there = read(remote, &object)?;
        let (condition, left) = match &there {
            None => (Condition::Absent, None),
            Some((lease, text, found)) => {
                let left = match lease.state {
                    State::Free => None,
                    State::Dropped => Some(text.clone()),
                    State::Held if lease.is_orphaned(remote) => Some(text.clone()),
                    State::Held if is_dead(remote, &object, lease, found)? => Some(text.clone()),
                    State::Held => return Ok(LockAttempt::Held { holder: text.clone() }),
                };
                (Condition::Unchanged(&found.etag), left)
            }
        };
        let lease = Lease {
            lease_version: 1,
            state: State::Held,
            token: token::new(),
            beat: 0,
            lease_seconds: remote.options.lease.as_secs().max(1),
            holder: STANDARD.encode(holder(left.as_deref())),
            process: ProcessMark::of_this_process(&remote.options.lease_host),
        };
        match remote.write(&object, &lease.content(), condition) {
            Ok(tag) => {
                keeps_conditions(remote, key, &object, &lease)?;
                let guard = LeaseGuard::begin(remote, key, object, lease, tag)?;
                return Ok(LockAttempt::Acquired { guard: Box::new(guard), left_by_dead_holder: left });
            }
            // Somebody else was faster.
            Err(GaveUp { failure: Failure::Condition, .. }) => {}
            Err(gave_up) => return Err(remote.error(gave_up, key, "lock")),
        }
    }
    Ok(LockAttempt::Held { holder: Vec::new() })
}

/// Makes sure, once for a process, that the store does keep conditions: one that takes the headers and ignores them would let two
/// holders in. The lease is ours now, so what must be refused would do no harm.
fn keeps_conditions(remote: &Remote, key: &str, object: &str, lease: &Lease) -> Result<(), StorageError> {
    if remote.keeps_conditions.load(Ordering::Relaxed) {
        return Ok(());
    }
    for condition in [Condition::Absent, Condition::Unchanged("\"00000000000000000000000000000000\"")] {
        match remote.write(object, &lease.content(), condition) {
            Err(GaveUp { failure: Failure::Condition, .. }) => {}
            Ok(_) => return Err(StorageError::StorageReplicaOnly { storage: remote.place.clone() }),
            Err(gave_up) => return Err(remote.error(gave_up, key, "lock")),
        }
    }
    remote.keeps_conditions.store(true, Ordering::Relaxed);
    Ok(())
}

/// Returns how long ago an object was changed, by the store's clock alone, in seconds.
fn age(found: &Found) -> Option<i64> {
    Some(found.answered_seconds?.saturating_sub(found.modified_seconds))
}

/// Tells whether a holder has not renewed its lease in time.
fn is_dead(remote: &Remote, object: &str, lease: &Lease, found: &Found) -> Result<bool, StorageError> {
    let length = lease.length();
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    let seen_for = {
        let mut sightings = remote.sightings.lock().unwrap_or_else(PoisonError::into_inner);
        let sighting = sightings.entry(object.to_owned()).or_insert_with(|| (found.etag.clone(), Instant::now()));
        if sighting.0 != found.etag {
            *sighting = (found.etag.clone(), Instant::now());
        }
        sighting.1.elapsed()
    };
    if seen_for > length {
        return Ok(true);
    }
    let watch = match age(found) {
        Some(age) if (-2..=seconds).contains(&age) => return Ok(false),
        // Long enough by the store's clock; that may have been set, so it is watched for two renewals.
        Some(age) if age > seconds => length / BEATS * 2,
        // The store's clock says nothing, or nonsense.
        _ => length + Duration::from_secs(1),
    };
    let begin = Instant::now();
    while begin.elapsed() < watch {
        std::thread::sleep((length / 10).min(watch.saturating_sub(begin.elapsed())));
        match remote.head(object)? {
            Some(now) if now.etag == found.etag => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// A lock that is ours as long as its lease is renewed.
struct LeaseGuard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    is_released: bool,
}

struct Shared {
    client: Arc<dyn Client>,
    patience: Patience,
    place: String,
    key: String,
    object: String,
    length: Duration,
    held: Mutex<Held>,
    stop: Condvar,
}

struct Held {
    lease: Lease,
    tag: String,
    renewed: Instant,
    is_lost: bool,
    is_over: bool,
}

impl LeaseGuard {
    fn begin(remote: &Remote, key: &str, object: String, lease: Lease, tag: String) -> Result<Self, StorageError> {
        let length = lease.length();
        let held = Held { lease, tag, renewed: Instant::now(), is_lost: false, is_over: false };
        let shared = Arc::new(Shared {
            client: Arc::clone(&remote.client),
            // A renewal that takes longer than the lease is of no use.
            patience: Patience { give_up_after: remote.patience.give_up_after.min(length / 2), ..remote.patience },
            place: remote.place.clone(),
            key: key.to_owned(),
            object,
            length,
            held: Mutex::new(held),
            stop: Condvar::new(),
        });
        let renewing = Arc::clone(&shared);
        let mut guard = LeaseGuard { shared, thread: None, is_released: false };
        let thread = std::thread::Builder::new().name("cadena-lease".to_owned()).spawn(move || renewing.keep());
        let (storage, object) = (remote.place.clone(), key.to_owned());
        // On an error the guard is dropped, and with it the lease.
        guard.thread = Some(thread.map_err(|error| StorageError::from_io(&storage, &object, "lock", &error))?);
        Ok(guard)
    }

    fn end(&mut self, state: State) -> Result<(), StorageError> {
        {
            let mut held = self.shared.lock();
            held.is_over = true;
            self.shared.stop.notify_all();
        }
        if let Some(thread) = self.thread.take() {
            // It ends at once, or after the renewal that is under way.
            if thread.join().is_err() {
                tracing::warn!(key = self.shared.key, "the thread that renews the lease broke");
            }
        }
        let mut held = self.shared.lock();
        self.shared.renew(&mut held, |lease| lease.state = state)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self) -> StorageError {
        StorageError::StorageLockLost { storage: self.place.clone(), object: self.key.clone() }
    }

    /// Renews the lease until the guard ends.
    fn keep(&self) {
        let mut held = self.lock();
        let mut pause = self.length / BEATS;
        while !held.is_over && !held.is_lost {
            let (locked, timeout) = self.stop.wait_timeout(held, pause).unwrap_or_else(PoisonError::into_inner);
            held = locked;
            if held.is_over || held.is_lost || !timeout.timed_out() {
                continue;
            }
            // What was written meanwhile for another reason renewed it, too.
            let since = held.renewed.elapsed();
            if since + Duration::from_millis(50) < self.length / BEATS {
                pause = self.length / BEATS - since;
                continue;
            }
            pause = match self.renew(&mut held, |_| {}) {
                Ok(()) => self.length / BEATS,
                Err(error) => {
                    tracing::warn!(%error, key = self.key, "the lease of the lock is not renewed");
                    (self.length / (BEATS * 4)).max(Duration::from_millis(100))
                }
            };
        }
    }

    /// Writes the lease again, changed or not, if it is still as we left it.
    fn renew(&self, held: &mut Held, change: impl FnOnce(&mut Lease)) -> Result<(), StorageError> {
        if held.is_lost {
            return Err(self.lost());
        }
        let mut lease = held.lease.clone();
        lease.beat += 1;
        change(&mut lease);
        let write = |tag: &str, lease: &Lease| {
            let condition = Condition::Unchanged(tag);
            put_once(self.client.as_ref(), &self.patience, &self.object, &lease.content(), condition, &token::new())
        };
        let mut written = write(&held.tag, &lease);
        if matches!(written, Err(GaveUp { failure: Failure::Condition, .. })) {
            // An earlier renewal whose answer was lost would be ours, too.
            if let Some(tag) = self.tag_if_ours(&lease.token)? {
                written = write(&tag, &lease);
            }
        }
        match written {
            Ok(tag) => {
                (held.tag, held.lease, held.renewed) = (tag, lease, Instant::now());
                Ok(())
            }
            Err(GaveUp { failure: Failure::Condition, .. }) => {
                held.is_lost = true;
                Err(self.lost())
            }
            Err(GaveUp { failure, seconds }) => Err(failure.into_storage(&self.place, &self.key, "lock", seconds)),
        }
    }

    fn tag_if_ours(&self, token: &str) -> Result<Option<String>, StorageError> {
        let got = self.patience.run(|_| self.client.get(&self.object, None, None));
        let got =
            got.map_err(|gave_up| gave_up.failure.into_storage(&self.place, &self.key, "lock", gave_up.seconds))?;
        Ok(got.and_then(|(content, found)| {
            let lease: Lease = serde_json::from_slice(&content).ok()?;
            (lease.token == token).then_some(found.etag)
        }))
    }
}

impl LockGuard for LeaseGuard {
    fn confirm(&mut self) -> Result<(), StorageError> {
        let mut held = self.shared.lock();
        self.shared.renew(&mut held, |_| {})
    }

    fn is_lost(&self) -> bool {
        // While a renewal is under way, its outcome is not known; it ends within half of the lease.
        self.shared.held.try_lock().is_ok_and(|held| held.is_lost)
    }

    fn update_holder(&mut self, holder: &[u8]) -> Result<(), StorageError> {
        let mut held = self.shared.lock();
        self.shared.renew(&mut held, |lease| lease.holder = STANDARD.encode(holder))
    }

    fn release(mut self: Box<Self>) -> Result<(), StorageError> {
        self.is_released = true;
        self.end(State::Free)
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if self.is_released {
            return;
        }
        if let Err(error) = self.end(State::Dropped) {
            tracing::warn!(%error, key = self.shared.key, "the lease could not be given up; it runs out by itself");
        }
    }
}

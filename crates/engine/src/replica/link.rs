//! The repository and one replica, while somebody works with both.

use super::copy::CopyTerms;
use super::keys::{ObjectKind, PREFIXES, SINGLE, kind_of};
use super::state::{ReplicaBacklog, ReplicaState, lock_key};
use super::write_only::WriteOnly;
use super::{Replica, ReplicaCopy, ReplicaError};
use crate::journal::{error_value, note};
use crate::pipeline::RateLimit;
use crate::{Cancel, Error};
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vault::journal::{EventLevel, NewEvent};
use vault::repository::{BackupState, DESCRIPTION_KEY, Repository, RepositoryDescription};
use vault::storage::{LockAttempt, LockGuard, LockHolder, Storage, host_name};

/// Holds the replica's lock (a lock of the repository: one process works with a replica for it), and knows what lies there. Backups and WAL
/// may be sent at once by two threads.
pub struct ReplicaLink {
    pub(super) source: Repository,
    pub(super) replica: Replica,
    pub(super) rate: RateLimit,
    /// Sizes of what lies there, by key.
    there: Mutex<BTreeMap<String, u64>>,
    /// What was last sent of objects that change: their content, or size and time.
    sent: Mutex<BTreeMap<String, Sent>>,
    state: Mutex<ReplicaState>,
    guard: Mutex<Option<Box<dyn LockGuard>>>,
    has_looked: AtomicBool,
    /// What our lock says of us; no two links say the same.
    holder: String,
    /// What does not go at present.
    failing: Mutex<BTreeSet<&'static str>>,
    /// Where nothing may be read: what was sent.
    pub(super) write_only: Option<Arc<WriteOnly>>,
    /// It was seen to be ours before it was only written.
    pub(super) was_seen: bool,
}

/// What was last sent of an object that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    Content(Vec<u8>),
    Stamp { size_bytes: u64, modified_seconds: i64 },
}

impl ReplicaLink {
    /// Takes the replica's lock. The replica itself is not asked for anything yet.
    ///
    /// # Errors
    /// `ReplicaIsRepository`, `ReplicaBusy`; those of the repository's storage.
    pub fn begin(source: &Repository, replica: &Replica) -> Result<Self, Error> {
        let storage = source.storage();
        let (location, place) = (replica.storage.describe(), replica.storage.place());
        if place == storage.place() {
            let replica = replica.name.clone();
            return Err(ReplicaError::ReplicaIsRepository { replica, storage: location }.into());
        }
        let holder = format!("process {} on {} since {}", std::process::id(), host_name(), Timestamp::now());
        let guard = match storage.try_lock(&lock_key(&replica.name), &|_| holder.clone().into_bytes())? {
            LockAttempt::Acquired { guard, .. } => guard,
            LockAttempt::Held { holder } => {
                let holder = String::from_utf8_lossy(&holder).into_owned();
                return Err(ReplicaError::ReplicaBusy { replica: replica.name.clone(), holder }.into());
            }
        };
        let state = ReplicaState::load(source, &replica.name).or_else(|error| match error {
            // It is a memory of what a listing tells.
            Error::Replica(ReplicaError::ReplicaStateUnreadable { .. }) => {
                tracing::warn!(%error, "made anew");
                Ok(ReplicaState::default())
            }
            error => Err(error),
        })?;
        let is_same = state.place.as_ref().map_or(state.location == location, |known| *known == place);
        let was_seen = state.reached_at.is_some() && is_same;
        let mut replica = replica.clone();
        let mut write_only = None;
        if replica.write_only {
            let memory = WriteOnly::load(source, &replica.name, Arc::clone(&replica.storage))?;
            let memory = write_only.insert(Arc::new(memory));
            replica.storage = Arc::clone(memory) as Arc<dyn Storage>;
        }
        let (name, provider) = (replica.name.clone(), replica.provider.clone());
        let known = ReplicaState { name, provider, location, place: Some(place), ..state };
        Ok(ReplicaLink {
            source: source.clone(),
            rate: RateLimit::new(replica.max_rate_bytes),
            there: Mutex::default(),
            sent: Mutex::default(),
            state: Mutex::new(known),
            guard: Mutex::new(Some(guard)),
            has_looked: AtomicBool::new(false),
            failing: Mutex::default(),
            holder,
            write_only,
            was_seen,
            replica,
        })
    }

    /// Lists the replica, if that was not done yet.
    ///
    /// # Errors
    /// Those of [`ReplicaLink::look`].
    pub fn reach(&self) -> Result<(), Error> {
        if self.has_looked.load(Ordering::Acquire) { Ok(()) } else { self.look() }
    }

    /// Returns the replica.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Returns what is known of it now.
    pub fn state(&self) -> ReplicaState {
        self.state_lock().clone()
    }

    /// Checks that the replica is of the same cluster (or empty), lists it, and takes what its listing tells for true: which backups are there, however they came.
    ///
    /// # Errors
    /// `ReplicaForeign`; those of both storages.
    pub fn look(&self) -> Result<(), Error> {
        match &self.write_only {
            Some(memory) => memory.keep(&self.wanted()?),
            None => {
                self.check_cluster()?;
                self.check_place()?;
            }
        }
        let mut there = BTreeMap::new();
        for prefix in PREFIXES {
            there.extend(self.target().list(prefix)?.into_iter().map(|object| (object.key, object.size_bytes)));
        }
        for key in SINGLE {
            if let Some(size_bytes) = self.target().size_bytes(key)? {
                there.insert(key.to_owned(), size_bytes);
            }
        }
        *self.there_lock() = there;
        let contents = self.source.contents()?;
        let now = Timestamp::now();
        let mut state = self.state_lock();
        let known = std::mem::take(&mut state.backups);
        for record in contents.records.iter().filter(|record| record.state == BackupState::Completed) {
            let Some((archive, name)) = archive_and_record(&record.archive_name) else { continue };
            let there = self.there_lock();
            let is_whole = there.get(&archive) == Some(&record.archive_bytes) && there.contains_key(&name);
            drop(there);
            if is_whole {
                let copy = known.get(&record.id.0).cloned();
                let fresh = || ReplicaCopy { at: now, url: self.target().url(&archive), verified_at: None };
                state.backups.insert(record.id.0, copy.unwrap_or_else(fresh));
            }
        }
        if self.write_only.is_none() {
            state.reached_at = Some(now);
        }
        self.has_looked.store(true, Ordering::Release);
        Ok(())
    }

    /// Lists what the repository has of what is copied.
    fn wanted(&self) -> Result<BTreeSet<String>, Error> {
        let mut wanted: BTreeSet<String> = SINGLE.iter().map(|key| (*key).to_owned()).collect();
        for prefix in PREFIXES {
            wanted.extend(self.source.storage().list(prefix)?.into_iter().map(|object| object.key));
        }
        Ok(wanted)
    }

    /// Refuses what would read or remove where only writing is allowed.
    pub(super) fn refuse_write_only(&self) -> Result<(), Error> {
        match &self.write_only {
            None => Ok(()),
            Some(_) => Err(ReplicaError::ReplicaWriteOnly { replica: self.replica.name.clone() }.into()),
        }
    }

    /// Refuses the repository itself under another name: our own lock is seen there.
    fn check_place(&self) -> Result<(), Error> {
        if !self.target().can_lock() {
            return Ok(());
        }
        match self.target().lock_holder(&lock_key(&self.replica.name))? {
            LockHolder::Alive(text) if text == self.holder.as_bytes() => {
                let (replica, storage) = (self.replica.name.clone(), self.source.storage().describe());
                Err(ReplicaError::ReplicaIsRepository { replica, storage }.into())
            }
            _ => Ok(()),
        }
    }

    /// Refuses another cluster's replica. One without a description is empty, or about to be made.
    fn check_cluster(&self) -> Result<(), Error> {
        let Some(content) = self.target().get(DESCRIPTION_KEY)? else { return Ok(()) };
        let wanted = self.source.description().system_identifier.to_string();
        let found = serde_json::from_slice::<RepositoryDescription>(&content)
            .map_or_else(|error| error.to_string(), |description| description.system_identifier.to_string());
        if found == wanted {
            return Ok(());
        }
        Err(ReplicaError::ReplicaForeign { replica: self.replica.name.clone(), found, wanted }.into())
    }

    /// Enters what is known into the repository, where `status` and the catalog find it.
    ///
    /// # Errors
    /// Storage errors.
    pub fn save(&self) -> Result<(), Error> {
        if let Some(memory) = &self.write_only {
            memory.save(&self.source, &self.replica.name)?;
        }
        let state = self.state();
        state.save(&self.source)
    }

    /// Notes how an attempt ended. That the replica fails, and that it is well again in all that is done with it, are events.
    pub fn note_outcome(&self, what: &'static str, error: Option<&Error>) {
        let now = Timestamp::now();
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let was_failing = !failing.is_empty();
        match error {
            Some(_) => failing.insert(what),
            None => failing.remove(what),
        };
        let is_failing = !failing.is_empty();
        drop(failing);
        let event = {
            let mut state = self.state_lock();
            let is_news = state.failing_since.is_none();
            match error {
                Some(error) => {
                    state.failing_since.get_or_insert(now);
                    state.error = Some(error_value(error));
                    let details = json!({ "error": error_value(error) });
                    is_news.then(|| NewEvent::new(EventLevel::Warning, "replica-failing", None, details))
                }
                None if is_failing => None,
                None => {
                    state.reached_at = Some(now);
                    state.error = None;
                    let recovered = |since: Timestamp| {
                        NewEvent::new(EventLevel::Info, "replica-recovered", None, json!({ "since": since }))
                    };
                    state.failing_since.take().map(recovered)
                }
            }
        };
        let is_news = event.is_some() || was_failing != is_failing || error.is_some();
        if let Some(event) = event {
            self.tell(event);
        }
        if is_news && let Err(error) = self.save() {
            tracing::warn!(%error, replica = self.replica.name, "what is known of the replica could not be kept");
        }
    }

    /// Frees the lock.
    pub fn finish(self) {
        if let Err(error) = self.save() {
            tracing::warn!(%error, replica = self.replica.name, "what is known of the replica could not be kept");
        }
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = guard.map(LockGuard::release) {
            tracing::warn!(%error, "could not clear the holder of the replica's lock");
        }
    }

    pub(super) fn target(&self) -> &dyn Storage {
        self.replica.storage.as_ref()
    }

    pub(super) fn terms<'a>(&'a self, cancel: &'a Cancel, advance: &'a (dyn Fn(u64) + Sync)) -> CopyTerms<'a> {
        CopyTerms { rate: &self.rate, cancel, advance }
    }

    /// Returns the size of what lies there under a key.
    pub(super) fn size_there(&self, key: &str) -> Option<u64> {
        self.there_lock().get(key).copied()
    }

    pub(super) fn note_there(&self, key: &str, size_bytes: u64) {
        self.there_lock().insert(key.to_owned(), size_bytes);
    }

    pub(super) fn forget_there(&self, key: &str) {
        self.there_lock().remove(key);
    }

    pub(super) fn keys_there(&self, wanted: impl Fn(&ObjectKind) -> bool) -> Vec<String> {
        let there = self.there_lock();
        there.keys().filter(|key| kind_of(key).is_some_and(|kind| wanted(&kind))).cloned().collect()
    }

    pub(super) fn set_backlog(&self, change: impl FnOnce(&mut ReplicaBacklog)) {
        change(&mut self.state_lock().backlog);
    }

    pub(super) fn with_state<T>(&self, change: impl FnOnce(&mut ReplicaState) -> T) -> T {
        change(&mut self.state_lock())
    }

    /// Enters an event about this replica into the repository's journal.
    pub(super) fn tell(&self, mut event: NewEvent) {
        event.details.insert("replica".to_owned(), self.replica.name.as_str().into());
        event.details.insert("provider".to_owned(), self.replica.provider.as_str().into());
        note(&self.source, event);
    }

    pub(super) fn sent_lock(&self) -> MutexGuard<'_, BTreeMap<String, Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_lock(&self) -> MutexGuard<'_, ReplicaState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn there_lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the keys of a backup's archive and record.
pub(super) fn archive_and_record(archive_name: &str) -> Option<(String, String)> {
    let name = vault::repository::BackupName::of_archive(archive_name)?;
    Some((vault::repository::archive_key(&name), vault::repository::record_key(&name)))
}

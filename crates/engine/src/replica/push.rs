//! What the repository has and the replica lacks: backups, and the small objects that change.

use super::copy::{check_size, copy_object, copy_small};
use super::keys::{ObjectKind, SINGLE, kind_of};
use super::link::{ReplicaLink, Sent, archive_and_record};
use super::{ReplicaBacklog, ReplicaCopy, ReplicaError};
use crate::journal::error_value;
use crate::retention::{Policy, look, plan};
use crate::{Cancel, Error};
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use serde_json::json;
use std::time::Instant;
use vault::journal::{EventLevel, NewEvent};
use vault::repository::{BackupId, BackupRecord, BackupState};
use vault::storage::StorageError;

/// What was sent, and what could not be.
#[derive(Debug, Default, Serialize)]
pub struct PushedBackups {
    /// Ids of the backups that arrived now.
    pub copied: Vec<BackupId>,
    /// Bytes that went.
    pub bytes: u64,
    /// Backups that can't be copied, since they are damaged or gone here: what is wrong, by id.
    pub faulty: Vec<(BackupId, Error)>,
}

/// What happens while something is copied, for whoever shows progress.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq)]
pub enum ReplicaStep {
    /// The next backup begins to go.
    ReplicaSending { replica: String, name: String, bytes: u64 },
    /// Some more bytes went.
    ReplicaSent { bytes: u64 },
}

impl ReplicaLink {
    /// Sends every backup that the policy keeps and the replica lacks, in order of their ids, each archive before its record; then what has
    /// changed of the small objects. `only` sends that one and what it stands on, whatever the policy says.
    ///
    /// # Errors
    /// Those of the storages; what had arrived until then stays. A damaged archive is none: it is in the result, and an event.
    ///
    /// # Cancellation
    /// Leaves nothing half visible.
    pub fn push_backups(
        &self,
        policy: Option<&Policy>,
        now: &Zoned,
        only: Option<BackupId>,
        step: &(dyn Fn(ReplicaStep) + Sync),
        cancel: &Cancel,
    ) -> Result<PushedBackups, Error> {
        self.reach()?;
        self.push_description(cancel)?;
        let pending = self.pending(policy, now, only)?;
        let mut left = ReplicaBacklog {
            backups: pending.iter().filter(|record| record.state == BackupState::Completed).count() as u64,
            bytes: pending.iter().map(|record| record.archive_bytes).sum(),
            segments: 0,
        };
        self.set_backlog(|backlog| (backlog.backups, backlog.bytes) = (left.backups, left.bytes));
        let mut pushed = PushedBackups::default();
        for record in pending {
            match self.push_backup(&record, step, cancel) {
                Ok(bytes) if record.state == BackupState::Completed => {
                    pushed.bytes += bytes;
                    pushed.copied.push(record.id);
                }
                Ok(bytes) => pushed.bytes += bytes,
                Err(error) if is_fault_of_source(&error) => {
                    let details = json!({ "name": record.archive_name, "error": error_value(&error) });
                    self.tell(NewEvent::new(EventLevel::Error, "replica-source-damaged", Some(record.id), details));
                    pushed.faulty.push((record.id, error));
                }
                Err(error) => return Err(error),
            }
            left.backups -= u64::from(record.state == BackupState::Completed);
            left.bytes -= record.archive_bytes;
            self.set_backlog(|backlog| (backlog.backups, backlog.bytes) = (left.backups, left.bytes));
        }
        self.push_small(cancel)?;
        if only.is_none() && pushed.faulty.is_empty() {
            self.with_state(|state| state.complete_at = Some(Timestamp::now()));
        }
        Ok(pushed)
    }

    /// Chooses what is to go, lowest id first.
    fn pending(
        &self,
        policy: Option<&Policy>,
        now: &Zoned,
        only: Option<BackupId>,
    ) -> Result<Vec<BackupRecord>, Error> {
        let view = look(&self.source)?;
        let is_wanted: Box<dyn Fn(&BackupRecord) -> bool> = match (only, policy) {
            (Some(id), _) => {
                let chain = self.source.chain(id)?;
                Box::new(move |record| chain.iter().any(|link| link.id == record.id))
            }
            (None, Some(policy)) => {
                policy.check()?;
                let going = plan(&view, policy, now).going();
                let removed = self.with_state(|state| state.removed.clone());
                Box::new(move |record| !going.contains(&record.id) && !removed.contains(&record.id.0))
            }
            (None, None) => Box::new(|_| true),
        };
        let lacks = |record: &BackupRecord| {
            archive_and_record(&record.archive_name).is_some_and(|(archive, name)| {
                let has_record = self.size_there(&name).is_some();
                let has_archive = self.size_there(&archive) == Some(record.archive_bytes);
                !has_record || record.state == BackupState::Completed && !has_archive
            })
        };
        let records = view.contents.records.iter().filter(|record| is_wanted(record) && lacks(record));
        Ok(records.cloned().collect())
    }

    /// Sends one backup: what belongs to it, its archive, its record.
    fn push_backup(
        &self,
        record: &BackupRecord,
        step: &(dyn Fn(ReplicaStep) + Sync),
        cancel: &Cancel,
    ) -> Result<u64, Error> {
        let Some((archive, record_key)) = archive_and_record(&record.archive_name) else { return Ok(0) };
        let begin = Instant::now();
        let from = self.source.storage().as_ref();
        let mut bytes = 0;
        let sent = |bytes| step(ReplicaStep::ReplicaSent { bytes });
        let terms = self.terms(cancel, &sent);
        if record.state == BackupState::Completed {
            let name = record.archive_name.clone();
            let replica = self.replica.name.clone();
            step(ReplicaStep::ReplicaSending { replica, name, bytes: record.archive_bytes });
            let stem = archive.strip_suffix("backup").unwrap_or(&archive);
            for object in from.list(stem)? {
                let is_companion = matches!(kind_of(&object.key), Some(ObjectKind::Companion(_)));
                if is_companion && self.size_there(&object.key) != Some(object.size_bytes) {
                    bytes += copy_object(from, self.target(), &object.key, None, &terms)?.bytes;
                    self.note_there(&object.key, object.size_bytes);
                }
            }
            match self.size_there(&archive) {
                Some(size_bytes) if size_bytes == record.archive_bytes => {}
                // Another one: what a mistake put there is not overwritten unseen.
                Some(found_bytes) if self.size_there(&record_key).is_some() => {
                    let (storage, object) = (self.target().describe(), archive);
                    let wanted_bytes = record.archive_bytes;
                    return Err(ReplicaError::ReplicaConflict { storage, object, found_bytes, wanted_bytes }.into());
                }
                other => {
                    if other.is_some() {
                        // Without a record it is no backup: what a store without whole writes left.
                        self.target().delete(&archive)?;
                    }
                    bytes += copy_object(from, self.target(), &archive, record.sha256.as_deref(), &terms)?.bytes;
                    self.note_there(&archive, record.archive_bytes);
                }
            }
        }
        let Some(content) = from.get(&record_key)? else {
            // A cleanup was faster.
            return Ok(bytes);
        };
        match self.target().put_if_absent(&record_key, &content) {
            Ok(()) | Err(StorageError::StorageExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        check_size(self.target(), &record_key, content.len() as u64)?;
        self.note_there(&record_key, content.len() as u64);
        if record.state == BackupState::Completed {
            let url = self.target().url(&archive);
            let copy = ReplicaCopy { at: Timestamp::now(), url: url.clone(), verified_at: None };
            self.with_state(|state| {
                state.removed.remove(&record.id.0);
                state.backups.insert(record.id.0, copy)
            });
            let details = json!({
                "name": record.archive_name, "kind": record.kind, "url": url, "bytes": bytes,
                "seconds": begin.elapsed().as_secs_f64(),
            });
            self.tell(NewEvent::new(EventLevel::Info, "replica-backup-copied", Some(record.id), details));
            self.save()?;
        }
        Ok(bytes + content.len() as u64)
    }

    /// Makes the replica one of this cluster.
    pub(super) fn push_description(&self, cancel: &Cancel) -> Result<(), Error> {
        let key = vault::repository::DESCRIPTION_KEY;
        if self.size_there(key).is_some() {
            return Ok(());
        }
        if let Some(memory) = &self.write_only {
            let Some(content) = self.source.storage().get(key)? else { return Ok(()) };
            match self.target().put_if_absent(key, &content) {
                Ok(()) => {}
                // What it says can't be seen: it may be another cluster's, under whose names ours would be taken for there.
                Err(StorageError::StorageExists { .. }) if !self.was_seen => {
                    let (replica, storage) = (self.replica.name.clone(), self.target().describe());
                    return Err(ReplicaError::ReplicaUnseen { replica, storage }.into());
                }
                Err(StorageError::StorageExists { .. }) => memory.remember(key, content.len() as u64),
                Err(error) => return Err(error.into()),
            }
            self.note_there(key, content.len() as u64);
            return self.save();
        }
        let terms = self.terms(cancel, &|_| {});
        if let Some(bytes) = copy_small(self.source.storage().as_ref(), self.target(), key, &terms)? {
            self.note_there(key, bytes);
        }
        Ok(())
    }

    /// Sends what has changed of the small objects: the journal, the schedule, keys, the sequence of ids.
    fn push_small(&self, cancel: &Cancel) -> Result<(), Error> {
        let from = self.source.storage().as_ref();
        let terms = self.terms(cancel, &|_| {});
        for key in SINGLE.iter().filter(|key| kind_of(key) == Some(ObjectKind::Changing)) {
            let Some(content) = from.get(key)? else { continue };
            if self.is_news(key, Sent::Content(content.clone())) {
                self.target().put(key, &content)?;
                self.note_sent(key, Sent::Content(content));
            }
        }
        // A new passphrase leaves the identity's file as long as it was.
        for object in from.list("keys/")? {
            let Some(content) = from.get(&object.key)? else { continue };
            let is_new = self.is_news(&object.key, Sent::Content(content.clone()));
            if kind_of(&object.key) == Some(ObjectKind::Changing) && is_new {
                self.target().put(&object.key, &content)?;
                self.note_there(&object.key, object.size_bytes);
                self.note_sent(&object.key, Sent::Content(content));
            }
        }
        for prefix in ["events/", "drills/"] {
            for object in from.list(prefix)? {
                let stamp = Sent::Stamp { size_bytes: object.size_bytes, modified_seconds: object.modified_seconds };
                // What lies there with the same size since before this began is taken for the same.
                let is_known = self.sent_lock().contains_key(&object.key);
                let is_there = !is_known && self.size_there(&object.key) == Some(object.size_bytes);
                if kind_of(&object.key) == Some(ObjectKind::Changing)
                    && !is_there
                    && self.is_news(&object.key, stamp.clone())
                {
                    copy_small(from, self.target(), &object.key, &terms)?;
                    self.note_there(&object.key, object.size_bytes);
                }
                self.note_sent(&object.key, stamp);
            }
        }
        Ok(())
    }

    pub(super) fn is_news(&self, key: &str, now: Sent) -> bool {
        self.sent_lock().get(key) != Some(&now)
    }

    pub(super) fn note_sent(&self, key: &str, what: Sent) {
        self.sent_lock().insert(key.to_owned(), what);
    }
}

/// Tells whether what was to be copied is damaged or gone here: the replica is not to blame.
pub(super) fn is_fault_of_source(error: &Error) -> bool {
    matches!(
        error,
        Error::Replica(ReplicaError::ReplicaSourceDamaged { .. })
            | Error::Storage(StorageError::StorageMissing { .. } | StorageError::StorageShort { .. })
    )
}

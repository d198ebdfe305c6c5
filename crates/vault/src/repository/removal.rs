//! How does a backup go? Named first, then record by record and archive by archive, what stands on others before these.

use super::layout::{BackupName, REMOVALS_KEY, archive_key, record_key};
use super::running::HolderNote;
use super::{BackupId, BackupKind, BackupRecord, BackupState, Repository, RepositoryContents, RepositoryError};
use super::{RunningBackup, contents::FoundRecord};
use crate::storage::{Exclusion, LockGuard, StorageError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// A backup whose removal has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedBackup {
    /// Its number.
    pub id: BackupId,
    /// What it held.
    pub kind: BackupKind,
    /// The file name of its archive, without folder.
    pub archive_name: String,
}

/// A backup that the storage did not let go. It is whole, and stays.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedRemoval {
    /// Its number.
    pub id: BackupId,
    /// The file name of its archive, without folder.
    pub archive_name: String,
    /// What was refused; `None` when it stays because one that stays stands on it.
    pub error: Option<StorageError>,
}

/// The content of `removals.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Removals {
    removing: Vec<RemovedBackup>,
}

impl RemovedBackup {
    fn name(&self) -> Option<BackupName> {
        BackupName::of_archive(&self.archive_name).filter(|name| name.kind == self.kind)
    }
}

/// The right to remove: the lock of the repository. Dropping it frees the lock.
pub struct CleanupSlot {
    repository: Repository,
    /// `None` once it is released.
    guard: Option<Box<dyn LockGuard>>,
    /// What stands beside the lock.
    note: HolderNote,
    finished: Vec<RemovedBackup>,
    /// Archives without a record that the storage does not let go yet: they stay named.
    left: Vec<RemovedBackup>,
}

/// What [`Repository::finish_removals`] came to.
#[derive(Default)]
pub(super) struct Finished {
    /// Whose archive went now.
    gone: Vec<RemovedBackup>,
    /// Whose archive the storage does not let go yet.
    left: Vec<RemovedBackup>,
}

impl Repository {
    /// Takes the lock for a cleanup, sweeps up after backups whose process died, and finishes what a cleanup that died had begun.
    ///
    /// # Errors
    /// `RepositoryBusy` when a backup or another cleanup runs; those of the storage.
    pub fn begin_cleanup(&self, now: jiff::Timestamp) -> Result<CleanupSlot, RepositoryError> {
        self.begin_work(RunningBackup::cleanup_of_this_process(now))
    }

    /// Takes the lock to bring backups from elsewhere, and sweeps up as a cleanup does.
    ///
    /// # Errors
    /// `RepositoryBusy` when something else holds it; those of the storage.
    pub fn begin_pull(&self, now: jiff::Timestamp) -> Result<CleanupSlot, RepositoryError> {
        self.begin_work(RunningBackup::pull_of_this_process(now))
    }

    fn begin_work(&self, running: RunningBackup) -> Result<CleanupSlot, RepositoryError> {
        let mut guard = self.take_lock(&running)?;
        // Nothing is left to sweep: from here on the text need not name the dead.
        let note = HolderNote::of(running);
        guard.update_holder(&note.text())?;
        let mut slot =
            CleanupSlot { repository: self.clone(), guard: Some(guard), note, finished: Vec::new(), left: Vec::new() };
        let finished = self.finish_removals()?;
        (slot.finished, slot.left) = (finished.gone, finished.left);
        Ok(slot)
    }

    /// Finishes what a cleanup that died had begun, and returns whose archive went only now. Only the holder of the lock may.
    ///
    /// Where the record is gone, the archive follows, or stays named until the storage lets it go. A backup whose record is still there
    /// is whole, and stays: whether it is to go is for the next cleanup to decide.
    pub(super) fn finish_removals(&self) -> Result<Finished, RepositoryError> {
        let Some(named) = self.removals()? else { return Ok(Finished::default()) };
        let mut finished = Finished::default();
        for removed in named {
            let Some(name) = removed.name() else { continue };
            if let FoundRecord::Absent = self.read_record(&name, None)? {
                let key = archive_key(&name);
                if self.storage().size_bytes(&key)?.is_some() {
                    match self.storage().delete(&key) {
                        Ok(()) => finished.gone.push(removed),
                        Err(error) if error.is_refusal() => {
                            tracing::warn!(%error, "what a cleanup that died had begun to remove stays for now");
                            finished.left.push(removed);
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        self.name_left(&finished.left)?;
        Ok(finished)
    }

    /// Names what is left to remove, or removes the list when nothing is.
    fn name_left(&self, left: &[RemovedBackup]) -> Result<(), RepositoryError> {
        if left.is_empty() {
            return Ok(self.storage().delete(REMOVALS_KEY)?);
        }
        self.write_removals(left)
    }

    fn write_removals(&self, removing: &[RemovedBackup]) -> Result<(), RepositoryError> {
        let content = serde_json::to_vec(&Removals { removing: removing.to_vec() }).map_err(|error| {
            let (storage, detail) = (self.storage().describe(), error.to_string());
            RepositoryError::RepositoryUnreadable { storage, object: REMOVALS_KEY.to_owned(), detail }
        })?;
        Ok(self.storage().put(REMOVALS_KEY, &content)?)
    }

    /// Ends what a cleanup that was taken for dead had begun to remove, records and archives. It may only have been paused, and go on
    /// removing: nothing may ever stand on what it has named. Where locks are the kernel's, nothing is named here.
    pub(super) fn finish_removals_of_the_dead(&self, removing: &[RemovedBackup]) -> Result<(), RepositoryError> {
        for removed in removing {
            let Some(name) = removed.name() else { continue };
            match self.read_record(&name, None)? {
                FoundRecord::Readable(record) if record.id == removed.id => {
                    match self.storage().delete(&record_key(&name)) {
                        Ok(()) => self.remove_left_over(&archive_key(&name))?,
                        // The store keeps it from everybody, the dead one too.
                        Err(error @ StorageError::StorageLocked { .. }) => {
                            tracing::warn!(%error, "what a cleanup that died wanted to remove stays");
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                FoundRecord::Absent => self.remove_left_over(&archive_key(&name))?,
                // Another backup has the name by now, or nobody can tell: the dead one's removal is not of it.
                FoundRecord::Readable(_) | FoundRecord::Unreadable(_) => {}
            }
        }
        Ok(())
    }

    /// Tells whether a cleanup has begun to remove the backup of this name.
    pub(super) fn is_being_removed(&self, name: &BackupName) -> Result<bool, RepositoryError> {
        Ok(self.removals()?.is_some_and(|named| named.iter().any(|removed| removed.name().as_ref() == Some(name))))
    }

    /// Reads `removals.json`. One that can't be read names nobody, as a holder's text does: what it may have named is reported as
    /// orphans, and never removed.
    fn removals(&self) -> Result<Option<Vec<RemovedBackup>>, RepositoryError> {
        let Some(content) = self.storage().get(REMOVALS_KEY)? else { return Ok(None) };
        match serde_json::from_slice::<Removals>(&content) {
            Ok(removals) => Ok(Some(removals.removing)),
            Err(error) => {
                tracing::warn!(key = REMOVALS_KEY, %error, "it can't be read, and names nothing");
                Ok(Some(Vec::new()))
            }
        }
    }
}

impl CleanupSlot {
    /// Returns what a cleanup that died had begun to remove, and is gone now.
    pub fn finished(&self) -> &[RemovedBackup] {
        &self.finished
    }

    /// Removes backups: of each its record, then its archive, those with the highest ids first, so that nothing ever stands on what
    /// is gone. `removed` hears of each, and may say that it is enough; the others stay whole. Returns those that the storage did not
    /// let go, because of a retention or a legal hold, say: they, and what they stand on, stay whole as well.
    ///
    /// A crash at any point leaves each backup whole or gone but for an archive that the next holder of the lock removes.
    ///
    /// # Errors
    /// `RepositoryNoBackup`; `RepositoryRemovalRefused` when a backup that is to stay, or that can't be read and may be one, stands on
    /// one of them, or an orphan lies beside it: then nothing was removed. Those of the storage; what was begun then is finished by the
    /// next holder of the lock.
    pub fn remove(
        &mut self,
        ids: &BTreeSet<BackupId>,
        removed: &mut dyn FnMut(&BackupRecord) -> ControlFlow<()>,
    ) -> Result<Vec<RefusedRemoval>, RepositoryError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let contents = self.repository.contents()?;
        let records = to_be_removed(&contents, ids)?;
        let removing = records.iter().map(|(record, _)| RemovedBackup {
            id: record.id,
            kind: record.kind,
            archive_name: record.archive_name.clone(),
        });
        let removing: Vec<RemovedBackup> = removing.collect();
        self.name_beside_the_lock(&removing)?;
        self.repository.write_removals(&[removing, self.left.clone()].concat())?;
        let mut refused: Vec<RefusedRemoval> = Vec::new();
        // What backups that stay stand on.
        let mut needed: BTreeSet<BackupId> = BTreeSet::new();
        for (record, name) in &records {
            let outcome = match needed.contains(&record.id) {
                true => Some(None),
                false => {
                    self.confirm()?;
                    self.remove_one(name)?.map(Some)
                }
            };
            if let Some(error) = outcome {
                needed.extend(record.base_id);
                refused.push(RefusedRemoval { id: record.id, archive_name: record.archive_name.clone(), error });
            } else if removed(record).is_break() {
                break;
            }
        }
        self.name_beside_the_lock(&[])?;
        self.repository.name_left(&self.left)?;
        Ok(refused)
    }

    /// Removes a record, then its archive; or returns what was refused, and then both are there.
    fn remove_one(&self, name: &BackupName) -> Result<Option<StorageError>, RepositoryError> {
        let storage = self.repository.storage();
        let content = storage.get(&record_key(name))?;
        match storage.delete(&record_key(name)) {
            Ok(()) => {}
            Err(error) if error.is_refusal() => return Ok(Some(error)),
            Err(error) => return Err(error.into()),
        }
        match storage.delete(&archive_key(name)) {
            Ok(()) => Ok(None),
            Err(error) if error.is_refusal() => {
                // Its archive is whole: with the record it is a backup again, and no half of one.
                match content.map(|content| storage.put_if_absent(&record_key(name), &content)) {
                    None | Some(Ok(()) | Err(StorageError::StorageExists { .. })) => Ok(Some(error)),
                    Some(Err(error)) => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes sure that the lock is still ours, before something goes that is not named beside it: archived WAL, say.
    ///
    /// # Errors
    /// `StorageLockLost`, and those of the storage.
    pub fn confirm(&mut self) -> Result<(), RepositoryError> {
        match &mut self.guard {
            Some(guard) => Ok(guard.confirm()?),
            None => Ok(()),
        }
    }

    /// Where the lock is a lease, says beside it what is going: in one step with the proof that the lock is still ours. Whoever takes
    /// over ends it, so that nothing is ever taken that stands on what a paused cleanup may still remove.
    fn name_beside_the_lock(&mut self, removing: &[RemovedBackup]) -> Result<(), RepositoryError> {
        if self.repository.storage().exclusion() == Exclusion::Kernel {
            return Ok(());
        }
        self.note.removing = removing.to_vec();
        match &mut self.guard {
            Some(guard) => Ok(guard.update_holder(&self.note.text())?),
            None => Ok(()),
        }
    }

    /// Frees the lock.
    ///
    /// # Errors
    /// Those of the storage; the lock is free even then, and the next holder finds nothing to sweep.
    pub fn finish(mut self) -> Result<(), RepositoryError> {
        if self.repository.recipients().is_some() {
            self.repository.sweep_member_lists();
        }
        if !self.note.removing.is_empty() {
            // Its removals were broken off: the text has to stay.
            drop(self.guard.take());
        }
        match self.guard.take() {
            Some(guard) => Ok(guard.release()?),
            None => Ok(()),
        }
    }
}

impl Drop for CleanupSlot {
    fn drop(&mut self) {
        // What is left to do is told by `removals.json`; where the lock is a lease, by the text beside it, too.
        if !self.note.removing.is_empty() {
            drop(self.guard.take());
        }
        if let Some(Err(error)) = self.guard.take().map(LockGuard::release) {
            tracing::warn!(%error, "could not clear the holder of the lock; the next one finds nothing to sweep");
        }
    }
}

/// Finds the records, the highest id first, and refuses what would break a chain.
fn to_be_removed(
    contents: &RepositoryContents,
    ids: &BTreeSet<BackupId>,
) -> Result<Vec<(BackupRecord, BackupName)>, RepositoryError> {
    let refused =
        |id: BackupId, detail: String| RepositoryError::RepositoryRemovalRefused { id: id.to_string(), detail };
    let staying = contents.records.iter().filter(|record| !ids.contains(&record.id));
    for record in staying.filter(|record| record.state == BackupState::Completed) {
        if let Some(base_id) = record.base_id.filter(|base_id| ids.contains(base_id)) {
            return Err(refused(base_id, format!("backup {} stands on it", record.id)));
        }
    }
    let mut found = Vec::new();
    for &id in ids.iter().rev() {
        let record = contents.records.iter().find(|record| record.id == id);
        let record = record.ok_or_else(|| RepositoryError::RepositoryNoBackup { id: id.to_string() })?;
        let Some(name) = BackupName::of_archive(&record.archive_name) else {
            return Err(refused(id, format!("{:?} is no archive's name", record.archive_name)));
        };
        if contents.orphan_archives.contains(&archive_key(&name)) {
            return Err(refused(id, "an archive that no record vouches for lies beside it".to_owned()));
        }
        // Nothing stands on a failed one.
        let mut doubtful = contents.unreadable.iter().filter(|_| record.state == BackupState::Completed);
        if let Some(doubtful) = doubtful.find(|doubtful| doubtful.may_stand_on(id)) {
            return Err(refused(
                id,
                format!("{} can't be read, and may be of a backup that stands on it", doubtful.key),
            ));
        }
        found.push((record.clone(), name));
    }
    Ok(found)
}

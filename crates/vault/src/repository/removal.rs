//! How does a backup go? Named first, then record by record and archive by archive, what stands on others before these.

use super::layout::{BackupName, REMOVALS_KEY, archive_key, record_key};
use super::running::HolderNote;
use super::{BackupId, BackupKind, BackupRecord, BackupState, Repository, RepositoryContents, RepositoryError};
use super::{RunningBackup, contents::FoundRecord};
use crate::storage::{Exclusion, LockGuard};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

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
        let mut slot = CleanupSlot { repository: self.clone(), guard: Some(guard), note, finished: Vec::new() };
        slot.finished = self.finish_removals()?;
        Ok(slot)
    }

    /// Finishes what a cleanup that died had begun, and returns whose archive went only now. Only the holder of the lock may.
    ///
    /// Where the record is gone, the archive follows. A backup whose record is still there is whole, and stays: whether it is to go
    /// is for the next cleanup to decide.
    pub(super) fn finish_removals(&self) -> Result<Vec<RemovedBackup>, RepositoryError> {
        let Some(named) = self.removals()? else { return Ok(Vec::new()) };
        let mut finished = Vec::new();
        for removed in named {
            let Some(name) = removed.name() else { continue };
            if let FoundRecord::Absent = self.read_record(&name, None)? {
                let key = archive_key(&name);
                if self.storage().size_bytes(&key)?.is_some() {
                    self.storage().delete(&key)?;
                    finished.push(removed);
                }
            }
        }
        self.storage().delete(REMOVALS_KEY)?;
        Ok(finished)
    }

    /// Ends what a cleanup that was taken for dead had begun to remove, records and archives. It may only have been paused, and go on
    /// removing: nothing may ever stand on what it has named. Where locks are the kernel's, nothing is named here.
    pub(super) fn finish_removals_of_the_dead(&self, removing: &[RemovedBackup]) -> Result<(), RepositoryError> {
        for removed in removing {
            let Some(name) = removed.name() else { continue };
            match self.read_record(&name, None)? {
                FoundRecord::Readable(record) if record.id == removed.id => {
                    self.storage().delete(&record_key(&name))?;
                    self.remove_left_over(&archive_key(&name))?;
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
    /// is gone. `removed` hears of each, and may say that it is enough; the others stay whole.
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
    ) -> Result<(), RepositoryError> {
        if ids.is_empty() {
            return Ok(());
        }
        let contents = self.repository.contents()?;
        let records = to_be_removed(&contents, ids)?;
        let removing = records.iter().map(|(record, _)| RemovedBackup {
            id: record.id,
            kind: record.kind,
            archive_name: record.archive_name.clone(),
        });
        let removals = Removals { removing: removing.collect() };
        self.name_beside_the_lock(&removals.removing)?;
        let content = serde_json::to_vec(&removals).map_err(|error| {
            let detail = error.to_string();
            RepositoryError::RepositoryUnreadable {
                storage: self.repository.storage().describe(),
                object: REMOVALS_KEY.to_owned(),
                detail,
            }
        })?;
        let storage = Arc::clone(self.repository.storage());
        storage.put(REMOVALS_KEY, &content)?;
        for (record, name) in &records {
            self.confirm()?;
            storage.delete(&record_key(name))?;
            storage.delete(&archive_key(name))?;
            if removed(record).is_break() {
                break;
            }
        }
        self.name_beside_the_lock(&[])?;
        Ok(storage.delete(REMOVALS_KEY)?)
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

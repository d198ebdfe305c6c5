//! How does a backup begin? The lock, the sweep after the dead, an id, a name.

use super::contents::FoundRecord;
use super::layout::{BackupName, DESCRIPTION_KEY, LOCK_KEY, REMOVALS_KEY, SEQUENCE_KEY, archive_key, record_key};
use super::record_file::{self, ID_LIMIT};
use super::running::HolderNote;
use super::{BackupId, BackupKind, BackupMethod, BackupRecord, BackupSlot, BackupState, Repository, RepositoryError};
use super::{RunningBackup, RunningWork};
use crate::journal::{EventLevel, Journal, NewEvent};
use crate::storage::{Exclusion, LockAttempt, LockGuard, StorageError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;

/// The content of `sequence.json`.
#[derive(Serialize, Deserialize)]
struct Sequence {
    last_backup_id: u64,
}

impl Repository {
    /// Takes the lock, sweeps up after a holder that died (its partial archive goes, a FALLIDO record tells of it; what a
    /// cleanup had begun to remove goes), and reserves an id and a name. `now` gives the name its local time.
    ///
    /// # Errors
    /// `RepositoryBusy` when another backup or a cleanup runs; `RepositoryUnreadable` when the sequence of ids can't be read.
    pub fn begin_backup(&self, kind: BackupKind, now: &jiff::Zoned) -> Result<BackupSlot, RepositoryError> {
        self.begin(RunningBackup::of_this_process(kind, now.timestamp()), now)
    }

    /// The same for a logical FULL.
    ///
    /// # Errors
    /// Those of [`Self::begin_backup`].
    pub fn begin_logical(&self, now: &jiff::Zoned) -> Result<BackupSlot, RepositoryError> {
        let running = RunningBackup::of_this_process(BackupKind::Full, now.timestamp());
        self.begin(RunningBackup { method: BackupMethod::Logical, ..running }, now)
    }

    fn begin(&self, mut running: RunningBackup, now: &jiff::Zoned) -> Result<BackupSlot, RepositoryError> {
        let mut guard = self.take_lock(&running)?;
        // What a cleanup could not remove is in no backup's way: it stays named, and the next one tries again.
        if let Err(error) = self.finish_removals().map(drop) {
            tracing::warn!(%error, "what a cleanup that died had begun to remove is not gone yet");
        }

        // From here on a failure leaves nothing that a later run would have to know of.
        match self.reserve(&mut running, guard.as_mut(), now) {
            Ok(name) => Ok(BackupSlot::new(self.clone(), guard, running, name)),
            Err(error) => {
                if let Err(release_error) = guard.release() {
                    tracing::warn!(%release_error, "could not release the lock");
                }
                Err(error)
            }
        }
    }

    /// Takes the lock and sweeps up after the backups of dead holders. On an error the guard is dropped, not released: the text
    /// beside the lock still names the dead.
    pub(super) fn take_lock(&self, running: &RunningBackup) -> Result<Box<dyn LockGuard>, RepositoryError> {
        let attempt = self.storage().try_lock(LOCK_KEY, &|left| HolderNote::after(running, left).text())?;
        let (guard, left) = match attempt {
            LockAttempt::Held { holder } => return Err(busy(&holder)),
            LockAttempt::Acquired { guard, left_by_dead_holder } => (guard, left_by_dead_holder),
        };
        self.sweep_after_the_dead(running, left.as_deref())?;
        Ok(guard)
    }

    fn sweep_after_the_dead(&self, running: &RunningBackup, left: Option<&[u8]>) -> Result<(), RepositoryError> {
        let Some(left) = left else { return Ok(()) };
        let note = HolderNote::after(running, Some(left));
        for dead in &note.unswept {
            self.sweep_interrupted(dead)?;
        }
        self.finish_removals_of_the_dead(&note.removing)?;
        self.storage().sweep(SEQUENCE_KEY)?;
        self.storage().sweep(REMOVALS_KEY)?;
        self.storage().sweep(DESCRIPTION_KEY)?;
        Ok(())
    }

    /// Removes what one dead backup left, and leaves a FALLIDO record. Running it again changes nothing.
    ///
    /// Only the archive that the dead holder named is removed, and only if no record vouches for it.
    fn sweep_interrupted(&self, dead: &RunningBackup) -> Result<(), RepositoryError> {
        let Some(name) = dead.name() else { return Ok(()) };
        self.storage().sweep(&archive_key(&name))?;
        self.storage().sweep(&record_key(&name))?;
        if let FoundRecord::Absent = self.read_record(&name, None)? {
            if self.storage().exclusion() == Exclusion::Kernel {
                // It is dead: first what it left, so that no failed backup ever has an archive.
                self.storage().delete(&archive_key(&name))?;
            }
            // A holder whose lease ran out may only have been paused: from here on it can't write its record any more.
            let record = record_file::interrupted(dead, self.description(), record_file::interruption(dead));
            match self.storage().put_if_absent(&record_key(&name), &record_file::write(&record)?) {
                Ok(()) => self.tell_of_interruption(&record),
                // It was faster: its record counts.
                Err(StorageError::StorageExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match self.read_record(&name, None)? {
            // Somebody removed it by hand since.
            FoundRecord::Absent => {}
            // It died while it gave up, or while somebody swept up after it, or is swept up after now.
            FoundRecord::Readable(record) if record.state == BackupState::Failed && record.id == dead.id => {
                self.remove_left_over(&archive_key(&name))?;
            }
            // It died after its commit: nothing to sweep. A record of another id is none of its business.
            FoundRecord::Readable(_) => {}
            // Something lies where its record would be. It may vouch for the archive: both stay, and are reported.
            FoundRecord::Unreadable(unreadable) => {
                tracing::warn!(key = unreadable.key, detail = unreadable.detail, "not swept");
            }
        }
        Ok(())
    }

    /// Removes an archive that no record vouches for. Who may only write to a storage elsewhere leaves it to those who may delete.
    pub(super) fn remove_left_over(&self, key: &str) -> Result<(), StorageError> {
        match self.storage().delete(key) {
            Err(error) if error.is_refusal() && self.storage().exclusion() == Exclusion::Lease => {
                tracing::warn!(%error, "a left-over stays: its record says that it is none");
                Ok(())
            }
            removed => removed,
        }
    }

    /// Enters a backup whose process died into the journal. That it can't be is no reason not to take the next one.
    fn tell_of_interruption(&self, record: &BackupRecord) {
        let details =
            json!({ "kind": record.kind, "method": record.method, "name": record.archive_name, "error": record.error });
        let event = NewEvent::new(EventLevel::Error, "backup-failed", Some(record.id), details);
        if let Err(error) = Journal::of(self).append(jiff::Timestamp::now(), event) {
            tracing::warn!(%error, "the interrupted backup could not be entered into the journal");
        }
    }

    /// Reserves id and name, and writes both beside the lock, before anything is written under them.
    fn reserve(
        &self,
        running: &mut RunningBackup,
        guard: &mut dyn LockGuard,
        now: &jiff::Zoned,
    ) -> Result<BackupName, RepositoryError> {
        let name = self.free_name(running.kind, now.datetime())?;
        running.id = self.next_id()?;
        running.archive_name = name.archive_file_name();
        guard.update_holder(&HolderNote::of(running.clone()).text())?;
        Ok(name)
    }

    /// Draws the next id: above the last one drawn, and above every id that any file claims. The sequence alone would lose
    /// its memory with its file, the files alone with their deletion.
    fn next_id(&self) -> Result<BackupId, RepositoryError> {
        let unreadable = |detail: String| RepositoryError::RepositoryUnreadable {
            storage: self.storage().describe(),
            object: SEQUENCE_KEY.to_owned(),
            detail,
        };
        let contents = self.contents()?;
        let recorded = contents.records.iter().map(|record| record.id);
        let claimed = contents.unreadable.iter().filter_map(|unreadable| unreadable.id);
        let highest = recorded.chain(claimed).map(|id| id.0).max().unwrap_or(0);
        let next = |there: Option<&[u8]>| -> Result<(u64, Vec<u8>), String> {
            // Not guessed: an id used twice would join backups that have nothing to do with one another.
            let drawn = there.map(serde_json::from_slice::<Sequence>).transpose().map_err(|error| error.to_string())?;
            let last = drawn.map_or(highest, |sequence| sequence.last_backup_id.max(highest));
            if last >= ID_LIMIT {
                return Err(format!("no id is left after {last}"));
            }
            let sequence = Sequence { last_backup_id: last + 1 };
            Ok((last + 1, serde_json::to_vec(&sequence).map_err(|error| error.to_string())?))
        };
        let mut drawn = Ok(0);
        self.storage().update(SEQUENCE_KEY, &mut |there| match next(there) {
            Ok((id, content)) => {
                drawn = Ok(id);
                Some(content)
            }
            Err(detail) => {
                drawn = Err(detail);
                None
            }
        })?;
        drawn.map(BackupId).map_err(unreadable)
    }

    /// Finds a name that no file has, whatever its ending.
    fn free_name(&self, kind: BackupKind, local: jiff::civil::DateTime) -> Result<BackupName, RepositoryError> {
        let folder = format!("{}/", kind.folder());
        let first = BackupName::new(kind, local, 1);
        let taken: HashSet<String> = self
            .storage()
            .list(&format!("{folder}{}", first.stem))?
            .into_iter()
            .filter_map(|object| Some(object.key.strip_prefix(&folder)?.split(['.', '/']).next()?.to_owned()))
            .collect();
        (1..=u32::MAX)
            .map(|attempt| BackupName::new(kind, local, attempt))
            .find(|name| !taken.contains(&name.stem))
            .ok_or_else(|| {
                let object = archive_key(&first);
                StorageError::StorageExists { storage: self.storage().describe(), object }.into()
            })
    }
}

fn busy(holder: &[u8]) -> RepositoryError {
    match HolderNote::read(holder).map(|note| note.running) {
        Some(running) => RepositoryError::RepositoryBusy {
            work: running.work.word(),
            name: match running.work {
                RunningWork::Cleanup => "cadena cleanup".to_owned(),
                RunningWork::Pull => "cadena replica pull".to_owned(),
                // Before it has a name, its kind says what it is.
                RunningWork::Backup if running.archive_name.is_empty() => running.kind.word().to_owned(),
                RunningWork::Backup => running.archive_name,
            },
            pid: running.pid,
            host: running.host,
            since: running.started_at.to_string(),
        },
        None => RepositoryError::RepositoryBusy {
            work: RunningWork::Backup.word(),
            name: "unknown".to_owned(),
            pid: 0,
            host: "unknown".to_owned(),
            since: "unknown".to_owned(),
        },
    }
}

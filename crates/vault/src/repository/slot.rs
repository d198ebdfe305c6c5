//! How does a backup end? Committed, given up, or swept up.

use super::contents::FoundRecord;
use super::layout::{BackupName, archive_key, record_key};
use super::{BackupId, BackupRecord, BackupState, Repository, RepositoryError, RunningBackup, record_file};
use crate::archive::{ArchiveWriter, SealedArchive};
use crate::encryption::Recipients;
use crate::storage::{Exclusion, LockGuard, PutStream, StorageError};
use std::sync::Arc;

/// The right to write one backup: the lock, an id and a name.
///
/// Dropped without [`BackupSlot::commit`] or [`BackupSlot::fail`] (an early return, a panic), it sweeps what it wrote,
/// leaves a FALLIDO record, and frees the lock.
pub struct BackupSlot {
    repository: Repository,
    /// `None` once the backup has ended.
    guard: Option<Box<dyn LockGuard>>,
    running: RunningBackup,
    name: BackupName,
}

impl BackupSlot {
    pub(super) fn new(
        repository: Repository,
        guard: Box<dyn LockGuard>,
        running: RunningBackup,
        name: BackupName,
    ) -> Self {
        BackupSlot { repository, guard: Some(guard), running, name }
    }

    /// Returns the reserved id.
    pub fn id(&self) -> BackupId {
        self.running.id
    }

    /// Returns the reserved name.
    pub fn name(&self) -> &BackupName {
        &self.name
    }

    /// Begins the archive, encrypted if the repository is.
    ///
    /// # Errors
    /// Those of [`crate::storage::Storage::put_stream`] and [`ArchiveWriter::new`].
    pub fn begin_archive(&mut self) -> Result<ArchiveWriter, RepositoryError> {
        let stream = self.archive_stream()?;
        Ok(ArchiveWriter::new(stream, self.repository.recipients())?)
    }

    /// Opens the stream for the archive.
    ///
    /// # Errors
    /// Those of [`crate::storage::Storage::put_stream`].
    pub fn archive_stream(&mut self) -> Result<Box<dyn PutStream>, RepositoryError> {
        Ok(self.repository.storage().put_stream(&archive_key(&self.name))?)
    }

    /// Commits: archive durable and visible first, record last. `record` must carry the sealed archive's size and digest.
    ///
    /// # Errors
    /// After any error the backup does not exist: what was written is removed, and a FALLIDO record with the error is left.
    /// `RepositoryRecordInvalid` when the record contradicts itself, the slot or the archive.
    pub fn commit(
        mut self,
        archive: Box<dyn PutStream>,
        sealed: &SealedArchive,
        record: &BackupRecord,
    ) -> Result<(), RepositoryError> {
        // What of ours may lie under our two keys. The names were free when we reserved them, and nothing replaces an object
        // here; so after a failed write only an object that kept ours out (`StorageExists`) is somebody else's.
        let mut written = Written { archive: false, record: false };
        if let Err(error) = self.try_commit(archive, sealed, record, &mut written) {
            let mut failed = BackupRecord { state: BackupState::Failed, ..record.clone() };
            failed.error = Some(record_file::error_value(&error));
            return match self.settle_failed(failed, written) {
                Ok(Settled::Completed) => Ok(()),
                Ok(Settled::Failed) => Err(error),
                Err(settle_error) => {
                    tracing::warn!(%settle_error, "could not clean up after a failed commit; the next backup does");
                    Err(error)
                }
            };
        }
        if sealed.encryption.is_some() {
            // Under the lock: nobody's list waits for its record.
            self.repository.sweep_member_lists();
        }
        self.release();
        Ok(())
    }

    /// Gives up: removes what was written and leaves a FALLIDO record. `record.state` must be `Failed`; its size and digest
    /// are cleared, since there is no archive. Drop the archive's stream before: on a full disk that makes room for the record.
    ///
    /// # Errors
    /// The first of those that came up. The lock is free even then; what could not be done now, the next
    /// [`Repository::begin_backup`] does.
    pub fn fail(mut self, record: &BackupRecord) -> Result<(), RepositoryError> {
        let mut failed = record.clone();
        let verdict = match record.state {
            BackupState::Failed => Ok(()),
            state => Err(record_file::invalid(record.id, format!("{} is not FALLIDO", state.word()))),
        };
        failed.state = BackupState::Failed;
        verdict.and(self.settle_failed(failed, Written { archive: true, record: false }).map(|_| ()))
    }

    /// Lets go before anything was written, since the backup turned out not to be wanted. The id goes unused.
    pub fn abandon(mut self) {
        self.release();
    }

    fn try_commit(
        &mut self,
        archive: Box<dyn PutStream>,
        sealed: &SealedArchive,
        record: &BackupRecord,
        written: &mut Written,
    ) -> Result<(), RepositoryError> {
        self.check(record)?;
        if record.state != BackupState::Completed {
            return Err(record_file::invalid(record.id, format!("{} is not COMPLETADO", record.state.word())));
        }
        let recipients = self.repository.recipients().map_or(&[][..], Recipients::texts);
        if record.encryption.as_ref().map_or(&[][..], |encryption| &encryption.recipients) != recipients {
            return Err(record_file::invalid(
                record.id,
                "it is not encrypted for the repository's recipients".to_owned(),
            ));
        }
        if record.archive_bytes != sealed.size_bytes || record.sha256.as_deref() != Some(sealed.sha256.as_str()) {
            return Err(record_file::invalid(record.id, "its size or digest is not the sealed archive's".to_owned()));
        }
        let content = record_file::write(record)?;
        let storage = Arc::clone(self.repository.storage());
        let object = archive_key(&self.name);

        written.archive = true;
        archive.commit().inspect_err(|error| written.archive = !is_exists(error))?;
        match storage.size_bytes(&object)? {
            Some(found_bytes) if found_bytes == sealed.size_bytes => {}
            Some(found_bytes) => {
                let (id, recorded_bytes) = (record.id.to_string(), record.archive_bytes);
                return Err(RepositoryError::RepositoryArchiveSize { id, object, found_bytes, recorded_bytes });
            }
            None => return Err(RepositoryError::RepositoryArchiveMissing { id: record.id.to_string(), object }),
        }
        if let Some(encryption) = &sealed.encryption
            && let Err(error) = self.repository.put_member_list(&self.name, &encryption.member_list)
        {
            tracing::warn!(%error, "without an identity the next backup has to be a FULL");
        }
        if let Some(guard) = &mut self.guard {
            guard.confirm()?;
        }
        // The backup exists from here on.
        written.record = true;
        let put = storage.put_if_absent(&record_key(&self.name), &content);
        Ok(put.inspect_err(|error| written.record = !is_exists(error))?)
    }

    /// Checks a record against the slot and against what a reader would demand.
    fn check(&self, record: &BackupRecord) -> Result<(), RepositoryError> {
        let invalid = |detail: &str| Err(record_file::invalid(record.id, detail.to_owned()));
        if record.id != self.running.id {
            return invalid("its id is not the reserved one");
        }
        if record.kind != self.name.kind || record.archive_name != self.running.archive_name {
            return invalid("its name is not the reserved one");
        }
        record_file::check(record, self.repository.description())
            .map_err(|detail| record_file::invalid(record.id, detail))
    }

    /// Removes what was written, leaves a FALLIDO record, and frees the lock, whatever fails on the way.
    fn settle_failed(&mut self, mut record: BackupRecord, written: Written) -> Result<Settled, RepositoryError> {
        let Some(guard) = self.guard.take() else { return Ok(Settled::Failed) };
        record.archive_bytes = 0;
        record.sha256 = None;
        if record.error.is_none() {
            record.error = Some(record_file::interruption(&self.running));
        }
        let verdict = self.check(&record);
        if verdict.is_err() {
            // The caller's record would not be read again; the error that it carries is what matters.
            let error = record.error.unwrap_or_default();
            record = record_file::interrupted(&self.running, self.repository.description(), error);
        }

        let outcome = match self.repository.storage().exclusion() {
            Exclusion::Kernel => self.undo(&record, written).map(|()| Settled::Failed),
            Exclusion::Lease => self.rule_out(&record, written),
        };
        match outcome {
            Ok(settled) => {
                if let Err(error) = guard.release() {
                    tracing::warn!(%error, "could not clear the holder of the lock; the next backup finds nothing to sweep");
                }
                verdict.map(|()| settled)
            }
            Err(error) => {
                // Dropped, not released: the lock is free, and its text tells the next one what is left to do.
                drop(guard);
                Err(error)
            }
        }
    }

    /// Takes back what was written, and writes a FALLIDO record.
    fn undo(&self, record: &BackupRecord, written: Written) -> Result<(), RepositoryError> {
        let storage = self.repository.storage();
        // The record first: a COMPLETADO record must never stand alone, not even if we die between the two.
        let mut outcome: Result<(), RepositoryError> = Ok(());
        if written.record {
            outcome = outcome.and(storage.delete(&record_key(&self.name)).map_err(Into::into));
        }
        if written.archive && outcome.is_ok() {
            outcome = storage.delete(&archive_key(&self.name)).map_err(Into::into);
        }
        outcome = outcome.and(storage.sweep(&archive_key(&self.name)).map_err(Into::into));
        let put = record_file::write(record)
            .and_then(|content| Ok(storage.put_if_absent(&record_key(&self.name), &content)?));
        outcome.and(put)
    }

    /// Makes sure by a FALLIDO record that no other will ever be written, and only then removes the archive.
    ///
    /// A record that was sent and whose answer was lost may be there, or come yet; others may have seen it, and taken backups that stand
    /// on it. So it is never removed: whichever record is there counts. All of it is safe even when the lock is no longer ours.
    fn rule_out(&self, record: &BackupRecord, written: Written) -> Result<Settled, RepositoryError> {
        let storage = self.repository.storage();
        match storage.put_if_absent(&record_key(&self.name), &record_file::write(record)?) {
            Ok(()) | Err(StorageError::StorageExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match self.repository.read_record(&self.name, None)? {
            FoundRecord::Readable(found) if found.id == self.running.id && found.state == BackupState::Completed => {
                Ok(Settled::Completed)
            }
            FoundRecord::Readable(found) if found.id == self.running.id => {
                if written.archive {
                    self.repository.remove_left_over(&archive_key(&self.name))?;
                }
                storage.sweep(&archive_key(&self.name))?;
                Ok(Settled::Failed)
            }
            // Not ours, or nobody can tell: both objects stay.
            _ => Ok(Settled::Failed),
        }
    }

    /// Releases the lock of a backup that is complete. It stays complete if that fails: the lock ends with the guard, and the
    /// next one to take it finds a record, so it sweeps nothing. So this is no error of the backup.
    fn release(&mut self) {
        if let Some(Err(error)) = self.guard.take().map(LockGuard::release) {
            tracing::warn!(%error, "could not clear the holder of the lock; the next backup finds nothing to sweep");
        }
    }
}

impl Drop for BackupSlot {
    fn drop(&mut self) {
        if self.guard.is_some() {
            let error = record_file::interruption(&self.running);
            let record = record_file::interrupted(&self.running, self.repository.description(), error);
            if let Err(error) = self.settle_failed(record, Written { archive: true, record: false }) {
                tracing::warn!(%error, "could not clean up after a backup that was given up; the next backup does");
            }
        }
    }
}

/// How a commit that failed has ended all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// There is no backup.
    Failed,
    /// The record had been written, and only its answer was lost.
    Completed,
}

/// Which of the two objects may be ours.
#[derive(Clone, Copy)]
struct Written {
    archive: bool,
    record: bool,
}

fn is_exists(error: &StorageError) -> bool {
    matches!(error, StorageError::StorageExists { .. })
}

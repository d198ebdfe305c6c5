use super::{BackupId, BackupKind, BackupName, BackupRecord, RepositoryDescription, RepositoryError, RunningBackup};
use crate::archive::{ArchiveReader, SealedArchive};
use crate::storage::{PutStream, Storage};
use std::sync::Arc;

/// The repository: a storage with a layout.
#[derive(Clone)]
pub struct Repository {
    storage: Arc<dyn Storage>,
}

/// All that a listing finds. Nothing unreadable is hidden.
pub struct RepositoryContents {
    /// Ordered by id.
    pub records: Vec<BackupRecord>,
    pub unreadable: Vec<UnreadableRecord>,
    /// Archives without a record that no running backup is writing: keys. Never removed on their own.
    pub orphan_archives: Vec<String>,
    /// Completed records whose archive is missing or has another size: ids.
    pub without_archive: Vec<BackupId>,
    /// The backup that runs now, if one does.
    pub running: Option<RunningBackup>,
    /// A backup whose process died; the next run sweeps it up.
    pub interrupted: Option<RunningBackup>,
}

/// A record that can't be read, and why.
#[derive(Debug, Clone)]
pub struct UnreadableRecord {
    pub key: String,
    pub detail: String,
}

/// The right to write one backup: the lock, an id and a name. Dropped, it sweeps what it wrote and frees the lock.
pub struct BackupSlot {
    _private: (),
}

impl Repository {
    /// Makes `cadena.json` and the three folders' meaning; repeating it on the same cluster's repository changes nothing.
    ///
    /// # Errors
    /// `RepositoryForeign` when it belongs to another cluster.
    pub fn create(storage: Arc<dyn Storage>, description: &RepositoryDescription) -> Result<Self, RepositoryError> {
        let _ = (storage, description);
        todo!()
    }
    /// Opens an existing repository.
    ///
    /// # Errors
    /// `RepositoryAbsent`, `RepositoryNewer`, `RepositoryUnreadable`.
    pub fn open(storage: Arc<dyn Storage>) -> Result<Self, RepositoryError> {
        let _ = storage;
        todo!()
    }
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
    pub fn description(&self) -> &RepositoryDescription {
        todo!()
    }
    /// Reads every record. Never blocks on a running backup.
    pub fn contents(&self) -> Result<RepositoryContents, RepositoryError> {
        todo!()
    }
    /// Returns the record of one backup.
    ///
    /// # Errors
    /// `RepositoryNoBackup`.
    pub fn record(&self, id: BackupId) -> Result<BackupRecord, RepositoryError> {
        let _ = id;
        todo!()
    }
    /// Returns the newest completed backup.
    ///
    /// # Errors
    /// `RepositoryEmpty`.
    pub fn latest(&self) -> Result<BackupRecord, RepositoryError> {
        todo!()
    }
    /// Opens a completed backup's archive after checking that it is there with the recorded size.
    pub fn open_archive(&self, record: &BackupRecord) -> Result<ArchiveReader, RepositoryError> {
        let _ = record;
        todo!()
    }
    /// Takes the lock, sweeps up after a holder that died (its partial archive goes, a FALLIDO record tells of it), and
    /// reserves an id and a name.
    ///
    /// # Errors
    /// `RepositoryBusy` when another backup runs.
    pub fn begin_backup(&self, kind: BackupKind, now: &jiff::Zoned) -> Result<BackupSlot, RepositoryError> {
        let _ = (kind, now);
        todo!()
    }
}

impl BackupSlot {
    pub fn id(&self) -> BackupId {
        todo!()
    }
    pub fn name(&self) -> &BackupName {
        todo!()
    }
    /// Opens the stream for the archive.
    pub fn archive_stream(&mut self) -> Result<Box<dyn PutStream>, RepositoryError> {
        todo!()
    }
    /// Commits: archive durable and visible first, record last. `record` must carry the sealed archive's size and digest.
    pub fn commit(
        self,
        archive: Box<dyn PutStream>,
        sealed: &SealedArchive,
        record: &BackupRecord,
    ) -> Result<(), RepositoryError> {
        let _ = (archive, sealed, record);
        todo!()
    }
    /// Gives up: removes what was written and leaves a FALLIDO record. `record.state` must be `Failed`.
    pub fn fail(self, record: &BackupRecord) -> Result<(), RepositoryError> {
        let _ = record;
        todo!()
    }
}

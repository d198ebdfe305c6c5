use super::encryption::Encryption;
use super::layout::{BackupName, DESCRIPTION_KEY, LOCK_KEY, archive_key};
use super::{
    BackupId, BackupRecord, BackupState, ENCRYPTED_FORMAT_VERSION, FORMAT_VERSION, RepositoryDescription,
    RepositoryError, UnreadableRecord,
};
use crate::archive::ArchiveReader;
use crate::storage::{ObjectReader, Storage, StorageError};
use serde_json::Value;
use std::sync::Arc;

/// The repository: a storage with a layout.
#[derive(Clone)]
pub struct Repository {
    storage: Arc<dyn Storage>,
    description: Arc<RepositoryDescription>,
    pub(super) encryption: Arc<Encryption>,
}

impl Repository {
    /// Makes `cadena.json`; repeating it on the same cluster's repository changes nothing, and returns what is there.
    /// The folders come with the first backup of each kind. Other files in the storage are not touched.
    ///
    /// # Errors
    /// `RepositoryForeign` when it belongs to another cluster; those of [`Repository::open`] when there is one that can't be used.
    pub fn create(storage: Arc<dyn Storage>, description: &RepositoryDescription) -> Result<Self, RepositoryError> {
        storage.sweep(DESCRIPTION_KEY)?;
        if storage.size_bytes(DESCRIPTION_KEY)?.is_none() {
            let format_version = match description.encryption_recipients.is_empty() {
                true => FORMAT_VERSION,
                false => ENCRYPTED_FORMAT_VERSION,
            };
            let description = RepositoryDescription { format_version, ..description.clone() };
            let mut content = serde_json::to_vec_pretty(&description)
                .map_err(|error| unreadable(storage.as_ref(), error.to_string()))?;
            content.push(b'\n');
            match storage.put_if_absent(DESCRIPTION_KEY, &content) {
                // Another process makes it at the same time: what it wrote counts, and is checked below.
                Ok(()) | Err(StorageError::StorageExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let repository = Self::open(storage)?;
        let (found, wanted) = (repository.description.system_identifier, description.system_identifier);
        if found != wanted {
            return Err(RepositoryError::RepositoryForeign {
                storage: repository.storage.describe(),
                found: found.to_string(),
                wanted: wanted.to_string(),
            });
        }
        Ok(repository)
    }

    /// Opens an existing repository.
    ///
    /// # Errors
    /// `RepositoryAbsent`, `RepositoryNewer`, `RepositoryUnreadable`; `EncryptionUnreadable`, `EncryptionNewer`, `EncryptionRecipient`.
    pub fn open(storage: Arc<dyn Storage>) -> Result<Self, RepositoryError> {
        let Some(content) = storage.get(DESCRIPTION_KEY)? else {
            return Err(RepositoryError::RepositoryAbsent { storage: storage.describe() });
        };
        let broken = |detail: String| unreadable(storage.as_ref(), detail);
        // The version first: a newer description may be of any shape.
        let value: Value = serde_json::from_slice(&content).map_err(|error| broken(error.to_string()))?;
        match value["format_version"].as_u64() {
            Some(version) if version > u64::from(ENCRYPTED_FORMAT_VERSION) => {
                return Err(RepositoryError::RepositoryNewer {
                    storage: storage.describe(),
                    found: u32::try_from(version).unwrap_or(u32::MAX),
                    supported: ENCRYPTED_FORMAT_VERSION,
                });
            }
            None | Some(0) => return Err(broken("it has no format_version".to_owned())),
            Some(_) => {}
        }
        let description = serde_json::from_slice(&content).map_err(|error| broken(error.to_string()))?;
        let encryption = Encryption::read(storage.as_ref(), &description)?;
        Ok(Repository { storage, description: Arc::new(description), encryption: Arc::new(encryption) })
    }

    /// Returns where the repository lies.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Returns what the repository said of itself when it was opened.
    pub fn description(&self) -> &RepositoryDescription {
        &self.description
    }

    /// Returns the record of one backup.
    ///
    /// # Errors
    /// `RepositoryNoBackup`; `RepositoryUnreadable` when a record that can't be trusted claims the id.
    pub fn record(&self, id: BackupId) -> Result<BackupRecord, RepositoryError> {
        let contents = self.contents()?;
        if let Some(record) = contents.records.into_iter().find(|record| record.id == id) {
            return Ok(record);
        }
        match contents.unreadable.into_iter().find(|unreadable| unreadable.id == Some(id)) {
            Some(unreadable) => Err(self.unreadable_record(unreadable)),
            None => Err(RepositoryError::RepositoryNoBackup { id: id.to_string() }),
        }
    }

    /// Returns the newest completed backup that restores to a cluster: the physical one with the highest id, whatever the clock said.
    ///
    /// Never an older one in its place, which would restore older data unasked: it is returned even if its archive is missing
    /// (then [`Repository::open_archive`] tells), and an unreadable record that may be newer is an error.
    ///
    /// # Errors
    /// `RepositoryEmpty`, `RepositoryOnlyLogical`, `RepositoryUnreadable`.
    pub fn latest(&self) -> Result<BackupRecord, RepositoryError> {
        let contents = self.contents()?;
        let completed = contents.records.into_iter().filter(|record| record.state == BackupState::Completed);
        let (physical, logical): (Vec<_>, Vec<_>) = completed.partition(BackupRecord::is_physical);
        let latest = physical.into_iter().max_by_key(|record| record.id);
        let mut doubtful = contents.unreadable.into_iter().filter(|unreadable| unreadable.key != LOCK_KEY);
        match (doubtful.find(|doubtful| latest.as_ref().is_none_or(|latest| may_be_newer(doubtful, latest))), latest) {
            (Some(doubtful), _) => Err(self.unreadable_record(doubtful)),
            (None, Some(latest)) => Ok(latest),
            (None, None) => Err(match logical.iter().map(|record| record.id).max() {
                Some(id) => RepositoryError::RepositoryOnlyLogical { id: id.to_string() },
                None => RepositoryError::RepositoryEmpty {},
            }),
        }
    }

    fn unreadable_record(&self, unreadable: UnreadableRecord) -> RepositoryError {
        RepositoryError::RepositoryUnreadable {
            storage: self.storage.describe(),
            object: unreadable.key,
            detail: unreadable.detail,
        }
    }

    /// Opens a completed backup's archive after checking that it is there with the recorded size.
    ///
    /// # Errors
    /// `RepositoryNotCompleted`, `RepositoryArchiveMissing`, `RepositoryArchiveSize`; `EncryptionIdentityMissing`,
    /// `EncryptionIdentityWrong`; those of [`ArchiveReader::open`].
    pub fn open_archive(&self, record: &BackupRecord) -> Result<ArchiveReader, RepositoryError> {
        let stored = self.open_archive_object(record)?;
        if record.encryption.is_none() {
            return Ok(ArchiveReader::open(stored)?);
        }
        let key = self.archive_object(record)?;
        Ok(ArchiveReader::open_sealed(stored, self.keys(), &self.storage.describe(), &key)?)
    }

    /// The same, without reading anything of the archive: its digest can be computed even when it is too damaged to open.
    ///
    /// # Errors
    /// `RepositoryNotCompleted`, `RepositoryArchiveMissing`, `RepositoryArchiveSize`.
    pub fn open_archive_object(&self, record: &BackupRecord) -> Result<Box<dyn ObjectReader>, RepositoryError> {
        let id = record.id.to_string();
        if record.state != BackupState::Completed {
            return Err(RepositoryError::RepositoryNotCompleted { id, state: record.state.word().to_owned() });
        }
        let object = self.archive_object(record)?;
        let opened = match self.storage.open(&object) {
            Ok(opened) => opened,
            Err(StorageError::StorageMissing { .. }) => {
                return Err(RepositoryError::RepositoryArchiveMissing { id, object });
            }
            Err(error) => return Err(error.into()),
        };
        if opened.size_bytes() != record.archive_bytes {
            let (found_bytes, recorded_bytes) = (opened.size_bytes(), record.archive_bytes);
            return Err(RepositoryError::RepositoryArchiveSize { id, object, found_bytes, recorded_bytes });
        }
        Ok(opened)
    }

    /// Compares a digest that was computed from a completed backup's archive with the recorded one.
    ///
    /// # Errors
    /// `RepositoryArchiveDigest`, `RepositoryNotCompleted`.
    pub fn check_digest(&self, record: &BackupRecord, found: &str) -> Result<(), RepositoryError> {
        let id = record.id.to_string();
        match record.sha256.as_deref() {
            Some(recorded) if recorded == found => Ok(()),
            Some(recorded) => Err(RepositoryError::RepositoryArchiveDigest {
                object: self.archive_object(record)?,
                id,
                found: found.to_owned(),
                recorded: recorded.to_owned(),
            }),
            None => Err(RepositoryError::RepositoryNotCompleted { id, state: record.state.word().to_owned() }),
        }
    }

    /// Returns the key of a record's archive. Records that this repository read always have one; a record made by hand may not.
    fn archive_object(&self, record: &BackupRecord) -> Result<String, RepositoryError> {
        match BackupName::of_archive(&record.archive_name) {
            Some(name) if name.kind == record.kind => Ok(archive_key(&name)),
            _ => Err(super::record_file::invalid(record.id, format!("{:?} is no archive's name", record.archive_name))),
        }
    }
}

/// Tells whether an unreadable record may be of a newer backup: by its id, or, without one, by the time in its name.
fn may_be_newer(doubtful: &UnreadableRecord, than: &BackupRecord) -> bool {
    fn time(file_name: &str) -> Option<&str> {
        file_name.rsplit('/').next()?.split_once('_')?.1.get(..15)
    }
    match doubtful.id {
        Some(id) => id > than.id,
        None => time(&doubtful.key) >= time(&than.archive_name),
    }
}

fn unreadable(storage: &dyn Storage, detail: String) -> RepositoryError {
    RepositoryError::RepositoryUnreadable { storage: storage.describe(), object: DESCRIPTION_KEY.to_owned(), detail }
}

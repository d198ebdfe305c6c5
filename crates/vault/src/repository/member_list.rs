//! Which files does an encrypted backup hold? A list in plain beside it, for whoever takes the next one without an identity.

use super::layout::{BackupName, member_list_key, name_of_member_list, record_key};
use super::{BackupKind, BackupRecord, Repository, RepositoryError};
use crate::archive::read_member_list;
use crate::storage::StorageError;

impl Repository {
    /// Keeps the list of a backup's files in plain, for whoever takes the next one without an identity. Losing it costs a FULL.
    pub(super) fn put_member_list(&self, name: &BackupName, list: &[u8]) -> Result<(), StorageError> {
        self.storage().put(&member_list_key(name), list)
    }

    /// Hands over each file of an encrypted backup, with the time of its last modification in seconds since 1970, without opening the
    /// archive. Returns whether there is such a list.
    ///
    /// # Errors
    /// `ArchiveDamaged` when the list is not whole, or another archive's; storage errors.
    pub fn member_list(
        &self,
        record: &BackupRecord,
        each: &mut dyn FnMut(&[u8], i64),
    ) -> Result<bool, RepositoryError> {
        let (Some(name), Some(sha256)) = (BackupName::of_archive(&record.archive_name), &record.sha256) else {
            return Ok(false);
        };
        let Some(list) = self.storage().get(&member_list_key(&name))? else { return Ok(false) };
        read_member_list(&list, sha256, each)?;
        Ok(true)
    }

    /// Removes lists of backups that are gone. That one can't be is no reason for anything.
    pub(super) fn sweep_member_lists(&self) {
        let swept = || -> Result<(), StorageError> {
            let mut objects = Vec::new();
            for kind in BackupKind::ALL {
                objects.extend(self.storage().list(&format!("{}/", kind.folder()))?);
            }
            objects.sort_by(|one, other| one.key.cmp(&other.key));
            let has_record = |name: &BackupName| {
                let key = record_key(name);
                objects.binary_search_by(|object| object.key.as_str().cmp(&key)).is_ok()
            };
            for object in &objects {
                let Some(name) = name_of_member_list(&object.key) else { continue };
                if !has_record(&name) {
                    self.storage().delete(&object.key)?;
                }
            }
            Ok(())
        };
        if let Err(error) = swept() {
            tracing::warn!(%error, "lists of files of backups that are gone stay");
        }
    }
}

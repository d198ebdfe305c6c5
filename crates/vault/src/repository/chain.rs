//! Which backups does one stand on? The chain from a FULL to a backup, and every reason to distrust it.

use super::{
    BackupId, BackupKind, BackupMethod, BackupRecord, BackupState, Repository, RepositoryContents, RepositoryError,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// Says why a backup can't be restored though its own record is sound. Serializes to `{"key": …, arguments}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
#[allow(missing_docs)] // of the fields: each is named by the sentence above it
pub enum ChainFault {
    /// No record has the base's id.
    #[error("backup {id} stands on backup {base}, which is not there")]
    ChainBaseMissing { id: String, base: String },
    /// A record claims the base's id, and can't be trusted.
    #[error("backup {id} stands on backup {base}, whose record {object} can't be read: {detail}")]
    ChainBaseUnreadable { id: String, base: String, object: String, detail: String },
    /// The base failed, or is no backup to stand on.
    #[error("backup {id} stands on backup {base}, which is {found}, not {wanted}")]
    ChainBaseKind { id: String, base: String, found: String, wanted: String },
    /// The base's archive is missing, or has another size than its record says.
    #[error("backup {id} stands on backup {base}, whose archive {object} is missing or has another size")]
    ChainArchiveMissing { id: String, base: String, object: String },
    /// Another backup is in the base's place.
    #[error("backup {id} stands on a backup {base} whose {what} was {wanted}; that of the one here is {found}")]
    ChainBaseSwapped { id: String, base: String, what: &'static str, wanted: Box<str>, found: Box<str> },
    /// The two can't be of one cluster's one history.
    #[error("backup {id} and the backup {base} that it stands on differ in their {what}: {wanted} and {found}")]
    ChainMismatch { id: String, base: String, what: &'static str, wanted: Box<str>, found: Box<str> },
}

impl RepositoryContents {
    /// Returns the backups that must be put together to restore `tip`: the FULL first, `tip` last.
    ///
    /// Nothing of an archive is read but its size: that its bytes are the recorded ones is checked before a restore writes.
    ///
    /// # Errors
    /// The first reason to distrust a link.
    pub fn chain(&self, tip: &BackupRecord) -> Result<Vec<BackupRecord>, ChainFault> {
        let mut chain = vec![tip.clone()];
        let mut link = tip;
        // A base has a lower id than what stands on it, which every record that was read has been checked for: no loop.
        while let Some(base_id) = link.base_id {
            link = self.base_of(link, base_id)?;
            chain.push(link.clone());
        }
        chain.reverse();
        Ok(chain)
    }

    /// Returns the completed physical backups whose archive and whole chain are there, of which [`Self::chain`] makes no complaint:
    /// those that restore to a cluster.
    pub fn restorable(&self) -> BTreeSet<BackupId> {
        let mut restorable = BTreeSet::new();
        // In ascending order: what is said of a base holds for all that stands on it.
        for record in &self.records {
            let is_there = record.state == BackupState::Completed
                && record.is_physical()
                && !self.without_archive.contains(&record.id);
            let stands = match record.base_id {
                None => true,
                Some(base_id) => restorable.contains(&base_id) && self.base_of(record, base_id).is_ok(),
            };
            if is_there && stands {
                restorable.insert(record.id);
            }
        }
        restorable
    }

    fn base_of(&self, link: &BackupRecord, base_id: BackupId) -> Result<&BackupRecord, ChainFault> {
        let (id, base) = (link.id.to_string(), base_id.to_string());
        let Some(found) = self.records.iter().find(|record| record.id == base_id) else {
            return Err(match self.unreadable.iter().find(|unreadable| unreadable.id == Some(base_id)) {
                Some(unreadable) => {
                    let (object, detail) = (unreadable.key.clone(), unreadable.detail.clone());
                    ChainFault::ChainBaseUnreadable { id, base, object, detail }
                }
                None => ChainFault::ChainBaseMissing { id, base },
            });
        };
        check_kind(link, found)?;
        check_identity(link, found)?;
        check_history(link, found)?;
        if self.without_archive.contains(&base_id) {
            return Err(ChainFault::ChainArchiveMissing { id, base, object: found.archive_name.clone() });
        }
        Ok(found)
    }
}

impl Repository {
    /// Returns the chain of the completed backup `id`, the FULL first; see [`RepositoryContents::chain`].
    ///
    /// # Errors
    /// [`ChainFault`]; `RepositoryNoBackup`, `RepositoryUnreadable`, `RepositoryNotCompleted`, those of the storage.
    pub fn chain(&self, id: BackupId) -> Result<Vec<BackupRecord>, RepositoryError> {
        let tip = self.record(id)?;
        if tip.state != BackupState::Completed {
            let state = tip.state.word().to_owned();
            return Err(RepositoryError::RepositoryNotCompleted { id: id.to_string(), state });
        }
        Ok(self.contents()?.chain(&tip)?)
    }
}

/// A FULL stands on nothing, a DIFERENCIAL on a FULL, an INCREMENTAL on anything that was completed.
fn check_kind(link: &BackupRecord, base: &BackupRecord) -> Result<(), ChainFault> {
    let fault = |found: &str, wanted: &str| {
        let (id, base) = (link.id.to_string(), base.id.to_string());
        Err(ChainFault::ChainBaseKind { id, base, found: found.to_owned(), wanted: wanted.to_owned() })
    };
    if base.state != BackupState::Completed {
        return fault(base.state.word(), BackupState::Completed.word());
    }
    if !base.is_physical() {
        return fault(base.method.word(), BackupMethod::Physical.word());
    }
    match link.kind {
        BackupKind::Full => fault(base.kind.word(), "-"),
        BackupKind::Differential if base.kind != BackupKind::Full => fault(base.kind.word(), BackupKind::Full.word()),
        BackupKind::Differential | BackupKind::Incremental => Ok(()),
    }
}

/// The base must be the very backup that was there when the link was taken.
fn check_identity(link: &BackupRecord, base: &BackupRecord) -> Result<(), ChainFault> {
    // A record that was read has a base's description whenever it has a base's id; one made by hand may not.
    let Some(recorded) = &link.base else {
        return Err(ChainFault::ChainBaseMissing { id: link.id.to_string(), base: base.id.to_string() });
    };
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let facts = [
        ("SHA-256", recorded.sha256.clone(), text(base.sha256.clone())),
        ("start LSN", recorded.start_lsn.to_string(), text(base.start_lsn.map(|lsn| lsn.to_string()))),
        ("timeline", recorded.timeline.to_string(), text(base.timeline.map(|timeline| timeline.to_string()))),
    ];
    match facts.into_iter().find(|(_, wanted, found)| wanted != found) {
        None => Ok(()),
        Some((what, wanted, found)) => {
            let (id, base, wanted, found) = (link.id.to_string(), base.id.to_string(), wanted.into(), found.into());
            Err(ChainFault::ChainBaseSwapped { id, base, what, wanted, found })
        }
    }
}

/// Blocks of one can only be put into files of the other when both come from one cluster in one form.
fn check_history(link: &BackupRecord, base: &BackupRecord) -> Result<(), ChainFault> {
    let segment = |record: &BackupRecord| record.wal_segment_size.map_or(0, |size| size.bytes()).to_string();
    let facts = [
        ("system identifier", link.system_identifier.to_string(), base.system_identifier.to_string()),
        ("PostgreSQL version", link.postgresql_version.to_string(), base.postgresql_version.to_string()),
        ("block size", link.block_size_bytes.to_string(), base.block_size_bytes.to_string()),
        ("WAL segment size", segment(link), segment(base)),
        ("data checksums", link.data_checksums.to_string(), base.data_checksums.to_string()),
    ];
    let mismatch = |what, wanted: String, found: String| {
        let (id, base, wanted, found) = (link.id.to_string(), base.id.to_string(), wanted.into(), found.into());
        Err(ChainFault::ChainMismatch { id, base, what, wanted, found })
    };
    if let Some((what, wanted, found)) = facts.into_iter().find(|(_, wanted, found)| wanted != found) {
        return mismatch(what, wanted, found);
    }
    if base.start_lsn > link.start_lsn {
        let text = |record: &BackupRecord| record.start_lsn.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string());
        return mismatch("start LSN, the base's being the later", text(link), text(base));
    }
    Ok(())
}

//! A repository, made of a replica.

use super::copy::{CopyTerms, copy_object, copy_small};
use super::keys::{ObjectKind, PREFIXES, SINGLE, kind_of};
use super::link::archive_and_record;
use super::push::ReplicaStep;
use super::{Replica, ReplicaError};
use crate::pipeline::RateLimit;
use crate::{Cancel, Error};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use vault::repository::{BackupId, BackupRecord, BackupState, DESCRIPTION_KEY, Repository};
use vault::storage::{Storage, StorageError, StoredObject};

/// What is to be brought.
#[derive(Debug, Clone, Copy, Default)]
pub struct PullRequest {
    /// Only this backup and what it stands on; `None`: everything.
    pub only: Option<BackupId>,
    /// Without WAL.
    pub without_wal: bool,
}

/// What was brought.
#[derive(Debug, Clone, Serialize)]
pub struct PullOutcome {
    /// Ids of the backups that came now.
    pub copied: Vec<BackupId>,
    /// How many were here already.
    pub present: u64,
    /// Segments of WAL that came now.
    pub segments: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Wall time.
    pub seconds: f64,
}

/// Brings what a replica has and the storage lacks: backups with each record last, WAL, the journal. Each archive becomes visible only
/// if its SHA-256 is the recorded one. What was broken off goes on where it was. The repository's lock is held meanwhile.
///
/// # Errors
/// `ReplicaForeign` when another cluster's backups lie here; `ReplicaNoBackup`, `ReplicaBrokenChain`; `ReplicaSourceDamaged`, `ReplicaConflict`;
/// `RepositoryAbsent` when the replica is empty, `RepositoryBusy`; those of the storages.
///
/// # Cancellation
/// What came stays; nothing is half visible.
pub fn pull(
    replica: &Replica,
    into: &Arc<dyn Storage>,
    request: PullRequest,
    step: &(dyn Fn(ReplicaStep) + Sync),
    cancel: &Cancel,
) -> Result<PullOutcome, Error> {
    let begin = Instant::now();
    let source = Repository::open(replica.storage.clone())?;
    let target = open_target(replica, &source, into)?;
    let slot = target.begin_pull(Timestamp::now())?;
    let rate = RateLimit::new(replica.max_rate_bytes);
    let sent = |bytes| step(ReplicaStep::ReplicaSent { bytes });
    let terms = CopyTerms { rate: &rate, cancel, advance: &sent };
    let mut outcome = PullOutcome { copied: Vec::new(), present: 0, segments: 0, bytes: 0, seconds: 0.0 };

    let from = source.storage().as_ref();
    for key in SINGLE {
        // An id that was used here since is not to be used again: what is here already stays.
        if into.size_bytes(key)?.is_none() {
            outcome.bytes += copy_small(from, into.as_ref(), key, &terms)?.unwrap_or_default();
        }
    }
    let contents = source.contents()?;
    for record in chosen(replica, &contents.records, request.only)? {
        let name = record.archive_name.clone();
        step(ReplicaStep::ReplicaSending { replica: replica.name.clone(), name, bytes: record.archive_bytes });
        match pull_backup(from, into.as_ref(), record, &terms)? {
            Some(bytes) => {
                outcome.bytes += bytes;
                outcome.copied.push(record.id);
            }
            None => outcome.present += 1,
        }
    }
    for prefix in PREFIXES.iter().filter(|prefix| !prefix.starts_with("wal") || !request.without_wal) {
        for object in from.list(prefix)? {
            pull_object(from, into.as_ref(), &object, &terms, &mut outcome)?;
        }
    }
    slot.finish()?;
    outcome.seconds = begin.elapsed().as_secs_f64();
    Ok(outcome)
}

fn open_target(replica: &Replica, source: &Repository, into: &Arc<dyn Storage>) -> Result<Repository, Error> {
    if into.place() == replica.storage.place() {
        let (replica, storage) = (replica.name.clone(), into.describe());
        return Err(ReplicaError::ReplicaIsRepository { replica, storage }.into());
    }
    if into.size_bytes(DESCRIPTION_KEY)?.is_none()
        && let Some(content) = source.storage().get(DESCRIPTION_KEY)?
    {
        match into.put_if_absent(DESCRIPTION_KEY, &content) {
            Ok(()) | Err(StorageError::StorageExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let target = Repository::open(into.clone())?;
    let (wanted, found) = (target.description().system_identifier, source.description().system_identifier);
    if wanted != found {
        let (found, wanted) = (found.to_string(), wanted.to_string());
        return Err(ReplicaError::ReplicaForeign { replica: replica.name.clone(), found, wanted }.into());
    }
    Ok(target)
}

/// Returns the records that are to come, lowest id first: a base before what stands on it.
fn chosen<'a>(
    replica: &Replica,
    records: &'a [BackupRecord],
    only: Option<BackupId>,
) -> Result<Vec<&'a BackupRecord>, Error> {
    let Some(id) = only else { return Ok(records.iter().collect()) };
    let find = |id: BackupId| records.iter().find(|record| record.id == id && record.state == BackupState::Completed);
    let no_backup = || ReplicaError::ReplicaNoBackup { replica: replica.name.clone(), id: id.to_string() };
    let mut wanted = BTreeSet::new();
    let mut link = find(id).ok_or_else(no_backup)?;
    // A base has a lower id: this ends.
    while wanted.insert(link.id) {
        let Some(base_id) = link.base_id else { break };
        link = find(base_id).ok_or_else(|| ReplicaError::ReplicaBrokenChain {
            replica: replica.name.clone(),
            id: link.id.to_string(),
            base_id: base_id.to_string(),
        })?;
    }
    Ok(records.iter().filter(|record| wanted.contains(&record.id)).collect())
}

/// Brings one backup; `None`: it is here.
fn pull_backup(
    from: &dyn Storage,
    into: &dyn Storage,
    record: &BackupRecord,
    terms: &CopyTerms<'_>,
) -> Result<Option<u64>, Error> {
    let Some((archive, record_key)) = archive_and_record(&record.archive_name) else { return Ok(None) };
    let Some(content) = from.get(&record_key)? else { return Ok(None) };
    let is_completed = record.state == BackupState::Completed;
    let archive_here = into.size_bytes(&archive)?;
    if let Some(here) = into.get(&record_key)? {
        let (found_bytes, wanted_bytes) = (here.len() as u64, content.len() as u64);
        if here != content {
            let (storage, object) = (into.describe(), record_key);
            return Err(ReplicaError::ReplicaConflict { storage, object, found_bytes, wanted_bytes }.into());
        }
        if !is_completed || archive_here == Some(record.archive_bytes) {
            return Ok(None);
        }
    }
    let mut bytes = 0;
    if is_completed {
        let stem = archive.strip_suffix("backup").unwrap_or(&archive);
        for object in from.list(stem)? {
            let is_companion = matches!(kind_of(&object.key), Some(ObjectKind::Companion(_)));
            if is_companion && into.size_bytes(&object.key)? != Some(object.size_bytes) {
                bytes += copy_object(from, into, &object.key, None, terms)?.bytes;
            }
        }
        match archive_here {
            Some(size_bytes) if size_bytes == record.archive_bytes => {}
            Some(found_bytes) => {
                let (storage, object) = (into.describe(), archive);
                let wanted_bytes = record.archive_bytes;
                return Err(ReplicaError::ReplicaConflict { storage, object, found_bytes, wanted_bytes }.into());
            }
            None => bytes += copy_object(from, into, &archive, record.sha256.as_deref(), terms)?.bytes,
        }
    }
    match into.put_if_absent(&record_key, &content) {
        Ok(()) | Err(StorageError::StorageExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Some(bytes + content.len() as u64))
}

/// Brings whatever is no backup: segments, histories, notes, the journal.
fn pull_object(
    from: &dyn Storage,
    into: &dyn Storage,
    object: &StoredObject,
    terms: &CopyTerms<'_>,
    outcome: &mut PullOutcome,
) -> Result<(), Error> {
    let is_segment = match kind_of(&object.key) {
        Some(ObjectKind::SealedSegment) => true,
        Some(
            ObjectKind::SegmentCompanion | ObjectKind::PartialSegment | ObjectKind::Constant | ObjectKind::Changing,
        ) => false,
        Some(ObjectKind::Archive(_) | ObjectKind::Record(_) | ObjectKind::Companion(_)) | None => return Ok(()),
    };
    if into.size_bytes(&object.key)?.is_some() {
        return Ok(());
    }
    match copy_object(from, into, &object.key, None, terms) {
        Ok(copied) => {
            outcome.bytes += copied.bytes;
            outcome.segments += u64::from(is_segment);
            Ok(())
        }
        // It has gone, or become whole, since the listing.
        Err(Error::Storage(StorageError::StorageMissing { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}

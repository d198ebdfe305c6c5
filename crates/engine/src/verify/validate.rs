use super::deep::{enter, inspect_archive};
use super::dumps::inspect_dumps;
use super::finding::{Finding, FindingSeverity, Findings};
use super::{VerifyError, tar_check};
use crate::cluster::BinarySearch;
use crate::{Cancel, Error, Phase, Progress};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::time::Instant;
use vault::repository::{BackupName, BackupRecord, BackupState, Repository, RepositoryError, archive_key};
use vault::storage::{ObjectReader, StorageError};

/// How many bytes of an archive are hashed at a time.
const HASH_CHUNK_BYTES: usize = 1 << 20;

/// Says how much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationLevel {
    /// Existence, size, SHA-256 of the archive; that the backups it stands on are there and the right ones.
    Checksum,
    /// Also every frame decodes, tar headers equal the index, every member's CRC-32C, every page's checksum, files of changes are what
    /// their heads say, the manifest lists exactly the members, WAL segments from start to stop are there. Of a logical backup,
    /// that pg_restore reads every dump from end to end.
    Deep,
}

/// The outcome for one backup.
#[derive(Debug, Clone, Serialize)]
pub struct ValidationReport {
    /// Which backup was looked at.
    pub backup_id: vault::repository::BackupId,
    /// The archive's file name.
    pub archive_name: String,
    /// How much was read.
    pub level: ValidationLevel,
    /// The record's SHA-256.
    pub sha256_expected: Option<String>,
    /// The archive's; `None` when there is none to read.
    pub sha256_found: Option<String>,
    /// Files looked at, 0 at the checksum level.
    pub files: u64,
    /// Pages whose checksum was computed.
    pub pages: u64,
    /// Wall time.
    pub seconds: f64,
    /// What is wrong, and what was.
    pub findings: Vec<Finding>,
}

impl ValidationReport {
    /// Tells whether no finding is an error.
    pub fn is_valid(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != FindingSeverity::Error)
    }
}

/// How a backup is looked at.
#[derive(Debug, Clone)]
pub struct ValidationRequest {
    /// How much is read.
    pub level: ValidationLevel,
    /// Workers.
    pub jobs: usize,
    /// Where PostgreSQL's programs may be: dumps are read by pg_restore.
    pub search: BinarySearch,
}

impl ValidationRequest {
    /// Asks for a look with programs from the usual places.
    pub fn new(level: ValidationLevel, jobs: usize) -> Self {
        ValidationRequest { level, jobs, search: BinarySearch::default() }
    }
}

/// Validates one completed backup.
///
/// # Errors
/// `VerifyNotCompleted`; `ClusterBinaryMissing` when a logical backup is looked into and no pg_restore knows its dumps; `StorageIo`,
/// `StorageDenied` when the archive can't be read at all. Damage is no error but a finding.
///
/// # Cancellation
/// Ends with `cancelled`; nothing is left behind.
pub fn validate(
    repository: &Repository,
    record: &BackupRecord,
    request: &ValidationRequest,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ValidationReport, Error> {
    let ValidationRequest { level, jobs, .. } = *request;
    let started = Instant::now();
    if record.state != BackupState::Completed {
        let state = serde_json::to_value(record.state).ok().and_then(|state| state.as_str().map(str::to_owned));
        let (id, state) = (record.id.to_string(), state.unwrap_or_default());
        return Err(VerifyError::VerifyNotCompleted { id, state }.into());
    }
    let mut findings = Findings::default();
    // What it stands on may be damaged as well: that is told of those backups. Here, that they are the right ones and there.
    if let Err(fault) = repository.contents()?.chain(record) {
        findings.error(&fault);
    }
    let sha256_found = check_whole(repository, record, progress, cancel, &mut findings)?;
    let mut outcome = tar_check::Outcome { files: 0, pages: 0 };
    // An archive with a wrong digest is looked into all the same: the findings say which files suffered.
    if level == ValidationLevel::Deep && sha256_found.is_some() {
        match repository.open_archive(record) {
            Ok(reader) if !record.is_physical() => {
                outcome = inspect_dumps(reader, record, request, progress, cancel, &mut findings)?;
            }
            Ok(reader) => outcome = inspect_archive(&reader, record, jobs, progress, cancel, &mut findings)?,
            // The size was told above.
            Err(RepositoryError::RepositoryArchiveSize { .. }) => {}
            Err(error) => enter(from_repository(error), &mut findings)?,
        }
    }
    Ok(ValidationReport {
        backup_id: record.id,
        archive_name: record.archive_name.clone(),
        level,
        sha256_expected: record.sha256.clone(),
        sha256_found,
        files: outcome.files,
        pages: outcome.pages,
        seconds: started.elapsed().as_secs_f64(),
        findings: findings.into_list(),
    })
}

/// Lifts an archive's or a storage's error out of a repository's, so that it is judged as what it is.
fn from_repository(error: RepositoryError) -> Error {
    match error {
        RepositoryError::Storage(error) => error.into(),
        RepositoryError::Archive(error) => error.into(),
        error => error.into(),
    }
}

/// Checks existence, size and SHA-256; returns the SHA-256 found. The object is read as it is, since a damaged archive can't be
/// opened as one.
fn check_whole(
    repository: &Repository,
    record: &BackupRecord,
    progress: &dyn Progress,
    cancel: &Cancel,
    findings: &mut Findings,
) -> Result<Option<String>, Error> {
    let (id, object) = (record.id.to_string(), record.archive_name.clone());
    let missing = |id, object| RepositoryError::RepositoryArchiveMissing { id, object };
    let Some(name) = BackupName::parse_file_name(&record.archive_name) else {
        findings.error(&missing(id, object));
        return Ok(None);
    };
    let opened = match repository.storage().open(&archive_key(&name)) {
        Ok(opened) => opened,
        Err(StorageError::StorageMissing { .. }) => {
            findings.error(&missing(id, object));
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let (found_bytes, recorded_bytes) = (opened.size_bytes(), record.archive_bytes);
    if found_bytes != recorded_bytes {
        let (id, object) = (id.clone(), object.clone());
        findings.error(&RepositoryError::RepositoryArchiveSize { id, object, found_bytes, recorded_bytes });
    }
    progress.phase(Phase::Verifying, Some(found_bytes));
    let found = hash(opened.as_ref(), progress, cancel)?;
    let recorded = record.sha256.clone().unwrap_or_default();
    if found != recorded {
        let found = found.clone();
        findings.error(&RepositoryError::RepositoryArchiveDigest { id, object, found, recorded });
    }
    Ok(Some(found))
}

fn hash(object: &dyn ObjectReader, progress: &dyn Progress, cancel: &Cancel) -> Result<String, Error> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; HASH_CHUNK_BYTES];
    let mut offset = 0;
    while offset < object.size_bytes() {
        cancel.check()?;
        let left = usize::try_from(object.size_bytes() - offset).unwrap_or(usize::MAX);
        let chunk = &mut buffer[..left.min(HASH_CHUNK_BYTES)];
        object.read_exact_at(offset, chunk)?;
        digest.update(&*chunk);
        offset += chunk.len() as u64;
        progress.advance(chunk.len() as u64);
    }
    Ok(hex::encode(digest.finalize()))
}

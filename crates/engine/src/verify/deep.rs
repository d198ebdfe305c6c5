//! What does a deep validation look at? All that a restore would need, then every byte.

use super::finding::Findings;
use super::manifest::{MANIFEST_PATH, ManifestCheck};
use super::ordered_frames::decode_in_order;
use super::pages::PageChecker;
use super::tar_check::{Outcome, TarCheck};
use crate::restore::{Layout, RestoreError, survey};
use crate::{Cancel, Error, Phase, Progress};
use pgformat::backup_manifest::BackupManifest;
use vault::archive::{ArchiveError, ArchiveReader};
use vault::repository::BackupRecord;
use vault::storage::StorageError;

/// No manifest is longer: enough for five million files.
const MAX_MANIFEST_BYTES: u64 = 1 << 30;

/// Looks into an archive.
///
/// # Errors
/// Only those that keep it from being read; all that is wrong with it becomes a finding.
pub(super) fn inspect_archive(
    reader: &ArchiveReader,
    record: &BackupRecord,
    jobs: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
    findings: &mut Findings,
) -> Result<Outcome, Error> {
    progress.phase(Phase::Verifying, Some(reader.seek_table().plain_bytes()));
    let nothing = Outcome { files: 0, pages: 0 };
    let relation_segment_blocks = match survey(reader, record, &Layout::new(&record.tablespaces)) {
        Ok(survey) => Some(survey.control.relation_segment_blocks),
        Err(error) => {
            enter(error, findings)?;
            None
        }
    };
    let manifest = match read_manifest(reader, record) {
        Ok(manifest) => {
            let check = ManifestCheck::new(manifest, findings);
            check.check_record(record, findings);
            Some(check)
        }
        Err(error) => {
            enter(error, findings)?;
            None
        }
    };
    let pages = PageChecker::new(record, relation_segment_blocks);
    match TarCheck::new(reader, pages, manifest) {
        Ok(check) => check_tar_stream(reader, check, jobs, progress, cancel, findings),
        Err(error) => {
            enter(error, findings)?;
            Ok(nothing)
        }
    }
}

/// Decodes every frame, and holds the tar stream against the index.
///
/// # Errors
/// Only those that keep the archive from being read.
pub(super) fn check_tar_stream(
    reader: &ArchiveReader,
    mut check: TarCheck<'_>,
    jobs: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
    findings: &mut Findings,
) -> Result<Outcome, Error> {
    let decoded = decode_in_order(reader, jobs, cancel, |plain, content| {
        progress.advance(plain.end - plain.start);
        match content {
            Ok(bytes) => check.feed(&plain, Some(bytes), findings),
            Err(error) => {
                enter(error.into(), findings)?;
                check.feed(&plain, None, findings)
            }
        }
    });
    match decoded.and_then(|()| check.finish(findings)) {
        Ok(outcome) => Ok(outcome),
        // The index ended early: what comes after can't be named.
        Err(error) => {
            enter(error, findings)?;
            Ok(Outcome { files: 0, pages: 0 })
        }
    }
}

/// Reads the manifest through the index.
fn read_manifest(reader: &ArchiveReader, record: &BackupRecord) -> Result<BackupManifest, Error> {
    for member in reader.members()? {
        let member = member?;
        if member.path == MANIFEST_PATH.as_bytes() {
            return Ok(BackupManifest::parse(&reader.read_member(&member, MAX_MANIFEST_BYTES)?)?);
        }
    }
    let (id, path) = (record.id.to_string(), MANIFEST_PATH.to_owned());
    Err(RestoreError::RestoreIncomplete { id, path }.into())
}

/// Makes an error a finding if it tells of the archive's bytes; others end the validation.
///
/// # Errors
/// The error itself, when it tells of something else: cancelled, unreadable storage.
pub(super) fn enter(error: Error, findings: &mut Findings) -> Result<(), Error> {
    let of_the_archive = match &error {
        Error::Archive(ArchiveError::Storage(storage)) | Error::Storage(storage) => {
            matches!(storage, StorageError::StorageShort { .. } | StorageError::StorageMissing { .. })
        }
        Error::Archive(_) | Error::Format(_) | Error::Restore(_) | Error::Chain(_) | Error::Repository(_) => true,
        Error::Cluster(_)
        | Error::Read(_)
        | Error::Backup(_)
        | Error::Verify(_)
        | Error::Retention(_)
        | Error::Replica(_)
        | Error::Pipeline(_)
        | Error::Wal(_)
        | Error::WalArchive(_)
        | Error::Journal(_)
        | Error::ThrowAway(_)
        | Error::Database(_) => false,
    };
    if of_the_archive {
        findings.error(&error);
        Ok(())
    } else {
        Err(error)
    }
}

use super::spool::take_from_spool;
use crate::Error;
use crate::wal::WalError;
use pgformat::wal_segment::parse_history_file_name;
use pgformat::{Lsn, WalSegment, WalSegmentSize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use vault::repository::Repository;
use vault::wal::{SegmentForm, WalArchive, WalArchiveError};

/// What the server asks for (`restore_command`'s `%f` and `%p`).
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// The name of a segment or a history file.
    pub name: String,
    /// Where to put it.
    pub target: PathBuf,
    /// WAL from here on does not exist for this restore: the segment that holds it is served with zeros from there.
    pub until_lsn: Option<Lsn>,
    /// Where segments that will be asked for soon are kept, beside pg_wal; `None`: no prefetch.
    pub spool: Option<PathBuf>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchOutcome {
    /// The file is in place.
    Served {
        /// From the spool.
        prefetched: bool,
    },
    /// There is no such file: for a server in recovery, the end of WAL on that timeline.
    NotFound,
}

/// Serves one file to a server in recovery: written beside the target, checked, then renamed.
///
/// A segment of which only the beginning is archived is served with zeros after it: there the server finds the end of the log.
///
/// # Errors
/// `WalDamaged` and whatever keeps the archive from being read: never to be taken for "not found", which would end recovery early.
/// `WalFile` when the target can't be written.
pub fn fetch(repository: &Repository, request: &FetchRequest) -> Result<FetchOutcome, Error> {
    let archive = open(repository, &request.name)?;
    if let Some(timeline) = parse_history_file_name(&request.name) {
        return match archive.history(timeline)? {
            Some(text) => served(&request.target, &text),
            None => Ok(FetchOutcome::NotFound),
        };
    }
    let size = archive.geometry().segment_size;
    let Ok(segment) = WalSegment::parse(&request.name, size) else { return Ok(FetchOutcome::NotFound) };
    if is_beyond(segment, request.until_lsn, size) {
        return Ok(FetchOutcome::NotFound);
    }
    if let Some(spool) = &request.spool
        && take_from_spool(spool, &request.name, size, &request.target)?
    {
        return Ok(FetchOutcome::Served { prefetched: true });
    }
    let mut bytes = Vec::new();
    match read_until(&archive, segment, request.until_lsn, &mut bytes)? {
        Some(_) => served(&request.target, &bytes),
        None => Ok(FetchOutcome::NotFound),
    }
}

/// Opens the archive; one that is not there is an error, since somebody counts on it.
pub(super) fn open(repository: &Repository, name: &str) -> Result<WalArchive, WalArchiveError> {
    let missing = || WalArchiveError::WalMissing { segment: name.to_owned(), storage: repository.storage().describe() };
    WalArchive::open(repository)?.ok_or_else(missing)
}

/// Tells whether all of a segment lies where there is no WAL for this restore.
pub(super) fn is_beyond(segment: WalSegment, until_lsn: Option<Lsn>, size: WalSegmentSize) -> bool {
    until_lsn.is_some_and(|until| segment.start_lsn(size) >= until)
}

/// Reads a segment whole and checked, with zeros from `until_lsn` on; `None` when it is not archived.
///
/// # Errors
/// `WalDamaged`, storage errors.
pub(crate) fn read_until(
    archive: &WalArchive,
    segment: WalSegment,
    until_lsn: Option<Lsn>,
    into: &mut Vec<u8>,
) -> Result<Option<SegmentForm>, WalArchiveError> {
    // Between two looks a partial one may have been sealed.
    for _ in 0..2 {
        let Some(found) = archive.find(segment)? else { return Ok(None) };
        let read = match found.form {
            SegmentForm::Sealed => archive.read_sealed(segment, into).map(|_| ()),
            SegmentForm::Partial => archive.read_partial(segment, into).map(|_| ()),
        };
        match read {
            Err(WalArchiveError::WalMissing { .. }) if found.form == SegmentForm::Partial => continue,
            read => read?,
        }
        if let Some(until) = until_lsn {
            let valid = until.0.saturating_sub(segment.start_lsn(archive.geometry().segment_size).0);
            let valid = usize::try_from(valid).unwrap_or(usize::MAX).min(into.len());
            into[valid..].fill(0);
        }
        return Ok(Some(found.form));
    }
    Ok(None)
}

/// Puts the file in place in one step.
fn served(target: &Path, bytes: &[u8]) -> Result<FetchOutcome, Error> {
    let mut draft = OsString::from(target);
    draft.push(".cadena");
    let draft = PathBuf::from(draft);
    let written = File::create(&draft).and_then(|mut file| file.write_all(bytes));
    // Not synced: the server does that itself before it counts on the file (upstream `KeepFileRestoredFromArchive`).
    let placed = written.and_then(|()| std::fs::rename(&draft, target));
    if placed.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    placed.map_err(|error| file_error(target, "write", &error))?;
    Ok(FetchOutcome::Served { prefetched: false })
}

pub(super) fn file_error(path: &Path, action: &'static str, error: &io::Error) -> WalError {
    WalError::WalFile { path: path.display().to_string(), action, cause: error.to_string() }
}

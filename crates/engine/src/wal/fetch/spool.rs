//! Segments fetched ahead. Whatever is in the spool under a segment's name is whole, checked and durable.

use super::serve::{FetchRequest, file_error, is_beyond, open, read_until};
use crate::Error;
use pgformat::{WalSegment, WalSegmentSize};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::Path;
use vault::repository::Repository;
use vault::wal::{SegmentForm, WalArchiveError};

/// Its lock keeps all but one process from filling the spool.
const LOCK_FILE: &str = "lock";
/// What a segment is called until it is whole.
const DRAFT_SUFFIX: &str = ".draft";

/// Fills the spool with up to `count` whole segments after `name`, unless another process does. Removes what is older.
/// Returns how many came new.
///
/// # Errors
/// As [`super::fetch`]; what is damaged is left for `fetch` to find.
pub fn prefetch(repository: &Repository, request: &FetchRequest, count: u32) -> Result<u32, Error> {
    let Some(spool) = &request.spool else { return Ok(0) };
    let archive = open(repository, &request.name)?;
    let size = archive.geometry().segment_size;
    let Ok(current) = WalSegment::parse(&request.name, size) else { return Ok(0) };
    std::fs::create_dir_all(spool).map_err(|error| file_error(spool, "make", &error))?;
    let Some(_lock) = lock(&spool.join(LOCK_FILE))? else { return Ok(0) };

    let wanted: Vec<WalSegment> = std::iter::successors(Some(current.next()), |segment| Some(segment.next()))
        .take(count as usize)
        .take_while(|segment| !is_beyond(*segment, request.until_lsn, size))
        .collect();
    remove_others(spool, &wanted, size)?;
    let mut bytes = Vec::new();
    let mut fetched = 0;
    for segment in wanted {
        let place = spool.join(segment.file_name(size));
        if place.exists() {
            continue;
        }
        match read_until(&archive, segment, request.until_lsn, &mut bytes) {
            // One that is still being received would be out of date when it is asked for.
            Ok(Some(SegmentForm::Sealed)) => {}
            Ok(_) | Err(WalArchiveError::WalDamaged { .. } | WalArchiveError::WalMissing { .. }) => break,
            Err(error) => return Err(error.into()),
        }
        let draft = spool.join(format!("{}{DRAFT_SUFFIX}", segment.file_name(size)));
        // Synced: after a crash of the machine a file of zeros under the right name would be taken for the segment.
        let written = File::create(&draft).and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        written.and_then(|()| std::fs::rename(&draft, &place)).map_err(|error| file_error(&place, "write", &error))?;
        fetched += 1;
    }
    Ok(fetched)
}

/// Moves a segment out of the spool; `false` when it is not there.
///
/// # Errors
/// `WalFile` when it can't be moved.
pub(super) fn take_from_spool(spool: &Path, name: &str, size: WalSegmentSize, target: &Path) -> Result<bool, Error> {
    let place = spool.join(name);
    match std::fs::symlink_metadata(&place) {
        Ok(found) if found.is_file() && found.len() == size.bytes() => {}
        _ => return Ok(false),
    }
    match std::fs::rename(&place, target) {
        Ok(()) => Ok(true),
        // Another process was faster, or the spool lies on another file system: the archive has it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::CrossesDevices) => Ok(false),
        Err(error) => Err(file_error(target, "write", &error).into()),
    }
}

/// Takes the lock without waiting; `None` when another process has it.
fn lock(path: &Path) -> Result<Option<File>, Error> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| file_error(path, "open", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(file_error(path, "lock", &error).into()),
    }
}

/// Removes segments that won't be asked for any more, and drafts of a process that died.
fn remove_others(spool: &Path, wanted: &[WalSegment], size: WalSegmentSize) -> Result<(), Error> {
    let entries = std::fs::read_dir(spool).map_err(|error| file_error(spool, "list", &error))?;
    for entry in entries {
        let path = entry.map_err(|error| file_error(spool, "list", &error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_draft = name.ends_with(DRAFT_SUFFIX);
        let is_old = WalSegment::parse(name, size).is_ok_and(|segment| !wanted.contains(&segment));
        if is_draft || is_old {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(file_error(&path, "remove", &error).into());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

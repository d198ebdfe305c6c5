//! How does the WAL get into pg_wal before the start? Written by us, as the server would find it in its archive.

use super::settings::put_new;
use crate::restore::error::write_error;
use crate::restore::files::{Tree, TreeWriter, sync_file};
use crate::restore::point::{NeededSegment, RecoveryWork};
use crate::restore::{RestoreError, WalDelivery};
use crate::wal::read_until;
use crate::{Cancel, Error, Progress};
use pgformat::wal_segment::history_file_name;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use vault::repository::Repository;
use vault::wal::{WalArchive, WalArchiveError};

/// Puts what is needed of the archive into pg_wal: nothing but the log's end where the server fetches.
///
/// # Errors
/// `WalMissing`, `WalDamaged`, `RestoreWrite`, `RestoreDiskFull`; `cancelled`.
pub(in crate::restore) fn write_wal(
    repository: &Repository,
    work: &RecoveryWork,
    delivery: WalDelivery,
    tree: &Tree,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut writer = TreeWriter::new(tree);
    writer.make_directory(0, b"pg_wal/archive_status")?;
    if let Some(segment) = work.own_end {
        let path = format!("pg_wal/{}", segment.file_name(work.segment_size));
        let from = work.until_lsn.0.saturating_sub(segment.start_lsn(work.segment_size).0);
        blank(tree, &path, from, work.segment_size.bytes())?;
    }
    let Some(archive) = WalArchive::open(repository)?.filter(|_| delivery == WalDelivery::Stage) else { return Ok(()) };
    write_histories(&archive, tree, &mut writer)?;
    let mut bytes = Vec::new();
    for needed in work.needed(delivery) {
        cancel.check()?;
        let name = needed.segment.file_name(work.segment_size);
        if read_until(&archive, needed.segment, Some(work.until_lsn), &mut bytes)?.is_none() {
            let storage = repository.storage().describe();
            return Err(WalArchiveError::WalMissing { segment: name, storage }.into());
        }
        write_segment(tree, &mut writer, needed, &name, &bytes)?;
        // Else a server that archives would archive it a second time.
        put_new(tree, &mut writer, &format!("pg_wal/archive_status/{name}.done"), "")?;
        progress.advance(bytes.len() as u64);
    }
    Ok(())
}

/// Every history: the server looks for the newest to number its own timeline (upstream `timeline.c`, `findNewestTimeLine`).
fn write_histories(archive: &WalArchive, tree: &Tree, writer: &mut TreeWriter<'_>) -> Result<(), Error> {
    let contents = archive.contents()?;
    for timeline in
        contents.timelines.into_iter().filter(|(_, found)| found.history.is_some()).map(|(number, _)| number)
    {
        let name = history_file_name(timeline);
        let Some(text) = archive.history(timeline)? else { continue };
        put_new(tree, writer, &format!("pg_wal/{name}"), &String::from_utf8_lossy(&text))?;
        put_new(tree, writer, &format!("pg_wal/archive_status/{name}.done"), "")?;
    }
    Ok(())
}

fn write_segment(
    tree: &Tree,
    writer: &mut TreeWriter<'_>,
    needed: &NeededSegment,
    name: &str,
    bytes: &[u8],
) -> Result<(), RestoreError> {
    let path = format!("pg_wal/{name}");
    let full = tree.full_path(0, path.as_bytes());
    let replaces = needed.replaces_own && full.symlink_metadata().is_ok();
    let mut file = match replaces {
        true => File::options().write(true).truncate(true).open(&full).map_err(|error| write_error(&full, error))?,
        false => writer.create_file(0, path.as_bytes())?,
    };
    let written = file.write_all(bytes).and_then(|()| sync_file(&file, bytes.len() as u64));
    written.map_err(|error| write_error(&full, error))
}

/// Overwrites the end of a file with zeros: what stands there must not be replayed.
fn blank(tree: &Tree, path: &str, from: u64, size_bytes: u64) -> Result<(), RestoreError> {
    let full = tree.full_path(0, path.as_bytes());
    let failed = |error| write_error(&full, error);
    let file = File::options().write(true).open(&full).map_err(failed)?;
    let zeros = vec![0; usize::try_from(size_bytes.saturating_sub(from)).unwrap_or_default()];
    file.write_all_at(&zeros, from).and_then(|()| sync_file(&file, zeros.len() as u64)).map_err(failed)
}

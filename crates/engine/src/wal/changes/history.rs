//! Which timelines lead from the base to this backup?

use super::{ChangeRange, ChangesUnknown};
use crate::Error;
use crate::cluster::ClusterError;
use crate::reader::{ReadError, SourceReader};
use crate::wal::TimelinePath;
use pgformat::TimelineId;
use pgformat::timeline_history::parse_history;
use pgformat::wal_segment::history_file_name;
use vault::wal::WalArchive;

/// A history has one line a promotion.
const HISTORY_LIMIT_BYTES: usize = 1 << 20;

/// Finds the way to this backup's timeline, from the archive's history file or the server's, and checks that the base lies on it.
///
/// # Errors
/// Storage errors, and those of a connection that breaks.
pub(super) fn learn_path(
    archive: Option<&WalArchive>,
    range: &ChangeRange,
    server_wal: &mut dyn SourceReader,
) -> Result<Result<TimelinePath, ChangesUnknown>, Error> {
    if range.from_lsn > range.to_lsn {
        let (from_lsn, to_lsn) = (range.from_lsn, range.to_lsn);
        return Ok(Err(ChangesUnknown::ChangesBaseLater { from_lsn, to_lsn }));
    }
    let timeline = range.to_timeline;
    let path = match history_text(archive, timeline, server_wal)? {
        Ok(text) => match std::str::from_utf8(&text).ok().and_then(|text| parse_history(text).ok()) {
            Some(ancestors) => TimelinePath::new(timeline, &ancestors),
            None => return Ok(Err(ChangesUnknown::ChangesHistoryMissing { timeline })),
        },
        // Where it came from does not matter when the base is on it, too.
        Err(_) if range.from_timeline == timeline => TimelinePath::new(timeline, &[]),
        Err(unknown) => return Ok(Err(unknown)),
    };
    if !path.holds(range.from_timeline, range.from_lsn.max(range.from_stop_lsn)) {
        return Ok(Err(ChangesUnknown::ChangesBaseElsewhere {
            timeline: range.from_timeline,
            lsn: range.from_stop_lsn,
            to_timeline: timeline,
        }));
    }
    Ok(Ok(path))
}

fn history_text(
    archive: Option<&WalArchive>,
    timeline: TimelineId,
    server_wal: &mut dyn SourceReader,
) -> Result<Result<Vec<u8>, ChangesUnknown>, Error> {
    let missing = ChangesUnknown::ChangesHistoryMissing { timeline };
    if timeline.0 <= 1 {
        return Ok(Ok(Vec::new()));
    }
    if let Some(text) = archive.map(|archive| archive.history(timeline)).transpose()?.flatten() {
        return Ok(Ok(text));
    }
    let path = format!("pg_wal/{}", history_file_name(timeline));
    let mut text = None;
    let read = server_wal.read_files(&[path.as_bytes()], HISTORY_LIMIT_BYTES, &mut |_, found| {
        text = found.map(|found| found.bytes.to_vec());
        Ok(())
    });
    match read.map_err(unreadable) {
        Ok(()) => Ok(text.ok_or(missing)),
        Err(Unreadable::Refused(detail)) => Ok(Err(ChangesUnknown::ChangesNotAllowed { detail })),
        Err(Unreadable::Failed(error)) => Err(error.into()),
    }
}

/// Why a file of the server's could not be read.
pub(super) enum Unreadable {
    /// This file, or none: another way may do.
    Refused(String),
    /// The server is gone, or we were told to stop.
    Failed(ReadError),
}

/// Tells what is wrong with one file from what ends everything.
pub(super) fn unreadable(error: ReadError) -> Unreadable {
    match error {
        ReadError::ReadFile { .. } | ReadError::ReadNotUtf8 { .. } | ReadError::ReadTooDeep { .. } => {
            Unreadable::Refused(error.to_string())
        }
        ReadError::Cluster(ClusterError::ClusterPrivilege { .. } | ClusterError::ClusterSql { .. }) => {
            Unreadable::Refused(error.to_string())
        }
        error => Unreadable::Failed(error),
    }
}

//! The way *server*: the summaries that a server of 17 or later keeps for itself.

use super::history::{Unreadable, learn_path, unreadable};
use super::{ChangeAnswer, ChangeDetail, ChangeRange, ChangesUnknown};
use crate::cluster::summarizer::{self, SummarizerState};
use crate::cluster::{ClusterError, ClusterInfo, Connection};
use crate::reader::SourceReader;
use crate::wal::TimelinePath;
use crate::{Cancel, Error};
use pgformat::block_reference::{BlockReferenceReader, BlockReferenceTable, SummaryFileName};
use pgformat::{FormatError, Lsn, MajorVersion};
use std::time::{Duration, Instant};

/// How long the summarizer may take without any progress (upstream `walsummarizer.c`, `WaitForWalSummarization`).
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(100);
/// What is read of a summary at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Tells which blocks the records change that begin in a range of the log, from the server's own summaries; waits until it has
/// made them, for as long as it makes progress. They are read as files, each against its checksum. The table may tell of more
/// than the range at both ends, as far as the files do.
///
/// Servers miss in their summaries that a visibility map loses bits when a row is changed (those up to 17, whose records do not
/// name the map's block): *whoever uses this must copy visibility maps whole*, as well as free space maps. They also miss what an
/// SP-GiST index notes in its first block of where there is room; an old note does no harm.
///
/// # Errors
/// Those of a connection that breaks, `Cancelled`. Everything else that leaves a doubt is
/// [`ChangeAnswer::Unknown`].
pub fn changes_from_server(
    connection: &mut Connection,
    info: &ClusterInfo,
    range: &ChangeRange,
    server_wal: &mut dyn SourceReader,
    cancel: &Cancel,
) -> Result<ChangeAnswer, Error> {
    if info.version < MajorVersion::V17 {
        return Ok(ChangeAnswer::Unknown(ChangesUnknown::ChangesNoServerSummaries { version: info.version }));
    }
    let path = match learn_path(None, range, server_wal)? {
        Ok(path) => path,
        Err(unknown) => return Ok(ChangeAnswer::Unknown(unknown)),
    };
    let names = match wait_for_summaries(connection, range.to_lsn, cancel) {
        Ok(Ok(())) => summarizer::available(connection, &|| cancel.is_cancelled()),
        Ok(Err(unknown)) => return Ok(ChangeAnswer::Unknown(unknown)),
        Err(error) => Err(error),
    };
    let names = match names {
        Ok(names) => names,
        Err(error @ (ClusterError::ClusterSql { .. } | ClusterError::ClusterPrivilege { .. })) => {
            let detail = error.to_string();
            return Ok(ChangeAnswer::Unknown(ChangesUnknown::ChangesNotAllowed { detail }));
        }
        Err(error) => return Err(error.into()),
    };
    let wanted = match covering(&names, &path, range.from_lsn, range.to_lsn) {
        Ok(wanted) => wanted,
        Err(unknown) => return Ok(ChangeAnswer::Unknown(unknown)),
    };
    let mut table = BlockReferenceTable::new();
    for name in &wanted {
        cancel.check()?;
        match read(*name, server_wal)? {
            Ok(summary) => table.merge_later(&summary),
            Err(unknown) => return Ok(ChangeAnswer::Unknown(unknown)),
        }
    }
    let detail = ChangeDetail { summaries: wanted.len() as u64, ..ChangeDetail::default() };
    Ok(ChangeAnswer::Known { table, detail })
}

/// Waits until everything before `wanted_lsn` is summarized.
fn wait_for_summaries(
    connection: &mut Connection,
    wanted_lsn: Lsn,
    cancel: &Cancel,
) -> Result<Result<(), ChangesUnknown>, ClusterError> {
    let cancelled = || cancel.is_cancelled();
    let mut best: Option<SummarizerState> = None;
    let mut since = Instant::now();
    loop {
        let state = summarizer::state(connection, &cancelled)?;
        if !state.is_on {
            return Ok(Err(ChangesUnknown::ChangesSummariesOff {}));
        }
        if state.summarized_lsn >= wanted_lsn {
            return Ok(Ok(()));
        }
        let came_further =
            best.is_none_or(|best| state.summarized_lsn > best.summarized_lsn || state.pending_lsn > best.pending_lsn);
        if came_further {
            (best, since) = (Some(state), Instant::now());
        } else if since.elapsed() >= PATIENCE {
            let summarized_lsn = state.summarized_lsn;
            return Ok(Err(ChangesUnknown::ChangesSummariesBehind { summarized_lsn, wanted_lsn }));
        }
        if cancel.is_cancelled() {
            return Err(ClusterError::ClusterCancelled {});
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Chooses the summaries that together have all of a range, in the log's order (upstream `walsummary.c`, `FilterWalSummaries` and
/// `WalSummariesAreComplete`): on each timeline of the path those that touch the stretch that is valid there, without a hole.
fn covering(
    names: &[SummaryFileName],
    path: &TimelinePath,
    from_lsn: Lsn,
    to_lsn: Lsn,
) -> Result<Vec<SummaryFileName>, ChangesUnknown> {
    let mut chosen = Vec::new();
    for part in path.parts() {
        let (mut at, end) = (from_lsn.max(part.begin_lsn), part.end_lsn.map_or(to_lsn, |end| end.min(to_lsn)));
        if at >= end {
            continue;
        }
        // What a timeline has after the path left it never happened here, and may not even be taken in excess.
        let valid = |name: &&SummaryFileName| part.end_lsn.is_none_or(|left| name.end_lsn <= left);
        let of_part = names.iter().filter(|name| name.timeline == part.timeline).filter(valid);
        let mut touching: Vec<SummaryFileName> =
            of_part.filter(|name| name.start_lsn < end && name.end_lsn > at).copied().collect();
        touching.sort_unstable_by_key(|name| (name.start_lsn, name.end_lsn));
        for name in &touching {
            if name.start_lsn > at {
                break;
            }
            at = at.max(name.end_lsn);
        }
        if at < end {
            return Err(ChangesUnknown::ChangesSummaryMissing { timeline: part.timeline, lsn: at });
        }
        chosen.extend(touching);
    }
    Ok(chosen)
}

/// Reads one of the server's files.
fn read(
    name: SummaryFileName,
    server_wal: &mut dyn SourceReader,
) -> Result<Result<BlockReferenceTable, ChangesUnknown>, Error> {
    let missing = ChangesUnknown::ChangesSummaryMissing { timeline: name.timeline, lsn: name.start_lsn };
    let damaged = |error: FormatError| ChangesUnknown::ChangesSummaryDamaged {
        summary: name.to_string(),
        detail: error.to_string(),
    };
    let refused = |error| match unreadable(error) {
        Unreadable::Refused(detail) => Ok(Err(ChangesUnknown::ChangesNotAllowed { detail })),
        Unreadable::Failed(error) => Err(Error::from(error)),
    };
    let file = match server_wal.open(format!("pg_wal/summaries/{name}").as_bytes()) {
        Ok(Some(file)) => file,
        // The server removes old ones.
        Ok(None) => return Ok(Err(missing)),
        Err(error) => return refused(error),
    };
    let mut table = BlockReferenceTable::new();
    let mut reader = BlockReferenceReader::new();
    let mut piece = vec![0; PIECE_BYTES.min(file.size_bytes as usize)];
    let mut at = 0;
    while at < file.size_bytes {
        let length = match server_wal.read_at(&file, at, &mut piece) {
            Ok(0) => return Ok(Err(missing)),
            Ok(length) => length,
            Err(error) => return refused(error),
        };
        let fed = reader.feed::<FormatError>(&piece[..length], &mut |key, entry| {
            table.merge_later_entry(key, &entry);
            Ok(())
        });
        if let Err(error) = fed {
            return Ok(Err(damaged(error)));
        }
        at += length as u64;
    }
    Ok(reader.finish().map(|()| table).map_err(damaged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::TimelineId;
    use pgformat::timeline_history::HistoryEntry;

    fn name(timeline: u32, start: u64, end: u64) -> SummaryFileName {
        SummaryFileName { timeline: TimelineId(timeline), start_lsn: Lsn(start), end_lsn: Lsn(end) }
    }

    fn path(timeline: u32, switches: &[(u32, u64)]) -> TimelinePath {
        let entry = |&(timeline, lsn): &(u32, u64)| HistoryEntry {
            timeline: TimelineId(timeline),
            switch_lsn: Lsn(lsn),
            reason: String::new(),
        };
        TimelinePath::new(TimelineId(timeline), &switches.iter().map(entry).collect::<Vec<_>>())
    }

    fn missing_at(names: &[SummaryFileName], path: &TimelinePath, from: u64, to: u64) -> Option<(u32, u64)> {
        match covering(names, path, Lsn(from), Lsn(to)) {
            Ok(_) => None,
            Err(ChangesUnknown::ChangesSummaryMissing { timeline, lsn }) => Some((timeline.0, lsn.0)),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn summaries_must_touch_and_may_reach_beyond_both_ends() {
        let path = path(1, &[]);
        let names = [name(1, 100, 200), name(1, 200, 300), name(1, 300, 400)];
        assert_eq!(covering(&names, &path, Lsn(150), Lsn(250)).unwrap(), names[..2]);
        assert_eq!(covering(&names, &path, Lsn(200), Lsn(300)).unwrap(), names[1..2]);
        assert_eq!(missing_at(&names, &path, 99, 250), Some((1, 99)));
        assert_eq!(missing_at(&names, &path, 150, 401), Some((1, 400)));
        assert_eq!(missing_at(&[names[0], names[2]], &path, 150, 350), Some((1, 200)));
        assert_eq!(missing_at(&[], &path, 150, 350), Some((1, 150)));
        assert_eq!(covering(&[], &path, Lsn(150), Lsn(150)).unwrap(), []);
        // Of another timeline.
        assert_eq!(missing_at(&[name(2, 100, 400)], &path, 150, 350), Some((1, 150)));
    }

    #[test]
    fn each_timeline_covers_its_own_part_and_nothing_beyond() {
        let path = path(2, &[(1, 250)]);
        let (old, cut, new) = (name(1, 100, 200), name(1, 200, 250), name(2, 250, 400));
        assert_eq!(covering(&[old, cut, new], &path, Lsn(150), Lsn(400)).unwrap(), [old, cut, new]);
        // Its limits may tell of what never happened here.
        assert_eq!(missing_at(&[old, name(1, 200, 300), new], &path, 150, 400), Some((1, 200)));
        assert_eq!(missing_at(&[old, cut], &path, 150, 400), Some((2, 250)));
        assert_eq!(covering(&[old, cut, new], &path, Lsn(300), Lsn(400)).unwrap(), [new]);
    }
}

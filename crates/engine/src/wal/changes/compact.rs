//! Many short summaries into few long ones.

use super::follow::without_header;
use crate::{Cancel, Error};
use pgformat::block_reference::{BlockReferenceTable, SummaryFileName};
use pgformat::{Lsn, WalSegmentSize};
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::Bound::Excluded;
use vault::repository::Repository;
use vault::wal::{WalArchive, WalArchiveError};

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CompactedSummaries {
    /// Long summaries written.
    pub written: u64,
    /// Summaries removed that they hold.
    pub removed: u64,
}

/// Files of one timeline that become one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Merge {
    into: SummaryFileName,
    /// They adjoin, in the log's order; only `into` itself when it is here already.
    parts: Vec<SummaryFileName>,
    /// What lies within, `into` apart.
    within: Vec<SummaryFileName>,
}

/// Merges the summaries between the addresses in `keep_borders`: the start LSNs of all backups that may still be a base. A range that a
/// backup will ask for begins at one of them and ends after the last, so nothing else has to begin where a file begins; what is
/// after the last stays as it is. Each long file is durable before the short ones go, so that it can be broken off and repeated
/// at any time, beside receivers, backups and itself.
///
/// # Errors
/// Those of the archive's description and its histories, storage errors, `Cancelled`.
///
/// # Cancellation
/// Leaves what was merged so far.
pub fn compact_summaries(
    repository: &Repository,
    keep_borders: &[Lsn],
    cancel: &Cancel,
) -> Result<CompactedSummaries, Error> {
    let mut done = CompactedSummaries::default();
    let Some(archive) = WalArchive::open(repository)? else { return Ok(done) };
    let size = archive.geometry().segment_size;
    let mut borders: BTreeSet<Lsn> = keep_borders.iter().map(|lsn| without_header(*lsn, size)).collect();
    let Some(limit) = borders.last().copied() else { return Ok(done) };
    // A file that goes beyond where its timeline was left is of no use on the way to the next one.
    for timeline in archive.contents()?.timelines.values() {
        borders.extend(timeline.history.iter().flatten().map(|entry| entry.switch_lsn));
    }
    for merge in plan(&archive.list_summaries()?, &borders, limit, size) {
        cancel.check()?;
        if merge.parts != [merge.into] {
            let Some(table) = read_all(&archive, &merge.parts)? else { continue };
            write_checked(&archive, merge.into, &table)?;
            done.written += 1;
        } else if read_all(&archive, &merge.parts)?.is_none() {
            continue;
        }
        for name in merge.within {
            archive.remove_summary(name)?;
            done.removed += 1;
        }
    }
    Ok(done)
}

/// Joins what adjoining files tell; `None` when one is gone or damaged: a backup makes it anew.
fn read_all(archive: &WalArchive, parts: &[SummaryFileName]) -> Result<Option<BlockReferenceTable>, Error> {
    let mut table = BlockReferenceTable::new();
    for name in parts {
        match archive.read_summary(*name) {
            Ok(Some(part)) => table.merge_later(&part),
            Ok(None) => return Ok(None),
            Err(error @ WalArchiveError::WalUnreadable { .. }) => {
                // Its content is of no use, and it would hide shorter ones for good.
                tracing::warn!("{error}; it is removed");
                archive.remove_summary(*name)?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(table))
}

/// Writes a file, and makes sure that one that was there before tells as much: its parts go now.
fn write_checked(archive: &WalArchive, name: SummaryFileName, table: &BlockReferenceTable) -> Result<(), Error> {
    archive.put_summary(name, table)?;
    match archive.read_summary(name) {
        Ok(Some(there)) if there == *table => return Ok(()),
        Ok(_) | Err(WalArchiveError::WalUnreadable { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(archive.replace_summary(name, table)?)
}

/// Chooses what to merge. A file that begins within a segment is for the backup that started there, and stays by itself, as does the
/// whole segment with a border within: so every walk meets the same borders again.
fn plan(names: &[SummaryFileName], borders: &BTreeSet<Lsn>, limit: Lsn, size: WalSegmentSize) -> Vec<Merge> {
    let mut files: Vec<SummaryFileName> = names.iter().filter(|name| name.end_lsn <= limit).copied().collect();
    files.sort_unstable_by_key(|name| (name.timeline, name.start_lsn, std::cmp::Reverse(name.end_lsn)));
    let has_border = |start: Lsn, end: Lsn| borders.range((Excluded(start), Excluded(end))).next().is_some();
    let mut merges: Vec<Merge> = Vec::new();
    for (place, first) in files.iter().enumerate() {
        let is_within = |merge: &Merge| merge.into.timeline == first.timeline && merge.into.end_lsn > first.start_lsn;
        let is_whole = first.start_lsn.0.is_multiple_of(size.bytes());
        if !is_whole || has_border(first.start_lsn, first.end_lsn) || merges.last().is_some_and(is_within) {
            continue;
        }
        let mut into = *first;
        let mut parts = vec![*first];
        let later = &files[place + 1..];
        // The longest of those that begin at an address comes first.
        while let Some(next) = find_from(later, into)
            .find(|next| next.start_lsn == into.end_lsn && !has_border(into.start_lsn, next.end_lsn))
        {
            into.end_lsn = next.end_lsn;
            parts.push(*next);
        }
        let same = later.iter().take_while(|name| name.timeline == into.timeline && name.start_lsn < into.end_lsn);
        let mut within: Vec<SummaryFileName> = same.filter(|name| name.end_lsn <= into.end_lsn).copied().collect();
        if parts.len() > 1 {
            within.insert(0, *first);
        }
        if !within.is_empty() {
            merges.push(Merge { into, parts, within });
        }
    }
    merges
}

/// Returns the files that begin at the end of `of` or later on its timeline, the longest of each start first.
fn find_from(files: &[SummaryFileName], of: SummaryFileName) -> impl Iterator<Item = &SummaryFileName> {
    let at = files.partition_point(|name| (name.timeline, name.start_lsn) < (of.timeline, of.end_lsn));
    files[at..].iter().take_while(move |name| name.timeline == of.timeline && name.start_lsn == of.end_lsn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::TimelineId;

    const MIB: u64 = 1 << 20;

    fn name(timeline: u32, start: u64, end: u64) -> SummaryFileName {
        SummaryFileName { timeline: TimelineId(timeline), start_lsn: Lsn(start), end_lsn: Lsn(end) }
    }

    /// The files of whole segments.
    fn whole(timeline: u32, numbers: std::ops::Range<u64>) -> Vec<SummaryFileName> {
        numbers.map(|number| name(timeline, number * MIB, (number + 1) * MIB)).collect()
    }

    fn planned(names: &[SummaryFileName], borders: &[u64], limit: u64) -> Vec<Merge> {
        let borders = borders.iter().map(|lsn| Lsn(*lsn)).collect();
        plan(names, &borders, Lsn(limit), WalSegmentSize::new(MIB).unwrap())
    }

    /// What is left after a plan was carried out.
    fn after(names: &[SummaryFileName], borders: &[u64], limit: u64) -> Vec<SummaryFileName> {
        let mut left: BTreeSet<SummaryFileName> = names.iter().copied().collect();
        for merge in planned(names, borders, limit) {
            left.insert(merge.into);
            assert!(merge.within.iter().all(|name| *name != merge.into));
            assert!(merge.parts.windows(2).all(|pair| pair[0].end_lsn == pair[1].start_lsn));
            merge.within.iter().for_each(|name| assert!(left.remove(name), "{name} twice"));
        }
        left.into_iter().collect()
    }

    #[test]
    fn files_between_borders_become_one_and_those_after_the_last_stay() {
        let names = whole(1, 2..9);
        let left = after(&names, &[2 * MIB, 5 * MIB, 7 * MIB], 7 * MIB);
        let (first, second) = (name(1, 2 * MIB, 5 * MIB), name(1, 5 * MIB, 7 * MIB));
        assert_eq!(left, [&[first, second][..], &names[5..]].concat());
        assert_eq!(after(&left, &[2 * MIB, 5 * MIB, 7 * MIB], 7 * MIB), left, "a second time does nothing");
        // When the border in the middle is none any more.
        assert_eq!(after(&left, &[2 * MIB, 7 * MIB], 7 * MIB)[0], name(1, 2 * MIB, 7 * MIB));
    }

    #[test]
    fn a_border_within_a_segment_keeps_its_rest_and_the_whole() {
        let border = 4 * MIB + 4096;
        let mut names = whole(1, 2..8);
        let rest = name(1, border, 5 * MIB);
        names.push(rest);
        let left = after(&names, &[border, 8 * MIB], 8 * MIB);
        let segment = name(1, 4 * MIB, 5 * MIB);
        assert_eq!(left, [name(1, 2 * MIB, 4 * MIB), segment, rest, name(1, 5 * MIB, 8 * MIB)]);
        assert_eq!(after(&left, &[border, 8 * MIB], 8 * MIB), left);
        // A rest that nobody asks for goes.
        assert_eq!(after(&left, &[2 * MIB, 8 * MIB], 8 * MIB), [name(1, 2 * MIB, 8 * MIB)]);
    }

    #[test]
    fn holes_and_timelines_divide() {
        let mut names = whole(1, 2..4);
        names.extend(whole(1, 5..7));
        names.extend(whole(2, 6..9));
        let left = after(&names, &[9 * MIB], 9 * MIB);
        assert_eq!(left, [name(1, 2 * MIB, 4 * MIB), name(1, 5 * MIB, 7 * MIB), name(2, 6 * MIB, 9 * MIB)]);
        // Timeline 2 left timeline 1 within segment 6, which must not spoil what was before.
        let names = whole(1, 2..8);
        let left = after(&names, &[6 * MIB + 64, 9 * MIB], 9 * MIB);
        assert_eq!(left, [name(1, 2 * MIB, 6 * MIB), name(1, 6 * MIB, 7 * MIB), name(1, 7 * MIB, 8 * MIB)]);
    }

    #[test]
    fn what_a_crash_left_beside_the_long_file_goes() {
        let long = name(1, 2 * MIB, 6 * MIB);
        let mut names = whole(1, 3..6);
        names.push(long);
        let merges = planned(&names, &[2 * MIB, 6 * MIB], 6 * MIB);
        assert_eq!(merges, [Merge { into: long, parts: vec![long], within: whole(1, 3..6) }]);
        names.extend(whole(1, 6..8));
        assert_eq!(after(&names, &[2 * MIB, 8 * MIB], 8 * MIB), [name(1, 2 * MIB, 8 * MIB)]);
        assert_eq!(planned(&[], &[MIB], MIB), []);
    }
}

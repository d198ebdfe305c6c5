//! Where does the archive end, or where has it a hole that nobody knows of yet?

use super::sealing::seal_partial;
use crate::Error;
use pgformat::{Lsn, TimelineId, WalSegment, WalSegmentSize};
use std::collections::BTreeMap;
use vault::wal::{ArchivedSegment, SegmentForm, WalArchive, WalContents, WalGap};

/// How many of a timeline's newest segments may have left a partial file behind: those that a sealing thread can hold.
const UNSWEPT_LIMIT: usize = 4;

/// From where to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) timeline: TimelineId,
    /// The first segment that is not whole.
    pub(super) segment: WalSegment,
    /// Everything before it is here; in `segment`, or its start.
    pub(super) valid_end: Lsn,
    /// Where WAL is here again, when what is missing is a hole.
    pub(super) goes_on_at: Option<Lsn>,
}

/// Finds the first segment of a timeline, from its oldest on, that is not whole and not lost in a gap that was noted.
/// `None` when nothing is here of the timeline.
///
/// A hole comes up when an archive_command began to push while no receiver ran. The server may still have what is missing.
pub(super) fn position(
    archive: &WalArchive,
    contents: &WalContents,
    timeline: TimelineId,
) -> Result<Option<Position>, Error> {
    let size = archive.geometry().segment_size;
    let none = BTreeMap::new();
    let segments = contents.timelines.get(&timeline).map_or(&none, |timeline| &timeline.segments);
    let Some(segment) = first_missing(segments, &contents.gaps, timeline, size) else { return Ok(None) };
    let start = segment.start_lsn(size);
    let is_partial = segments.get(&segment.number).is_some_and(|found| found.form == SegmentForm::Partial);
    let mut valid_end = if is_partial { valid_end_of_partial(archive, segment)? } else { start };
    for gap in contents.gaps.iter().filter(|gap| gap.timeline == timeline && gap.to_lsn > start) {
        // Up to the end of the timeline nothing more will come.
        if gap.from_lsn <= valid_end {
            valid_end = valid_end.max(gap.to_lsn.min(segment.end_lsn(size)));
        }
    }
    let goes_on_at = segments
        .range(segment.number + 1..)
        .find(|(_, found)| found.form == SegmentForm::Sealed)
        .map(|(_, found)| found.segment.start_lsn(size));
    Ok(Some(Position { timeline, segment, valid_end, goes_on_at }))
}

fn first_missing(
    segments: &BTreeMap<u64, ArchivedSegment>,
    gaps: &[WalGap],
    timeline: TimelineId,
    size: WalSegmentSize,
) -> Option<WalSegment> {
    let gaps = || gaps.iter().filter(|gap| gap.timeline == timeline);
    let number_at = |lsn: Lsn| WalSegment::containing(timeline, lsn, size).number;
    // An archive may begin with a gap: it was noted after everything before was removed.
    let first = segments.keys().copied().chain(gaps().map(|gap| number_at(gap.from_lsn))).min()?;
    let mut segment = WalSegment { timeline, number: first };
    loop {
        let (start, end) = (segment.start_lsn(size), segment.end_lsn(size));
        if segments.get(&segment.number).is_some_and(|found| found.form == SegmentForm::Sealed) {
            segment = segment.next();
            continue;
        }
        let lost_until = gaps().filter(|gap| gap.from_lsn < end && gap.to_lsn > start).map(|gap| gap.to_lsn).max();
        match lost_until {
            // A gap that ends within a segment ends where its timeline does.
            Some(to) if number_at(to) > segment.number => segment.number = number_at(to),
            _ => return Some(segment),
        }
    }
}

/// Returns how far a partial file can be trusted, at most as far as it goes.
pub(super) fn valid_end_of_partial(archive: &WalArchive, segment: WalSegment) -> Result<Lsn, Error> {
    let partial = archive.open_partial(segment)?;
    Ok(partial.valid_end()?.min(partial.file_end()))
}

/// Finishes what a receiver that died left behind: seals partial files that are whole, and removes those of sealed segments.
/// Returns what was sealed.
pub(super) fn tidy_up(archive: &WalArchive, level: i32, jobs: usize) -> Result<Vec<WalSegment>, Error> {
    let size = archive.geometry().segment_size;
    let mut sealed = Vec::new();
    for timeline in archive.contents()?.timelines.values() {
        for found in timeline.segments.values().rev().take(UNSWEPT_LIMIT) {
            match found.form {
                SegmentForm::Sealed => archive.remove_partial(found.segment)?,
                SegmentForm::Partial if found.size_bytes < size.bytes() || !archive.can_read_back() => {}
                SegmentForm::Partial if valid_end_of_partial(archive, found.segment)? < found.segment.end_lsn(size) => {
                }
                SegmentForm::Partial => {
                    archive.sweep(found.segment)?;
                    seal_partial(archive, found.segment, level, jobs)?;
                    sealed.push(found.segment);
                }
            }
        }
    }
    sealed.sort_unstable();
    Ok(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMELINE: TimelineId = TimelineId(3);

    fn size() -> WalSegmentSize {
        WalSegmentSize::new(1 << 20).unwrap()
    }

    fn missing(sealed: &[u64], partial: &[u64], gaps: &[(u64, u64)]) -> Option<u64> {
        let entry = |number: &u64, form| {
            let segment = WalSegment { timeline: TIMELINE, number: *number };
            (*number, ArchivedSegment { segment, form, size_bytes: 0, modified_seconds: 0 })
        };
        let segments = sealed.iter().map(|number| entry(number, SegmentForm::Sealed));
        let segments = segments.chain(partial.iter().map(|number| entry(number, SegmentForm::Partial))).collect();
        let gap = |(from, to): &(u64, u64)| WalGap {
            timeline: TIMELINE,
            from_lsn: Lsn(*from),
            to_lsn: Lsn(*to),
            noticed_at: jiff::Timestamp::UNIX_EPOCH,
            cause: serde_json::Value::Null,
        };
        let gaps: Vec<WalGap> = gaps.iter().map(gap).collect();
        first_missing(&segments, &gaps, TIMELINE, size()).map(|segment| segment.number)
    }

    #[test]
    fn an_archive_goes_on_after_its_last_segment_or_within_its_partial_one() {
        assert_eq!(missing(&[], &[], &[]), None);
        assert_eq!(missing(&[5, 6, 7], &[], &[]), Some(8));
        assert_eq!(missing(&[5, 6], &[7], &[]), Some(7));
        assert_eq!(missing(&[], &[7], &[]), Some(7));
    }

    #[test]
    fn a_hole_that_nobody_noted_comes_first() {
        assert_eq!(missing(&[5, 8, 9], &[], &[]), Some(6));
        assert_eq!(missing(&[5, 8, 9], &[6], &[]), Some(6));
    }

    #[test]
    fn gaps_that_were_noted_are_passed_over() {
        let mib = 1 << 20;
        assert_eq!(missing(&[5, 8, 9], &[], &[(6 * mib, 8 * mib)]), Some(10));
        assert_eq!(missing(&[5, 8, 9], &[6], &[(6 * mib + 4096, 8 * mib)]), Some(10));
        assert_eq!(missing(&[5], &[6], &[(6 * mib + 4096, 8 * mib)]), Some(8), "nothing came after the gap yet");
        assert_eq!(missing(&[5, 12], &[], &[(6 * mib, 8 * mib), (8 * mib, 12 * mib)]), Some(13));
        assert_eq!(missing(&[], &[], &[(6 * mib, 8 * mib)]), Some(8));
        assert_eq!(
            missing(&[5], &[6], &[(6 * mib + 4096, 6 * mib + 8192)]),
            Some(6),
            "it ends where the timeline does"
        );
    }
}

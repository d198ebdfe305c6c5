//! Which file holds which stretch of a path, and where does the run of files from a backup on end?

use super::TimelinePath;
use pgformat::{Lsn, TimelineId, WalSegment, WalSegmentSize};
use vault::repository::BackupRecord;
use vault::wal::{SegmentForm, WalContents};

/// What a backup is to the log: where it started and stopped, and the segments that it holds in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Base {
    pub timeline: TimelineId,
    pub start_lsn: Lsn,
    pub stop_lsn: Lsn,
    /// Whether its last segment is whole: the primary switches to the next one when a backup ends (upstream `xlog.c`,
    /// `do_pg_backup_stop`), a standby can't.
    pub last_is_whole: bool,
}

/// Where a segment's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// In the archive, whole.
    Sealed,
    /// In the archive, its beginning.
    Partial,
    /// In the backup itself.
    Base,
}

/// The file that serves a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub segment: WalSegment,
    pub holder: Holder,
    /// What the file has after this address is not on the path, or is not known to be WAL.
    pub cut_lsn: Option<Lsn>,
}

/// Consecutive segments from the one with a backup's end on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The segment with the last byte before the backup's stop LSN.
    pub first: u64,
    /// The last segment. Nothing after it can be replayed.
    pub last: u64,
}

/// The files of one path, as one backup's recovery would find them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coverage<'a> {
    pub contents: &'a WalContents,
    pub path: &'a TimelinePath,
    pub size: WalSegmentSize,
    pub base: Option<Base>,
}

impl Base {
    /// Reads a completed backup's record; `None` when it lacks LSNs or a timeline.
    pub fn of(record: &BackupRecord) -> Option<Self> {
        let (timeline, start_lsn, stop_lsn) = (record.timeline?, record.start_lsn?, record.stop_lsn?);
        Some(Base { timeline, start_lsn, stop_lsn, last_is_whole: !record.from_standby })
    }

    /// Returns the number of the segment where its WAL starts.
    pub fn first_segment(&self, size: WalSegmentSize) -> u64 {
        WalSegment::containing(self.timeline, self.start_lsn, size).number
    }

    /// Returns the number of the segment where its WAL stops.
    pub fn last_segment(&self, size: WalSegmentSize) -> u64 {
        WalSegment::ending_at(self.timeline, self.stop_lsn, size).number
    }

    fn holds(&self, segment: WalSegment, size: WalSegmentSize) -> bool {
        segment.timeline == self.timeline
            && (self.first_segment(size)..=self.last_segment(size)).contains(&segment.number)
    }
}

impl Coverage<'_> {
    /// Returns the file that PostgreSQL would use for segment `number`; `None` when there is none.
    pub fn piece(&self, number: u64) -> Option<Piece> {
        let segment_end = Lsn((number + 1).saturating_mul(self.size.bytes()));
        self.path.candidates(number, self.size).find_map(|part| {
            let segment = WalSegment { timeline: part.timeline, number };
            let archived = self.contents.timelines.get(&part.timeline).and_then(|found| found.segments.get(&number));
            let mut cut_lsn = part.end_lsn.filter(|end| *end < segment_end);
            let holder = match (archived.map(|found| found.form), self.base) {
                (Some(SegmentForm::Sealed), _) => Holder::Sealed,
                (Some(SegmentForm::Partial), base) => match base.filter(|base| self.is_whole_in(base, segment)) {
                    Some(_) => Holder::Base,
                    None => Holder::Partial,
                },
                (None, Some(base)) if base.holds(segment, self.size) => {
                    if !self.is_whole_in(&base, segment) {
                        cut_lsn = Some(cut_lsn.map_or(base.stop_lsn, |cut| cut.min(base.stop_lsn)));
                    }
                    Holder::Base
                }
                (None, _) => return None,
            };
            Some(Piece { segment, holder, cut_lsn })
        })
    }

    /// Tells whether all of a segment is here.
    pub fn is_whole(&self, segment: WalSegment) -> bool {
        let timeline = self.contents.timelines.get(&segment.timeline);
        timeline.and_then(|timeline| timeline.segments.get(&segment.number)).is_some_and(|found| found.is_whole)
    }

    fn is_whole_in(&self, base: &Base, segment: WalSegment) -> bool {
        let ends_there = segment.number == base.last_segment(self.size);
        base.holds(segment, self.size)
            && (!ends_there || base.last_is_whole || segment.end_lsn(self.size) == base.stop_lsn)
    }

    /// Follows the files from the end of the base on; `None` without a base, or without the file that it ends in.
    pub fn run(&self) -> Option<Run> {
        let first = self.base?.last_segment(self.size);
        let mut piece = self.piece(first)?;
        let mut last = first;
        while piece.cut_lsn.is_none() && (piece.holder != Holder::Partial || self.is_whole(piece.segment)) {
            let Some(next) = self.piece(last + 1) else { break };
            (piece, last) = (next, last + 1);
        }
        Some(Run { first, last })
    }

    /// Returns the numbers of the segments on the path of which the archive has a file, in order.
    pub fn archived(&self) -> Vec<u64> {
        let mut numbers = Vec::new();
        for part in self.path.parts() {
            let Some(found) = self.contents.timelines.get(&part.timeline) else { continue };
            let first = part.begin_lsn.0 / self.size.bytes();
            let last = part.end_lsn.map_or(u64::MAX, |end| end.0.saturating_sub(1) / self.size.bytes());
            if first <= last {
                numbers.extend(found.segments.range(first..=last).map(|(number, _)| *number));
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::timeline_history::HistoryEntry;
    use vault::wal::ArchivedSegment;

    const MIB: u64 = 1 << 20;

    fn size() -> WalSegmentSize {
        WalSegmentSize::new(MIB).unwrap()
    }

    /// `(timeline, number, sealed)`.
    fn contents(files: &[(u32, u64, bool)]) -> WalContents {
        let mut contents = WalContents::default();
        for &(timeline, number, sealed) in files {
            let segment = WalSegment { timeline: TimelineId(timeline), number };
            let form = if sealed { SegmentForm::Sealed } else { SegmentForm::Partial };
            let found = ArchivedSegment { segment, form, size_bytes: 1, is_whole: sealed, modified_seconds: 0 };
            contents.timelines.entry(segment.timeline).or_default().segments.insert(number, found);
        }
        contents
    }

    fn base(timeline: u32, start: u64, stop: u64) -> Base {
        Base { timeline: TimelineId(timeline), start_lsn: Lsn(start), stop_lsn: Lsn(stop), last_is_whole: true }
    }

    fn path(timeline: u32, switches: &[(u32, u64)]) -> TimelinePath {
        let entries: Vec<HistoryEntry> = switches
            .iter()
            .map(|&(timeline, lsn)| HistoryEntry {
                timeline: TimelineId(timeline),
                switch_lsn: Lsn(lsn),
                reason: String::new(),
            })
            .collect();
        TimelinePath::new(TimelineId(timeline), &entries)
    }

    fn run(contents: &WalContents, path: &TimelinePath, base: Base) -> Option<(u64, u64)> {
        let coverage = Coverage { contents, path, size: size(), base: Some(base) };
        coverage.run().map(|run| (run.first, run.last))
    }

    #[test]
    fn a_run_ends_before_the_first_missing_segment_and_at_a_partial_one() {
        let path = path(1, &[]);
        let base = base(1, 3 * MIB + 40, 3 * MIB + 400);
        let sealed: Vec<_> = [4, 5, 7].map(|number| (1, number, true)).to_vec();
        assert_eq!(run(&contents(&sealed), &path, base), Some((3, 5)));
        assert_eq!(run(&contents(&[(1, 4, true), (1, 5, false), (1, 6, true)]), &path, base), Some((3, 5)));
        assert_eq!(run(&contents(&[]), &path, base), Some((3, 3)));
    }

    #[test]
    fn a_standbys_last_segment_counts_up_to_the_stop_only() {
        let path = path(1, &[]);
        let mut base = base(1, 3 * MIB + 40, 4 * MIB + 400);
        base.last_is_whole = false;
        assert_eq!(run(&contents(&[(1, 5, true)]), &path, base), Some((4, 4)));
        assert_eq!(run(&contents(&[(1, 4, true), (1, 5, true)]), &path, base), Some((4, 5)));
        // Whole where it stops at a segment's end.
        base.stop_lsn = Lsn(5 * MIB);
        assert_eq!(run(&contents(&[(1, 5, true)]), &path, base), Some((4, 5)));
    }

    #[test]
    fn the_older_file_of_a_switch_serves_up_to_the_switch_when_the_newer_is_missing() {
        let path = path(2, &[(1, 5 * MIB + 100)]);
        let base = base(1, 3 * MIB + 40, 3 * MIB + 400);
        let mut files = vec![(1, 4, true), (1, 5, true), (1, 6, true), (2, 6, true)];
        let without = contents(&files);
        assert_eq!(run(&without, &path, base), Some((3, 5)));
        let coverage = Coverage { contents: &without, path: &path, size: size(), base: Some(base) };
        assert_eq!(coverage.piece(5).unwrap().cut_lsn, Some(Lsn(5 * MIB + 100)));
        files.push((2, 5, true));
        let with = contents(&files);
        let coverage = Coverage { contents: &with, path: &path, size: size(), base: Some(base) };
        assert_eq!(coverage.piece(5).unwrap().segment.timeline, TimelineId(2));
        assert_eq!(coverage.run(), Some(Run { first: 3, last: 6 }));
        // On the older timeline's own path its segment goes on.
        let older = super::TimelinePath::new(TimelineId(1), &[]);
        assert_eq!(run(&with, &older, base), Some((3, 6)));
    }

    #[test]
    fn only_segments_of_the_path_count_as_archived() {
        let path = path(2, &[(1, 5 * MIB + 100)]);
        let contents = contents(&[(1, 2, true), (1, 5, true), (1, 6, true), (2, 4, true), (2, 5, true), (2, 8, false)]);
        let coverage = Coverage { contents: &contents, path: &path, size: size(), base: None };
        assert_eq!(coverage.archived(), [2, 5, 8]);
        assert_eq!(coverage.piece(6), None);
    }
}

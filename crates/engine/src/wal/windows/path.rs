//! A timeline with its ancestors: which of them has the WAL at an address?

use pgformat::timeline_history::HistoryEntry;
use pgformat::{Lsn, TimelineId, WalSegmentSize};

/// One timeline of a path, and the stretch of the log that is valid there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathPart {
    pub timeline: TimelineId,
    /// Where it began; 0 for the oldest.
    pub begin_lsn: Lsn,
    /// Where the next one left it; `None` for the last.
    pub end_lsn: Option<Lsn>,
}

/// What recovery along one timeline goes through, the oldest part first; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimelinePath {
    parts: Vec<PathPart>,
    last: TimelineId,
}

impl TimelinePath {
    /// Joins a timeline to the ancestors that its history file names.
    pub fn new(timeline: TimelineId, ancestors: &[HistoryEntry]) -> Self {
        let mut parts = Vec::new();
        let mut begin_lsn = Lsn(0);
        for ancestor in ancestors.iter().filter(|ancestor| ancestor.timeline < timeline) {
            parts.push(PathPart { timeline: ancestor.timeline, begin_lsn, end_lsn: Some(ancestor.switch_lsn) });
            begin_lsn = ancestor.switch_lsn;
        }
        parts.push(PathPart { timeline, begin_lsn, end_lsn: None });
        TimelinePath { parts, last: timeline }
    }

    /// Returns the timeline that recovery ends on.
    pub fn timeline(&self) -> TimelineId {
        self.last
    }

    /// Returns the parts, the oldest first.
    pub fn parts(&self) -> &[PathPart] {
        &self.parts
    }

    /// Tells whether a backup of `timeline` that ended at `stop_lsn` leads here: one that went on after the path had left its
    /// timeline holds what never happened on the path.
    pub fn holds(&self, timeline: TimelineId, stop_lsn: Lsn) -> bool {
        let part = self.parts.iter().find(|part| part.timeline == timeline);
        part.is_some_and(|part| part.end_lsn.is_none_or(|end| stop_lsn <= end))
    }

    /// Returns the timeline whose log goes on at an address.
    pub fn timeline_at(&self, lsn: Lsn) -> TimelineId {
        self.parts.iter().find(|part| part.end_lsn.is_none_or(|end| lsn < end)).map_or(self.last, |part| part.timeline)
    }

    /// Returns whose files of segment `number` serve, the best first.
    ///
    /// As PostgreSQL looks for them (upstream `xlogrecovery.c`, `XLogFileReadAnyTLI`): the newest timeline that had begun by this
    /// segment, then older ones. The segment with a switch is on both; the newer one repeats what was before the switch.
    pub fn candidates(&self, number: u64, size: WalSegmentSize) -> impl Iterator<Item = &PathPart> {
        let start = number.saturating_mul(size.bytes());
        self.parts
            .iter()
            .rev()
            .filter(move |part| part.begin_lsn.0 / size.bytes() <= number)
            .filter(move |part| part.end_lsn.is_none_or(|end| end.0 > start))
    }

    /// Returns the timelines that have WAL in `from..to`.
    pub fn timelines_between(&self, from: Lsn, to: Lsn) -> Vec<TimelineId> {
        let within = |part: &&PathPart| part.begin_lsn < to && part.end_lsn.is_none_or(|end| end > from);
        self.parts.iter().filter(within).map(|part| part.timeline).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn size() -> WalSegmentSize {
        WalSegmentSize::new(MIB).unwrap()
    }

    fn entry(timeline: u32, switch_lsn: u64) -> HistoryEntry {
        HistoryEntry { timeline: TimelineId(timeline), switch_lsn: Lsn(switch_lsn), reason: String::new() }
    }

    fn candidates(path: &TimelinePath, number: u64) -> Vec<u32> {
        path.candidates(number, size()).map(|part| part.timeline.0).collect()
    }

    #[test]
    fn the_segment_of_a_switch_is_sought_on_the_newer_timeline_first() {
        let path = TimelinePath::new(TimelineId(3), &[entry(1, 5 * MIB + 100), entry(2, 7 * MIB)]);
        assert_eq!(candidates(&path, 4), [1]);
        assert_eq!(candidates(&path, 5), [2, 1]);
        assert_eq!(candidates(&path, 6), [2]);
        // A switch on a segment's border leaves nothing of the older timeline after it.
        assert_eq!(candidates(&path, 7), [3]);
    }

    #[test]
    fn a_timeline_left_and_begun_in_one_segment_is_sought_between_its_neighbours() {
        let path = TimelinePath::new(TimelineId(3), &[entry(1, 5 * MIB + 100), entry(2, 5 * MIB + 900)]);
        assert_eq!(candidates(&path, 5), [3, 2, 1]);
        assert_eq!(candidates(&path, 6), [3]);
        let between = path.timelines_between(Lsn(5 * MIB), Lsn(5 * MIB + 500));
        assert_eq!(between, [TimelineId(1), TimelineId(2)]);
    }

    #[test]
    fn a_backup_that_outlived_the_switch_is_not_on_the_path() {
        let path = TimelinePath::new(TimelineId(2), &[entry(1, 5 * MIB)]);
        assert!(path.holds(TimelineId(1), Lsn(5 * MIB)) && path.holds(TimelineId(2), Lsn(9 * MIB)));
        assert!(!path.holds(TimelineId(1), Lsn(5 * MIB + 8)) && !path.holds(TimelineId(3), Lsn(MIB)));
    }
}

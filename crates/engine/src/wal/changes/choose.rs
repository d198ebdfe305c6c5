//! Which stored summary may stand for the log from an address on?

use crate::wal::TimelinePath;
use pgformat::block_reference::SummaryFileName;
use pgformat::{Lsn, WalSegmentSize};
use std::collections::{BTreeMap, BTreeSet};

/// The summaries that are here and are not known to be damaged.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// By start.
    names: BTreeMap<Lsn, Vec<SummaryFileName>>,
    damaged: BTreeSet<SummaryFileName>,
}

impl Stored {
    pub(super) fn new(names: Vec<SummaryFileName>) -> Self {
        let mut stored = Stored::default();
        names.into_iter().for_each(|name| stored.names.entry(name.start_lsn).or_default().push(name));
        stored
    }

    /// Notes one that can't be read.
    pub(super) fn mark_damaged(&mut self, name: SummaryFileName) {
        self.damaged.insert(name);
    }

    /// Takes the present names in the place of those that were known: one of them is gone.
    pub(super) fn replace(&mut self, gone: SummaryFileName, names: Vec<SummaryFileName>) {
        let damaged = std::mem::take(&mut self.damaged);
        *self = Stored::new(names.into_iter().filter(|name| *name != gone).collect());
        self.damaged = damaged;
    }

    /// Tells whether it was there and can't be read.
    pub(super) fn is_damaged(&self, name: SummaryFileName) -> bool {
        self.damaged.contains(&name)
    }

    /// Returns the longest summary that begins at `at` and does not go beyond `limit`.
    pub(super) fn exactly_from(
        &self,
        path: &TimelinePath,
        at: Lsn,
        limit: Lsn,
        size: WalSegmentSize,
    ) -> Option<SummaryFileName> {
        let names = self.names.get(&at)?.iter();
        let usable = names.filter(|name| self.is_usable(name, path, limit, size));
        usable.max_by_key(|name| (name.end_lsn, name.timeline)).copied()
    }

    /// Returns the summary that begins before `at`, as late as possible, and goes beyond it. It names blocks that changed
    /// before, which does no harm: where it sets a limit, it names all blocks that were written again since.
    pub(super) fn over(
        &self,
        path: &TimelinePath,
        at: Lsn,
        limit: Lsn,
        size: WalSegmentSize,
    ) -> Option<SummaryFileName> {
        self.names.range(..at).rev().find_map(|(_, names)| {
            let further = names.iter().filter(|name| name.end_lsn > at);
            let usable = further.filter(|name| self.is_usable(name, path, limit, size));
            usable.max_by_key(|name| (name.end_lsn, name.timeline)).copied()
        })
    }

    /// What a timeline's segments hold after the path has left it never happened here: not even too much may be taken from
    /// there, since a limit would void blocks. The beginning of a timeline's first segment is a copy of what came before.
    fn is_usable(&self, name: &SummaryFileName, path: &TimelinePath, limit: Lsn, size: WalSegmentSize) -> bool {
        let mut candidates = path.candidates(name.start_lsn.0 / size.bytes(), size);
        let on_path =
            candidates.any(|part| part.timeline == name.timeline && part.end_lsn.is_none_or(|end| name.end_lsn <= end));
        on_path && name.end_lsn <= limit && !self.damaged.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::TimelineId;
    use pgformat::timeline_history::HistoryEntry;

    const MIB: u64 = 1 << 20;

    fn size() -> WalSegmentSize {
        WalSegmentSize::new(MIB).unwrap()
    }

    fn name(timeline: u32, start: u64, end: u64) -> SummaryFileName {
        SummaryFileName { timeline: TimelineId(timeline), start_lsn: Lsn(start), end_lsn: Lsn(end) }
    }

    /// Timeline 2 left timeline 1 within segment 5.
    fn path() -> TimelinePath {
        let switch_lsn = Lsn(5 * MIB + 4096);
        let entry = HistoryEntry { timeline: TimelineId(1), switch_lsn, reason: String::new() };
        TimelinePath::new(TimelineId(2), &[entry])
    }

    fn exactly(names: &[SummaryFileName], at: u64, limit: u64) -> Option<SummaryFileName> {
        Stored::new(names.to_vec()).exactly_from(&path(), Lsn(at), Lsn(limit), size())
    }

    fn over(names: &[SummaryFileName], at: u64, limit: u64) -> Option<SummaryFileName> {
        Stored::new(names.to_vec()).over(&path(), Lsn(at), Lsn(limit), size())
    }

    #[test]
    fn the_longest_that_begins_there_and_does_not_pass_the_end_is_chosen() {
        let (one, two, three) = (name(1, 2 * MIB, 3 * MIB), name(1, 2 * MIB, 4 * MIB), name(1, 2 * MIB + 64, 3 * MIB));
        let all = [one, two, three];
        assert_eq!(exactly(&all, 2 * MIB, 9 * MIB), Some(two));
        assert_eq!(exactly(&all, 2 * MIB, 4 * MIB - 8), Some(one));
        assert_eq!(exactly(&all, 2 * MIB, 3 * MIB - 8), None);
        assert_eq!(exactly(&all, 2 * MIB + 64, 9 * MIB), Some(three));
        assert_eq!(exactly(&all, 3 * MIB, 9 * MIB), None);
        let mut stored = Stored::new(all.to_vec());
        stored.mark_damaged(two);
        assert_eq!(stored.exactly_from(&path(), Lsn(2 * MIB), Lsn(9 * MIB), size()), Some(one));
    }

    #[test]
    fn nothing_counts_that_goes_beyond_where_its_timeline_was_left() {
        let beyond = name(1, 5 * MIB, 6 * MIB);
        assert_eq!(exactly(&[beyond, name(1, 4 * MIB, 6 * MIB), name(1, 6 * MIB, 7 * MIB)], 5 * MIB, 9 * MIB), None);
        assert_eq!(exactly(&[name(1, 4 * MIB, 6 * MIB)], 4 * MIB, 9 * MIB), None);
        assert_eq!(exactly(&[name(1, 4 * MIB, 5 * MIB)], 4 * MIB, 9 * MIB), Some(name(1, 4 * MIB, 5 * MIB)));
        // The newer timeline's segment begins with what came before the switch; there is none of it before that.
        let newer = name(2, 5 * MIB, 6 * MIB);
        assert_eq!(exactly(&[beyond, newer], 5 * MIB, 9 * MIB), Some(newer));
        assert_eq!(exactly(&[name(2, 4 * MIB, 5 * MIB)], 4 * MIB, 9 * MIB), None);
        assert_eq!(exactly(&[name(3, 5 * MIB, 6 * MIB)], 5 * MIB, 9 * MIB), None);
        assert_eq!(over(&[beyond], 5 * MIB + 8, 9 * MIB), None);
    }

    #[test]
    fn one_that_begins_before_is_the_latest_that_goes_further() {
        let names = [name(1, MIB, 4 * MIB), name(1, 2 * MIB, 3 * MIB), name(1, 2 * MIB, 4 * MIB)];
        assert_eq!(over(&names, 2 * MIB + 8, 9 * MIB), Some(names[2]));
        assert_eq!(over(&names, 2 * MIB + 8, 3 * MIB), Some(names[1]));
        assert_eq!(over(&names, 2 * MIB, 9 * MIB), Some(names[0]));
        assert_eq!(over(&names, 4 * MIB, 9 * MIB), None);
    }
}

//! Which stored summary may stand for the log from an address on?

use crate::wal::TimelinePath;
use pgformat::block_reference::SummaryFileName;
use pgformat::{Lsn, WalSegmentSize};
use std::collections::BTreeSet;

/// The summaries that are here and are not known to be damaged.
#[derive(Debug, Default)]
pub(super) struct Stored {
    names: Vec<SummaryFileName>,
    damaged: BTreeSet<SummaryFileName>,
}

impl Stored {
    pub(super) fn new(names: Vec<SummaryFileName>) -> Self {
        Stored { names, damaged: BTreeSet::new() }
    }

    /// Notes one that can't be read.
    pub(super) fn mark_damaged(&mut self, name: SummaryFileName) {
        self.damaged.insert(name);
    }

    /// Notes one that is gone.
    pub(super) fn forget(&mut self, name: SummaryFileName) {
        self.names.retain(|other| *other != name);
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
        let usable = self.usable(path, limit, size);
        usable.filter(|name| name.start_lsn == at).max_by_key(|name| (name.end_lsn, name.timeline))
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
        let usable = self.usable(path, limit, size);
        let over = usable.filter(|name| name.start_lsn < at && name.end_lsn > at);
        over.max_by_key(|name| (name.start_lsn, name.end_lsn, name.timeline))
    }

    /// What a timeline's segments hold after the path has left it never happened here: not even too much may be taken from
    /// there, since a limit would void blocks. The beginning of a timeline's first segment is a copy of what came before.
    fn usable<'a>(
        &'a self,
        path: &'a TimelinePath,
        limit: Lsn,
        size: WalSegmentSize,
    ) -> impl Iterator<Item = SummaryFileName> + 'a {
        self.names.iter().copied().filter(move |name| {
            let on_path = path
                .candidates(name.start_lsn.0 / size.bytes(), size)
                .any(|part| part.timeline == name.timeline && part.end_lsn.is_none_or(|end| name.end_lsn <= end));
            on_path && name.end_lsn <= limit && !self.damaged.contains(name)
        })
    }
}

//! Which timelines lead to the one that the server is on?

use crate::Error;
use crate::cluster::ReplicationConnection;
use pgformat::timeline_history::{HistoryEntry, parse_history};
use pgformat::{FormatError, Lsn, TimelineId};
use vault::wal::WalArchive;

/// The server's timeline and its ancestors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    ancestors: Vec<HistoryEntry>,
    pub(super) current: TimelineId,
}

impl Chain {
    /// Asks the server, and archives the history of its timeline and of those before it, as far as the server has them.
    pub(super) fn learn(
        wal: &mut ReplicationConnection,
        archive: &WalArchive,
        current: TimelineId,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Self, Error> {
        let mut chain = Chain { ancestors: Vec::new(), current };
        if current.0 <= 1 {
            return Ok(chain);
        }
        let Some(text) = wal.timeline_history(current, cancelled)? else { return Ok(chain) };
        archive.put_history(current, &text)?;
        let no_text = |_| FormatError::FormatText { what: "timeline history", text: "not UTF-8".to_owned() };
        chain.ancestors = parse_history(std::str::from_utf8(&text).map_err(no_text)?)?;
        for ancestor in chain.ancestors.iter().map(|entry| entry.timeline).filter(|timeline| timeline.0 > 1) {
            if archive.history(ancestor)?.is_none()
                && let Some(text) = wal.timeline_history(ancestor, cancelled)?
            {
                archive.put_history(ancestor, &text)?;
            }
        }
        Ok(chain)
    }

    pub(super) fn has(&self, timeline: TimelineId) -> bool {
        timeline == self.current || self.ancestors.iter().any(|entry| entry.timeline == timeline)
    }

    /// Returns where a timeline ends and which one follows; `None` for the server's own.
    pub(super) fn switch(&self, timeline: TimelineId) -> Option<(Lsn, TimelineId)> {
        let at = self.ancestors.iter().position(|entry| entry.timeline == timeline)?;
        let next = self.ancestors.get(at + 1).map_or(self.current, |entry| entry.timeline);
        Some((self.ancestors[at].switch_lsn, next))
    }

    /// Returns the timeline that wrote the byte at `lsn`.
    pub(super) fn timeline_at(&self, lsn: Lsn) -> TimelineId {
        self.ancestors.iter().find(|entry| entry.switch_lsn > lsn).map_or(self.current, |entry| entry.timeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_leads_from_timeline_to_timeline() {
        let ancestors = parse_history("1\t0/5000100\tx\n3\t0/7000000\ty\n").unwrap();
        let chain = Chain { ancestors, current: TimelineId(4) };
        assert_eq!(chain.switch(TimelineId(1)), Some((Lsn(0x500_0100), TimelineId(3))));
        assert_eq!(chain.switch(TimelineId(3)), Some((Lsn(0x700_0000), TimelineId(4))));
        assert_eq!((chain.switch(TimelineId(4)), chain.switch(TimelineId(2))), (None, None));
        assert_eq!(chain.timeline_at(Lsn(0x500_00FF)), TimelineId(1));
        assert_eq!(chain.timeline_at(Lsn(0x500_0100)), TimelineId(3));
        assert_eq!(chain.timeline_at(Lsn(0x700_0000)), TimelineId(4));
        assert!(chain.has(TimelineId(4)) && chain.has(TimelineId(1)) && !chain.has(TimelineId(2)));
    }
}

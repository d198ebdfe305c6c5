//! Timeline history files, such as `00000003.history` (upstream `timeline.c`).

use crate::{FormatError, Lsn, TimelineId};

/// One line: a timeline that came before, and where it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The timeline that was left.
    pub timeline: TimelineId,
    /// Where: the first byte that is not of that timeline.
    pub switch_lsn: Lsn,
    /// Why, in words.
    pub reason: String,
}

/// Reads a history file: the ancestors, the oldest first. Empty lines and those that begin with `#` count for nothing.
///
/// # Errors
/// `FormatText` naming the line that can't be read, or whose timeline is not above the one before it.
pub fn parse_history(text: &str) -> Result<Vec<HistoryEntry>, FormatError> {
    let mut entries: Vec<HistoryEntry> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let bad = || FormatError::FormatText { what: "timeline history", text: line.to_owned() };
        let (timeline, rest) = line.split_once(char::is_whitespace).ok_or_else(bad)?;
        let rest = rest.trim_start();
        let (lsn, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let timeline = timeline.parse().map_err(|_| bad())?;
        if entries.last().is_some_and(|last| last.timeline.0 >= timeline) {
            return Err(bad());
        }
        let (switch_lsn, reason) = (lsn.parse().map_err(|_| bad())?, reason.trim().to_owned());
        entries.push(HistoryEntry { timeline: TimelineId(timeline), switch_lsn, reason });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_promoted_server_writes() {
        let text = "1\t0/5000128\tno recovery target specified\n\n2\t1/A0\tbefore 2026-11-24 00:00:00+00\n";
        let entries = parse_history(text).unwrap();
        let seen: Vec<_> = entries.iter().map(|entry| (entry.timeline.0, entry.switch_lsn.0)).collect();
        assert_eq!(seen, [(1, 0x500_0128), (2, 0x1_0000_00A0)]);
        assert_eq!(entries[1].reason, "before 2026-11-24 00:00:00+00");
    }

    #[test]
    fn refuses_lines_out_of_order_or_out_of_form() {
        for text in ["2\t0/1\tx\n1\t0/2\ty\n", "1\n", "x\t0/1\tz\n", "1\t0-1\tz\n"] {
            assert!(parse_history(text).is_err(), "{text:?}");
        }
        assert_eq!(parse_history("# nothing\n").unwrap(), []);
    }
}

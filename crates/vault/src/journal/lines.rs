//! Names and lines: text to values.

use super::{EVENTS_PREFIX, JournalEvent};

/// Returns the key of a month's file.
pub(super) fn file_key(at: jiff::Timestamp) -> String {
    let month = at.to_zoned(jiff::tz::TimeZone::UTC);
    format!("{EVENTS_PREFIX}{:04}-{:02}.jsonl", month.year().max(0), month.month())
}

/// Tells whether a key is that of a month's file.
pub(super) fn is_file_key(key: &str) -> bool {
    let month = key.strip_prefix(EVENTS_PREFIX).and_then(|name| name.strip_suffix(".jsonl"));
    let Some((year, month)) = month.and_then(|month| month.split_once('-')) else { return false };
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(year, 4) && digits(month, 2)
}

/// Reads the lines of a piece of a file. The last one may still be being written: without its end it counts only if it is an event.
pub(super) fn parse(bytes: &[u8]) -> (Vec<JournalEvent>, u64) {
    let mut events = Vec::new();
    let mut unreadable = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_slice::<JournalEvent>(text) {
            Ok(event) if event.id > 0 => events.push(event),
            _ if line.ends_with(b"\n") => unreadable += 1,
            _ => {}
        }
    }
    (events, unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_months_are_ours() {
        assert!(is_file_key("events/2026-11.jsonl"));
        for key in [
            "events/2026-11.json",
            "events/2026-1.jsonl",
            "events/x/2026-11.jsonl",
            "2026-11.jsonl",
            "events/+026-11.jsonl",
        ] {
            assert!(!is_file_key(key), "{key}");
        }
        let at = "2026-11-30T23:59:59Z".parse().unwrap();
        assert_eq!(file_key(at), "events/2026-11.jsonl");
    }

    #[test]
    fn a_torn_line_hides_no_other() {
        let line =
            |id: u64| format!("{{\"id\":{id},\"at\":\"2026-11-01T00:00:00Z\",\"level\":\"INFO\",\"event\":\"x\"}}");
        let text = format!("{}\n{{\"id\":2,\"at\n{}\n\n{}", line(1), line(3), line(4));
        let (events, unreadable) = parse(text.as_bytes());
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!(unreadable, 1);
        let (events, unreadable) = parse(b"{\"id\":5,");
        assert!(events.is_empty() && unreadable == 0, "it is being written");
    }
}

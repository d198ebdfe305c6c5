use crate::wal_crafter::{WalCrafter, geometry};
use jiff::Timestamp;
use pgformat::wal::{SegmentSummarizer, SegmentSummary, SummaryPoint, SummaryTime, WalFact, WalGeometry};
use pgformat::{FormatError, Lsn, MajorVersion, TimelineId, WalSegment};

const SEGMENT: usize = 1 << 20;

fn crafter() -> WalCrafter {
    WalCrafter::new(geometry(MajorVersion::V17, 8192), 3)
}

/// A time, so many seconds after the server's epoch.
fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(946_684_800 + seconds).unwrap()
}

/// Main data that begins with a time, `more` bytes longer.
fn timed(seconds: i64, more: usize) -> Vec<u8> {
    let mut parts = vec![254];
    parts.extend((8 + more as u32).to_le_bytes());
    parts.extend((seconds * 1_000_000).to_le_bytes());
    parts.resize(parts.len() + more, 0);
    parts
}

fn commit(crafter: &mut WalCrafter, seconds: i64, more: usize) -> Lsn {
    crafter.record(1, 0x80, 7, &timed(seconds, more))
}

fn restore_point(crafter: &mut WalCrafter, seconds: i64, name: &str) -> Lsn {
    let mut parts = timed(seconds, 64);
    parts[13..13 + name.len()].copy_from_slice(name.as_bytes());
    crafter.record(0, 0x70, 0, &parts)
}

/// Summarizes each of the crafter's segments; the last may be a partial one.
fn summaries(crafter: &WalCrafter) -> Vec<SegmentSummary> {
    let number = crafter.start.0 / SEGMENT as u64;
    let segments = crafter.bytes.chunks(SEGMENT).zip(number..);
    segments
        .map(|(bytes, number)| {
            let segment = WalSegment { timeline: TimelineId(1), number };
            let at_once = summarize(crafter.geometry, segment, &mut [bytes].into_iter());
            let in_pieces = summarize(crafter.geometry, segment, &mut bytes.chunks(997));
            assert_eq!(at_once, in_pieces);
            let text = serde_json::to_string(&at_once).unwrap();
            assert_eq!(serde_json::from_str::<SegmentSummary>(&text).unwrap(), at_once);
            at_once
        })
        .collect()
}

fn summarize(geometry: WalGeometry, segment: WalSegment, pieces: &mut dyn Iterator<Item = &[u8]>) -> SegmentSummary {
    let mut summarizer = SegmentSummarizer::new(geometry, segment);
    for piece in pieces {
        summarizer
            .feed::<FormatError>(piece, &mut |record, fact| {
                assert_eq!(record.fact().unwrap().as_ref(), fact);
                Ok(())
            })
            .unwrap();
    }
    summarizer.summary()
}

#[test]
fn a_segment_says_what_its_records_do() {
    let mut crafter = crafter();
    let first = crafter.record_of(100);
    commit(&mut crafter, 300, 0);
    crafter.record(1, 0x20, 8, &timed(900, 40));
    let last_commit = commit(&mut crafter, 100, 20_000);
    crafter.record(1, 0xA0, 8, &timed(200, 0));
    let point = restore_point(&mut crafter, 950, "punto");
    crafter.record(0, 0x60, 0, &timed(0, 20));
    let end = crafter.position();
    crafter.switch(&[0]);
    let expected = SegmentSummary {
        timeline: TimelineId(1),
        first_record_lsn: Some(first),
        records_end_lsn: Some(Lsn(4 << 20)),
        continued: None,
        open: None,
        transactions: 4,
        earliest_time: Some(time(100)),
        latest_time: Some(time(900)),
        last_commit: Some(SummaryTime { lsn: last_commit, time: time(100) }),
        restore_points: vec![SummaryPoint { lsn: point, name: "punto".to_owned(), time: time(950) }],
        wal_level_minimal: true,
    };
    assert_eq!(summaries(&crafter), std::slice::from_ref(&expected));
    // A partial one says what its bytes do.
    crafter.bytes.truncate((end.0 - crafter.start.0) as usize);
    assert_eq!(summaries(&crafter), [SegmentSummary { records_end_lsn: Some(end), ..expected }]);
}

#[test]
fn an_empty_segment_says_nothing() {
    let segment = WalSegment { timeline: TimelineId(9), number: 3 };
    let summary = SegmentSummarizer::new(geometry(MajorVersion::V17, 8192), segment).summary();
    assert_eq!((summary.timeline, summary.first_record_lsn, summary.transactions), (TimelineId(9), None, 0));
}

#[test]
fn a_level_that_is_not_minimal_is_none() {
    let mut crafter = crafter();
    let mut parts = timed(0, 20);
    parts[5 + 20] = 1;
    crafter.record(0, 0x60, 0, &parts);
    assert!(!summaries(&crafter)[0].wal_level_minimal);
}

#[test]
fn a_fact_across_a_border_is_put_together() {
    for left in (8..400).step_by(8) {
        let mut crafter = crafter();
        crafter.fill_segment(left);
        let lsn = commit(&mut crafter, 500, 600);
        crafter.record_of(100);
        let [earlier, later] = &summaries(&crafter)[..] else { panic!("two segments") };
        assert_eq!((earlier.transactions, later.transactions), (0, 0), "{left}");
        assert_eq!(earlier.open.as_ref().unwrap().lsn, lsn);
        let rest = later.continued.as_ref().unwrap();
        assert_eq!((rest.remaining_bytes as usize, rest.ends_here), (24 + 5 + 608 - left, true));
        let across = SegmentSummary::fact_across(earlier, later, &crafter.geometry);
        assert_eq!(across, Ok(Some((lsn, WalFact::Commit { time: time(500) }))), "{left}");
    }
    for left in [8, 80] {
        let mut crafter = crafter();
        crafter.fill_segment(left);
        let lsn = restore_point(&mut crafter, 5, "at the border");
        let summaries = summaries(&crafter);
        let across = SegmentSummary::fact_across(&summaries[0], &summaries[1], &crafter.geometry);
        let name = "at the border".to_owned();
        assert_eq!(across, Ok(Some((lsn, WalFact::RestorePoint { name, time: time(5) }))));
    }
}

#[test]
fn a_fact_longer_than_a_segment_is_told_once() {
    let mut crafter = crafter();
    crafter.fill_segment(16);
    let lsn = commit(&mut crafter, 500, 2_500_000);
    crafter.record_of(100);
    let summaries = summaries(&crafter);
    assert_eq!(summaries.len(), 4);
    let across: Vec<_> = (summaries.windows(2))
        .map(|pair| SegmentSummary::fact_across(&pair[0], &pair[1], &crafter.geometry).unwrap())
        .collect();
    assert_eq!(across, [Some((lsn, WalFact::Commit { time: time(500) })), None, None]);
    let ends: Vec<bool> = summaries[1..].iter().map(|summary| summary.continued.as_ref().unwrap().ends_here).collect();
    assert_eq!(ends, [false, false, true]);
}

#[test]
fn across_a_border_there_may_be_nothing() {
    // Another record, none, and one that was broken off at the border or later.
    let mut other = crafter();
    other.fill_segment(48);
    other.record_of(300);
    let mut none = crafter();
    none.switch(&[0]);
    none.record_of(100);
    let broken = |left: usize, written: usize| {
        let mut crafter = crafter();
        crafter.fill_segment(left);
        crafter.broken(100_000, written);
        crafter.record_of(100);
        crafter
    };
    for crafter in [other, none, broken(48, 40), broken(48, 20_000)] {
        let summaries = summaries(&crafter);
        assert_eq!(summaries.len(), 2);
        assert_eq!(SegmentSummary::fact_across(&summaries[0], &summaries[1], &crafter.geometry), Ok(None));
    }
}

#[test]
fn a_commit_that_was_broken_off_later_is_none() {
    let mut whole = crafter();
    whole.fill_segment(64);
    commit(&mut whole, 500, 100_000);
    whole.record_of(100);
    let [earlier, later] = &summaries(&whole)[..] else { panic!("two segments") };
    assert!(SegmentSummary::fact_across(earlier, later, &whole.geometry).unwrap().is_some());
    let mut later = later.clone();
    later.continued.as_mut().unwrap().ends_here = false;
    assert_eq!(SegmentSummary::fact_across(earlier, &later, &whole.geometry), Ok(None));
}

#[test]
fn segments_that_do_not_fit_together_are_refused() {
    let crossing = |length: usize| {
        let mut crafter = crafter();
        crafter.fill_segment(64);
        crafter.record_of(length);
        crafter.record_of(100);
        summaries(&crafter)
    };
    let (one, two) = (crossing(300), crossing(301));
    let geometry = crafter().geometry;
    let error = SegmentSummary::fact_across(&one[0], &two[1], &geometry).unwrap_err().to_string();
    assert!(error.contains("of 300 bytes 64 are in its segment and 237 in the next"), "{error}");
    let mut switched = crafter();
    switched.switch(&[0]);
    let error = SegmentSummary::fact_across(&summaries(&switched)[0], &one[1], &geometry).unwrap_err().to_string();
    assert!(error.contains("0/400000: a record goes on in the next segment that did not begin"), "{error}");
    let mut garbled = one[0].clone();
    garbled.open.as_mut().unwrap().head = "no".to_owned();
    assert!(SegmentSummary::fact_across(&garbled, &one[1], &geometry).is_err());
    garbled.open.as_mut().unwrap().head = String::new();
    assert!(SegmentSummary::fact_across(&garbled, &one[1], &geometry).is_err());
}

#[test]
fn a_segment_takes_no_more_than_its_bytes() {
    let mut crafter = crafter();
    crafter.switch(&[0]);
    crafter.record_of(100);
    let segment = WalSegment { timeline: TimelineId(1), number: 3 };
    let mut summarizer = SegmentSummarizer::new(crafter.geometry, segment);
    let error = summarizer.feed::<FormatError>(&crafter.bytes, &mut |_, _| Ok(())).unwrap_err().to_string();
    assert!(error.contains("0/400000: 144 bytes more than the segment has"), "{error}");
    let newer = WalSegment { timeline: TimelineId(1), number: 3 };
    crafter = WalCrafter::new(crafter.geometry, 3);
    crafter.timeline = TimelineId(2);
    crafter.record_of(100);
    let mut summarizer = SegmentSummarizer::new(crafter.geometry, newer);
    assert!(summarizer.feed::<FormatError>(&crafter.bytes, &mut |_, _| Ok(())).is_err());
    assert_eq!(summarizer.decoder().position(), crafter.start);
}

use crate::wal_crafter::{Crafted, IDENTIFIER, WalCrafter, geometry};
use pgformat::wal::{WalDecoder, WalGeometry, WalPageHeader};
use pgformat::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegmentSize};
use proptest::prelude::*;

const V17: MajorVersion = MajorVersion::V17;

/// What a decoder made of bytes.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    records: Vec<Crafted>,
    position: Lsn,
    records_end: Option<Lsn>,
    open_record: Option<Lsn>,
    failure: Option<String>,
}

fn decode_from(geometry: WalGeometry, start: Lsn, pieces: &mut dyn Iterator<Item = &[u8]>) -> Outcome {
    let mut decoder = WalDecoder::new(geometry, TimelineId(2), start);
    let mut records = Vec::new();
    let mut failure = None;
    for piece in pieces {
        let answer = decoder.feed::<FormatError>(piece, &mut |record| {
            records.push(Crafted { lsn: record.lsn, end_lsn: record.end_lsn, bytes: record.bytes.to_vec() });
            Ok(())
        });
        if let Err(error) = answer {
            let again = decoder.feed::<FormatError>(&[0], &mut |_| panic!("a record after an error"));
            assert_eq!(again, Err(error.clone()));
            failure = Some(error.to_string());
            break;
        }
    }
    Outcome {
        records,
        position: decoder.position(),
        records_end: decoder.records_end(),
        open_record: decoder.open_record(),
        failure,
    }
}

fn decode(crafter: &WalCrafter) -> Outcome {
    decode_from(crafter.geometry, crafter.start, &mut [crafter.bytes.as_slice()].into_iter())
}

/// Checks that all records come back, and no failure.
fn assert_comes_back(crafter: &WalCrafter) {
    let outcome = decode(crafter);
    assert_eq!(outcome.failure, None);
    assert!(outcome.records == crafter.records, "{} of {}", outcome.records.len(), crafter.records.len());
    assert_eq!(outcome.records_end, crafter.records.last().map(|record| record.end_lsn));
    assert_eq!(outcome.position, crafter.position());
    assert_eq!(outcome.open_record, None);
}

#[test]
fn records_come_back_in_every_geometry() {
    for version in MajorVersion::ALL {
        for block_size in [1024, 8192, 65536] {
            let mut crafter = WalCrafter::new(geometry(version, block_size), 3);
            for length in (29..6000).step_by(37) {
                crafter.record_of(length);
            }
            for left in [8, 16, 24, 32] {
                crafter.fill_page(left);
                crafter.record_of(200);
            }
            crafter.fill_segment(16);
            crafter.record_of(3_000_000);
            crafter.record_of(40);
            assert_comes_back(&crafter);
        }
    }
}

#[test]
fn page_headers_tell_what_they_hold() {
    let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
    crafter.record_of(9000);
    let first = WalPageHeader::parse(&crafter.bytes, &crafter.geometry, crafter.start).unwrap();
    assert_eq!((first.size_bytes(), first.remaining_bytes, first.continues_record), (40, 0, false));
    assert_eq!(first.long.unwrap().system_identifier, IDENTIFIER);
    let second = Lsn(crafter.start.0 + 8192);
    let header = WalPageHeader::parse(&crafter.bytes[8192..], &crafter.geometry, second).unwrap();
    assert_eq!((header.size_bytes(), header.remaining_bytes), (24, 9000 - 8192 + 40));
    assert!(header.continues_record && !header.overwrites_broken_record && header.long.is_none());
    assert_eq!((header.page_lsn, header.timeline), (second, TimelineId(1)));
    assert!(WalPageHeader::parse(&crafter.bytes[8192..8192 + 23], &crafter.geometry, second).is_err());
}

#[test]
fn the_rest_of_an_earlier_record_is_passed_over() {
    let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
    crafter.record_of(3_500_000);
    crafter.record_of(100);
    let last = crafter.records.last().unwrap().clone();
    for skipped in [1 << 20, 3 << 20, 5 * 8192] {
        let start = Lsn(crafter.start.0 + skipped as u64);
        let outcome = decode_from(crafter.geometry, start, &mut [&crafter.bytes[skipped..]].into_iter());
        assert_eq!((outcome.failure, outcome.records), (None, vec![last.clone()]), "{skipped}");
    }
    let within = Lsn(crafter.start.0 + (1 << 20));
    let outcome = decode_from(crafter.geometry, within, &mut [&crafter.bytes[1 << 20..2 << 20]].into_iter());
    assert_eq!((outcome.records_end, outcome.open_record, outcome.failure), (None, None, None));
}

#[test]
fn a_start_within_a_page_is_a_records() {
    let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
    let lsns = [29, 100, 9000, 40].map(|length| crafter.record_of(length));
    for (number, lsn) in lsns.into_iter().enumerate() {
        let bytes = &crafter.bytes[(lsn.0 - crafter.start.0) as usize..];
        let outcome = decode_from(crafter.geometry, lsn, &mut [bytes].into_iter());
        assert_eq!((outcome.failure, &outcome.records[..]), (None, &crafter.records[number..]));
    }
    for offset in [4, 8, 32, 44, 8192 + 16] {
        let start = Lsn(crafter.start.0 + offset);
        let outcome = decode_from(crafter.geometry, start, &mut [&crafter.bytes[offset as usize..]].into_iter());
        assert!(outcome.failure.unwrap().contains("no record can begin here"), "{offset}");
    }
    let mut odd = geometry(V17, 8192);
    odd.block_size_bytes = 1000;
    assert!(decode_from(odd, Lsn(1 << 20), &mut [&[0_u8; 9][..]].into_iter()).failure.is_some());
    let end = decode_from(crafter.geometry, Lsn(u64::MAX - 8191), &mut [&[0_u8; 9000][..]].into_iter());
    assert!(end.failure.unwrap().contains("no address"));
}

#[test]
fn what_follows_a_switch_means_nothing() {
    for unused in [&[0][..], b"remains of an older segment"] {
        for left in [0, 8, 16, 24, 32, 5000] {
            let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
            crafter.fill_segment(left);
            crafter.switch(unused);
            crafter.record_of(100);
            crafter.switch(unused);
            assert_comes_back(&crafter);
            let ends = crafter.records.iter().rev().take(3).map(|record| record.end_lsn.0 % (1 << 20));
            assert_eq!(ends.filter(|end| *end == 0).count(), 2, "{left}");
        }
    }
}

#[test]
fn a_switch_that_began_in_the_segment_before_leaves_the_rest_unused() {
    for left in [8, 16] {
        let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
        crafter.fill_segment(left);
        crafter.switch(&[0]);
        assert_eq!(crafter.position(), Lsn(5 << 20));
        crafter.record_of(100);
        let from = 1 << 20;
        let outcome = decode_from(crafter.geometry, Lsn(4 << 20), &mut [&crafter.bytes[from..]].into_iter());
        assert_eq!((outcome.failure, outcome.records.len()), (None, 1), "{left}");
        // Of any other record, the zeros after it are the log's end.
        let mut other = WalCrafter::new(geometry(V17, 8192), 3);
        other.fill_segment(left);
        other.record(0, 0x30, 0, &[]);
        other.bytes.resize(2 << 20, 0);
        let outcome = decode_from(other.geometry, Lsn(4 << 20), &mut [&other.bytes[from..]].into_iter());
        assert!(outcome.failure.unwrap().contains("the length is 0"), "{left}");
    }
}

#[test]
fn a_record_that_a_crash_broke_off_is_left_out() {
    for (length, written) in [(9000, 5000), (30_000, 15_000), (2_000_000, 1_000_000), (100, 30)] {
        let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
        crafter.record_of(100);
        if length == 100 {
            crafter.fill_page(32);
        }
        let broken = crafter.broken(length, written);
        let outcome = decode(&crafter);
        assert_eq!((outcome.open_record, outcome.failure), (Some(broken), None));
        crafter.record(0, 0xD0, 0, &[255, 2, 1, 2]);
        crafter.record_of(70);
        assert_comes_back(&crafter);
    }
}

#[test]
fn a_log_that_ends_is_told_with_its_end() {
    let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
    crafter.record_of(100);
    crafter.record_of(101);
    let end = crafter.position();
    let full = crafter.bytes.clone();
    crafter.bytes.resize(1 << 20, 0);
    let outcome = decode(&crafter);
    assert_eq!((outcome.records_end, outcome.position, outcome.records.len()), (Some(end), end, 2));
    assert_eq!(outcome.failure.unwrap(), format!("WAL record is damaged: {end}: the length is 0"));
    // The next page is zeros, or one of an older segment.
    crafter.bytes = full;
    crafter.fill_page(0);
    let (end, full) = (crafter.position(), crafter.bytes.clone());
    crafter.bytes.resize(1 << 20, 0);
    let outcome = decode(&crafter);
    assert_eq!((outcome.records_end, outcome.position, outcome.open_record), (Some(end), end, None));
    assert_eq!(outcome.failure.unwrap(), format!("WAL page is damaged: {end}: the magic number is 0000, not D116"));
    let mut older = WalCrafter::new(crafter.geometry, 2);
    older.fill_page(0);
    older.fill_page(0);
    crafter.bytes = [&full[..], &older.bytes[8192..]].concat();
    let outcome = decode(&crafter);
    assert_eq!((outcome.records_end, outcome.position), (Some(end), end));
    assert!(outcome.failure.unwrap().contains("the page's own address is 0/202000"));
}

#[test]
fn timelines_go_forward_and_no_further_than_allowed() {
    let with = |timelines: [u32; 3]| {
        let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
        for timeline in timelines {
            crafter.timeline = TimelineId(timeline);
            crafter.fill_page(0);
        }
        decode(&crafter).failure
    };
    assert_eq!(with([1, 1, 2]), None);
    assert_eq!(with([2, 2, 2]), None);
    for wrong in [[2, 2, 1], [1, 2, 1], [1, 1, 3], [3, 3, 3], [0, 1, 1]] {
        assert!(with(wrong).unwrap().contains("timeline"), "{wrong:?}");
    }
}

#[test]
fn every_damage_is_refused_where_it_is() {
    let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
    crafter.record_of(5000);
    let crossing = crafter.record_of(9000);
    let in_page = crafter.record_of(200);
    let crossing_offset = (crossing.0 - crafter.start.0) as usize;
    let offset = (in_page.0 - crafter.start.0) as usize;
    let page = Lsn(crafter.start.0 + 8192);
    let at = |offset: usize, bytes: &[u8]| (offset, bytes.to_vec());
    let cases = [
        ("the magic number is D115", crafter.start, at(0, &[0x15])),
        ("the flags are 0012", crafter.start, at(2, &[0x12])),
        ("the flags are 0000", crafter.start, at(2, &[0])),
        ("the flags are 000B", crafter.start, at(2, &[0x0B])),
        ("0 bytes of a record remain", crafter.start, at(2, &[3])),
        ("the timeline is 0", crafter.start, at(4, &[0])),
        ("the page's own address is 0/300001", crafter.start, at(8, &[1])),
        ("it is of another cluster", crafter.start, at(24, &[1])),
        ("the segment size is 1048577", crafter.start, at(32, &[1])),
        ("the page size is 8193", crafter.start, at(36, &[1])),
        ("the length is 23", in_page, at(offset, &[23])),
        ("the length is 4278190280", in_page, at(offset + 3, &[255])),
        ("the resource manager is 22", in_page, at(offset + 17, &[22])),
        ("by the link", in_page, at(offset + 8, &[1])),
        ("the checksum is wrong", in_page, at(offset + 4, &[1])),
        ("the checksum is wrong", in_page, at(offset + 20, &[1])),
        ("the checksum is wrong", in_page, at(offset + 199, &[1])),
        ("by the link", crossing, at(crossing_offset + 8, &[1])),
        ("the checksum is wrong", crossing, at(8192 + 400, &[1])),
        ("the magic number is D117", page, at(8192, &[0x17])),
        ("the flags are 0003", page, at(8192 + 2, &[3])),
        ("by the page", page, at(8192 + 16, &[1])),
        (
            "0 bytes of a record remain by the page",
            page,
            at(8192 + 2, &[0, 0, 1, 0, 0, 0, 0, 0x20, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ),
    ];
    for (words, place, (offset, bytes)) in cases {
        let mut damaged = WalCrafter::new(crafter.geometry, 3);
        damaged.bytes = crafter.bytes.clone();
        damaged.bytes[offset..offset + bytes.len()].copy_from_slice(&bytes);
        let outcome = decode(&damaged);
        let failure = outcome.failure.unwrap_or_else(|| panic!("{words}: not refused"));
        assert!(failure.contains(words) && failure.contains(&format!("{place}: ")), "{words}: {failure}");
        assert_eq!(outcome.position, place, "{words}");
        let before = crafter.records.iter().filter(|record| record.end_lsn <= place).count();
        assert_eq!(outcome.records, crafter.records[..before], "{words}");
        assert_eq!(outcome.open_record, (place == page).then_some(crossing), "{words}");
    }
    // Where no record is open, none can go on.
    let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
    crafter.fill_page(0);
    crafter.turn_page(70);
    assert!(decode(&crafter).failure.unwrap().contains("70 bytes of a record remain by the page, 0 by the record"));
}

#[test]
fn the_first_record_follows_one_from_before_the_start() {
    for (previous, refused) in [(0, false), (0x2F_FFFF, false), (0x30_0000, true), (0x30_0028, true), (u64::MAX, true)]
    {
        let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
        crafter.previous = Lsn(previous);
        crafter.record_of(100);
        let failure = decode(&crafter).failure;
        assert_eq!(failure.is_some_and(|failure| failure.contains("0/300028: the record before is at")), refused);
    }
}

#[test]
fn a_foreign_geometry_is_refused() {
    let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
    crafter.record_of(100);
    let read = |geometry: WalGeometry| {
        let outcome = decode_from(geometry, crafter.start, &mut [crafter.bytes.as_slice()].into_iter());
        outcome.failure.unwrap()
    };
    let own = crafter.geometry;
    assert!(read(WalGeometry { version: MajorVersion::V16, ..own }).contains("the magic number is D116, not D113"));
    assert!(read(WalGeometry { system_identifier: SystemIdentifier(5), ..own }).contains("another cluster"));
    assert!(read(WalGeometry { block_size_bytes: 16384, ..own }).contains("the page size is 8192, not 16384"));
    crafter = WalCrafter::new(own, 16);
    crafter.record_of(100);
    let segment_size = WalSegmentSize::new(16 << 20).unwrap();
    let outcome =
        decode_from(WalGeometry { segment_size, ..own }, crafter.start, &mut [&crafter.bytes[..]].into_iter());
    assert!(outcome.failure.unwrap().contains("the segment size is 1048576, not 16777216"));
}

#[test]
fn an_extensions_records_are_known_since_15() {
    for version in MajorVersion::ALL {
        let mut crafter = WalCrafter::new(geometry(version, 8192), 3);
        crafter.record(128, 0, 0, &[255, 0]);
        assert_eq!(decode(&crafter).failure.is_some(), version == MajorVersion::V14, "{version}");
    }
}

#[test]
fn feeding_goes_on_after_the_receivers_own_error() {
    let mut crafter = WalCrafter::new(geometry(V17, 8192), 3);
    for length in [100, 9000, 40, 8000, 33] {
        crafter.record_of(length);
    }
    #[derive(Debug)]
    struct Stop;
    impl From<FormatError> for Stop {
        fn from(error: FormatError) -> Self {
            panic!("{error}")
        }
    }
    let mut decoder = WalDecoder::new(crafter.geometry, TimelineId(1), crafter.start);
    let mut lsns = Vec::new();
    loop {
        let from = (decoder.position().0 - crafter.start.0) as usize;
        let answer = decoder.feed::<Stop>(&crafter.bytes[from..], &mut |record| {
            lsns.push(record.lsn);
            Err(Stop)
        });
        if answer.is_ok() {
            break;
        }
    }
    assert_eq!(lsns, crafter.records.iter().map(|record| record.lsn).collect::<Vec<_>>());
}

/// What a test may put into a log.
#[derive(Debug, Clone)]
enum Part {
    Record(usize),
    Page(usize),
    Switch,
    Broken(usize, usize),
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        8 => (29..3000_usize).prop_map(Part::Record),
        2 => (3000..40_000_usize).prop_map(Part::Record),
        3 => (0..5_usize).prop_map(|eighths| Part::Page(eighths * 8)),
        1 => Just(Part::Switch),
        1 => (40..10_000_usize, 1..40_usize).prop_map(|(length, written)| Part::Broken(length, written)),
    ]
}

fn crafted(parts: &[Part], block_size: u32) -> WalCrafter {
    let mut crafter = WalCrafter::new(geometry(V17, block_size), 3);
    for part in parts {
        match *part {
            Part::Record(length) => drop(crafter.record_of(length)),
            Part::Page(left) if crafter.left_of_page() > left + 40 => crafter.fill_page(left),
            Part::Switch => drop(crafter.switch(&[0])),
            // What is broken off must not be whole at the page's end.
            Part::Broken(length, written) => {
                let length = length + block_size as usize;
                crafter.broken(length, written);
                crafter.record(0, 0xD0, 0, &[255, 2, 1, 2]);
            }
            Part::Page(_) => {}
        }
    }
    crafter
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_way_to_feed_gives_the_same(
        parts in proptest::collection::vec(part(), 1..12),
        block_size in proptest::sample::select(vec![1024, 8192]),
        lengths in proptest::collection::vec(prop_oneof![1..50_usize, 50..9000_usize], 1..20),
        damage in proptest::option::of((any::<proptest::sample::Index>(), 1..=255_u8)),
    ) {
        let mut crafter = crafted(&parts, block_size);
        if let Some((at, change)) = damage {
            let at = at.index(crafter.bytes.len());
            crafter.bytes[at] ^= change;
        } else {
            assert_comes_back(&crafter);
        }
        let at_once = decode(&crafter);
        let mut rest = crafter.bytes.as_slice();
        let mut lengths = lengths.into_iter().cycle();
        let mut pieces = std::iter::from_fn(|| {
            let (piece, left) = rest.split_at(rest.len().min(lengths.next()?));
            rest = left;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(at_once, decode_from(crafter.geometry, crafter.start, &mut pieces));
    }
}

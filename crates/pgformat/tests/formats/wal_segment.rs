use pgformat::wal_segment::{history_file_name, parse_history_file_name};
use pgformat::{Lsn, TimelineId, WalSegment, WalSegmentSize};
use proptest::prelude::*;

fn size(mebibytes: u64) -> WalSegmentSize {
    WalSegmentSize::new(mebibytes << 20).unwrap()
}

#[test]
fn accepts_the_sizes_that_initdb_accepts_and_no_others() {
    for mebibytes in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] {
        assert_eq!(size(mebibytes).bytes(), mebibytes << 20);
    }
    for bytes in [0, 1, 1 << 19, 3 << 20, (16 << 20) + 1, 1 << 31, u64::MAX] {
        assert!(WalSegmentSize::new(bytes).is_err(), "{bytes}");
        assert!(serde_json::from_str::<WalSegmentSize>(&bytes.to_string()).is_err());
    }
}

/// What `pg_walfile_name` said on servers with these segment sizes.
#[test]
fn names_a_segment_as_the_server_does() {
    for (mebibytes, lsn, name) in [
        (1, "0/15DADB8", "000000010000000000000015"),
        (16, "0/15DADB8", "000000010000000000000001"),
        (1024, "2/C15DADB8", "000000020000000200000003"),
        (1, "1/FFF00001", "000000010000000100000FFF"),
        (16, "1/FF000001", "0000000100000001000000FF"),
        (64, "1/FF000001", "00000001000000010000003F"),
    ] {
        let timeline = TimelineId(u32::from_str_radix(&name[..8], 16).unwrap());
        let segment = WalSegment::containing(timeline, lsn.parse().unwrap(), size(mebibytes));
        assert_eq!(segment.file_name(size(mebibytes)), name);
        assert_eq!(WalSegment::parse(name, size(mebibytes)), Ok(segment));
    }
}

#[test]
fn a_boundary_belongs_to_the_next_segment_as_a_start_and_to_the_last_as_an_end() {
    let (timeline, boundary) = (TimelineId(0x1a), Lsn(0x0300_0000));
    assert_eq!(WalSegment::containing(timeline, boundary, size(16)).number, 3);
    let last = WalSegment::ending_at(timeline, boundary, size(16));
    assert_eq!((last.number, last.start_lsn(size(16)), last.end_lsn(size(16))), (2, Lsn(0x0200_0000), boundary));
    assert_eq!(last.next().file_name(size(16)), "0000001A0000000000000003");
    assert_eq!(WalSegment::ending_at(timeline, Lsn(0), size(16)).number, 0);
}

#[test]
fn refuses_what_is_no_segment() {
    for name in [
        "",
        "00000001000000000000000",
        "0000000100000000000000010",
        "00000001000000000000000a",
        "00000001000000000000000G",
        "+00000010000000000000001",
        "000000000000000000000001",
        "000000010000000000000001.partial",
        "00000002.history",
        "0000000100000000000000ñ",
    ] {
        assert!(WalSegment::parse(name, size(16)).is_err(), "{name}");
    }
    // The last of 4 GiB at 16 MiB is FF: this name is of a cluster with smaller segments.
    assert!(WalSegment::parse("000000010000000000000100", size(16)).is_err());
    assert!(WalSegment::parse("000000010000000000000100", size(1)).is_ok());
}

#[test]
fn names_and_reads_history_files() {
    assert_eq!(history_file_name(TimelineId(0x2b)), "0000002B.history");
    assert_eq!(parse_history_file_name("0000002B.history"), Some(TimelineId(0x2b)));
    for name in
        ["0000002b.history", "2B.history", "00000000.history", "0000002B.history.x", "0000002B", "+000002B.history"]
    {
        assert_eq!(parse_history_file_name(name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn every_segment_reads_back(timeline in 1_u32.., lsn: u64, power in 0..11_u32) {
        let (size, lsn) = (size(1 << power), Lsn(lsn));
        let segment = WalSegment::containing(TimelineId(timeline), lsn, size);
        prop_assert_eq!(WalSegment::parse(&segment.file_name(size), size), Ok(segment));
        prop_assert!(segment.start_lsn(size) <= lsn && lsn.0 - segment.start_lsn(size).0 < size.bytes());
    }

    #[test]
    fn names_sort_as_their_addresses_do(first: u64, second: u64, power in 0..11_u32) {
        let size = size(1 << power);
        let name = |lsn| WalSegment::containing(TimelineId(1), Lsn(lsn), size).file_name(size);
        prop_assert_eq!(name(first.min(second)) <= name(first.max(second)), true);
    }
}

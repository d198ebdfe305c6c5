use crate::wal_crafter::{WalCrafter, geometry, sealed};
use jiff::Timestamp;
use pgformat::relation_file::ForkNumber;
use pgformat::wal::{
    BlockReference, DecodedRecord, RECORD_HEAD_BYTES, ResourceManager, WalDecoder, WalFact, WalRecord, fact_of_head,
};
use pgformat::{FormatError, Lsn, MajorVersion, TimelineId};

const V14: MajorVersion = MajorVersion::V14;
const V15: MajorVersion = MajorVersion::V15;

/// Names the parts of a record.
fn record(bytes: &[u8], version: MajorVersion) -> WalRecord<'_> {
    WalRecord {
        lsn: Lsn(0x30_0028),
        end_lsn: Lsn(0x30_1000),
        previous_lsn: Lsn(0x30_0000),
        xid: 7,
        info: bytes[16],
        resource_manager: ResourceManager(bytes[17]),
        version,
        bytes,
    }
}

/// Puts a record of `parts` together and opens it.
fn decoded<'a>(
    bytes: &'a mut Vec<u8>,
    version: MajorVersion,
    parts: &[&[u8]],
) -> Result<DecodedRecord<'a>, FormatError> {
    *bytes = sealed(Lsn(64), 10, 0, 7, &parts.concat());
    record(bytes, version).decode()
}

/// The header of main data of a length.
fn data_header(length: usize) -> Vec<u8> {
    if length < 256 { vec![255, length as u8] } else { [&[254][..], &(length as u32).to_le_bytes()].concat() }
}

const RELATION: [u8; 12] = [0x7F, 6, 0, 0, 5, 0, 0, 0, 0, 0x40, 0, 0];

fn reference(id: u8, fork: ForkNumber, block: u32) -> BlockReference {
    let (spc_oid, db_oid, rel_number) = (1663, 5, 16384);
    BlockReference { id, spc_oid, db_oid, rel_number, fork, block, has_image: false, will_init: false }
}

#[test]
fn blocks_and_data_are_told() {
    let mut bytes = Vec::new();
    let parts: [&[u8]; 12] = [
        // Data and the relation; an image only, of the same; the start of a page in another fork; then ids that leave gaps.
        &[0, 0x20, 3, 0],
        &RELATION,
        &[9, 0, 0, 0],
        &[1, 0x90, 0, 0, 4, 0, 7, 0, 3, 1, 1, 0, 0],
        &[4, 0xC2, 0, 0, 2, 0, 0, 0],
        &[32, 0x83, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF],
        &[253, 0x34, 0x12],
        &[252, 9, 0, 0, 0],
        &data_header(5),
        b"abc",
        b"imag",
        b"main!",
    ];
    let decoded = decoded(&mut bytes, V15, &parts).unwrap();
    let expected = [
        reference(0, ForkNumber::Main, 9),
        BlockReference { has_image: true, ..reference(1, ForkNumber::Main, 257) },
        BlockReference { will_init: true, ..reference(4, ForkNumber::Vm, 2) },
        reference(32, ForkNumber::Init, u32::MAX),
    ];
    assert_eq!(decoded.blocks, expected);
    assert_eq!(decoded.main_data, b"main!");
    assert_eq!((decoded.top_level_xid, decoded.origin), (Some(9), Some(0x1234)));
}

#[test]
fn long_data_and_none_are_told() {
    let mut bytes = Vec::new();
    let data = vec![5; 70_000];
    assert_eq!(decoded(&mut bytes, V15, &[&data_header(data.len()), &data]).unwrap().main_data, data);
    assert_eq!(decoded(&mut bytes, V15, &[]).unwrap().main_data, b"");
    let only_a_block = decoded(&mut bytes, V15, &[&[0, 0x20, 3, 0], &RELATION, &[9, 0, 0, 0], b"abc"]).unwrap();
    assert_eq!((only_a_block.main_data, only_a_block.blocks.len()), (&b""[..], 1));
}

#[test]
fn images_have_other_flags_since_15() {
    // Where the flags say so, the length of the hole follows.
    let image = |flags: u8, hole: &[u8]| -> Vec<u8> {
        [&[0, 0x10, 0, 0, 4, 0, 7, 0, flags][..], hole, &RELATION, &[9, 0, 0, 0], &data_header(1), b"imag", b"m"]
            .concat()
    };
    let mut bytes = Vec::new();
    let mut reads =
        |version, parts: Vec<u8>| decoded(&mut bytes, version, &[&parts]).is_ok_and(|it| it.main_data == b"m");
    let hole: &[u8] = &[100, 0];
    // 14: 1 hole, 2 compressed, 4 apply.
    assert!(reads(V14, image(0x03, hole)) && reads(V14, image(0x07, hole)));
    assert!(reads(V14, image(0x01, &[])) && reads(V14, image(0x05, &[])));
    assert!(!reads(V14, image(0x05, hole)) && !reads(V14, image(0x03, &[])));
    // 15: 1 hole, 2 apply, 4 pglz, 8 lz4, 16 zstd.
    for version in MajorVersion::ALL.into_iter().skip(1) {
        assert!(reads(version, image(0x01, &[])) && reads(version, image(0x03, &[])));
        for method in [4, 8, 16] {
            assert!(reads(version, image(method | 1, hole)) && reads(version, image(method | 3, hole)));
            assert!(!reads(version, image(method | 1, &[])) && !reads(version, image(method | 1, &[0, 0])));
        }
        // A hole has a place, and no hole none.
        assert!(!reads(version, image(0x02, &[])) && !reads(version, image(0x04, &[])));
    }
}

#[test]
fn contradictions_are_refused() {
    let block = |first: &[u8]| [first, &RELATION, &[9, 0, 0, 0], &[255, 1], b"abcm"].concat();
    let cases: [(&str, Vec<u8>); 10] = [
        ("longer than the record", vec![255, 200, 1, 2, 3]),
        ("longer than the record", [&[254][..], &u32::MAX.to_le_bytes(), b"abc"].concat()),
        ("longer than the record", vec![255, 1, 1, 2, 3]),
        ("longer than the record", vec![0, 0, 0]),
        ("its data contradicts", block(&[0, 0, 3, 0])),
        ("its data contradicts", block(&[0, 0x20, 0, 0])),
        ("no such fork", block(&[0, 0x24, 3, 0])),
        ("no relation to be the same", block(&[0, 0xA0, 3, 0])),
        ("block reference 33 is impossible", block(&[33, 0x20, 3, 0])),
        (
            "block reference 0 is out of order",
            [&[0, 0, 0, 0][..], &RELATION, &[9, 0, 0, 0], &[0, 0x80, 0, 0, 1, 0, 0, 0], &[255, 0]].concat(),
        ),
    ];
    for (words, parts) in cases {
        let mut bytes = Vec::new();
        let error = decoded(&mut bytes, V15, &[&parts]).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("0/300028"), "{words}: {error}");
    }
    // A record whose parts do not fit together by themselves is refused, too.
    for bytes in [&[][..], &[1; 10], &[1; 24]] {
        let broken = WalRecord { bytes, info: 0, ..record(&[0; 24], V15) };
        assert!(broken.decode().is_err() && broken.fact().is_err());
    }
}

/// 2026-11-24 03:41:23.123456 UTC, as the server counts.
const MICROSECONDS: i64 = 848_806_883_123_456;

fn time() -> Timestamp {
    "2026-11-24T03:41:23.123456Z".parse().unwrap()
}

/// Every fact, with resource manager, info and main data.
fn facts() -> Vec<(WalFact, u8, Vec<u8>, Vec<u8>)> {
    let at = MICROSECONDS.to_le_bytes().to_vec();
    let mut name = at.clone();
    name.extend("antes de borrar ñ".bytes());
    name.resize(72, 0);
    let mut full_name = at.clone();
    full_name.extend([b'n'; 64]);
    let mut checkpoint = vec![0xEE; 80];
    checkpoint[..8].copy_from_slice(&0x1_0200_0028_u64.to_le_bytes());
    checkpoint[8..12].copy_from_slice(&3_u32.to_le_bytes());
    checkpoint[64..72].copy_from_slice(&time().as_second().to_le_bytes());
    let point = |name: &str| WalFact::RestorePoint { name: name.to_owned(), time: time() };
    let checkpoint_fact = |shutdown| WalFact::Checkpoint {
        shutdown,
        redo_lsn: Lsn(0x1_0200_0028),
        timeline: TimelineId(3),
        time: Timestamp::from_second(time().as_second()).unwrap(),
    };
    let end = [&at[..], &[4, 0, 0, 0, 3, 0, 0, 0]].concat();
    let parameters = |level: u8| [&[9; 20][..], &[level, 0, 0, 0, 1, 1]].concat();
    let with_more = [&at[..], &[3; 300]].concat();
    vec![
        (WalFact::Commit { time: time() }, 1, vec![0x00, 0x80, 0x30, 0xB0], at.clone()),
        (WalFact::Commit { time: time() }, 1, vec![0x80, 0xB0, 0x01], with_more.clone()),
        (WalFact::Abort { time: time() }, 1, vec![0x20, 0xA0, 0x40, 0xC0], at.clone()),
        (WalFact::Abort { time: time() }, 1, vec![0xA0], with_more),
        (point("antes de borrar ñ"), 0, vec![0x70], name),
        (point(&"n".repeat(64)), 0, vec![0x70], full_name),
        (WalFact::SegmentSwitch, 0, vec![0x40], vec![]),
        (checkpoint_fact(true), 0, vec![0x00], checkpoint.clone()),
        (checkpoint_fact(false), 0, vec![0x10], checkpoint),
        (WalFact::BackupEnd { start_lsn: Lsn(0x1122) }, 0, vec![0x50], 0x1122_u64.to_le_bytes().to_vec()),
        (
            WalFact::EndOfRecovery { timeline: TimelineId(4), previous_timeline: TimelineId(3), time: time() },
            0,
            vec![0x90],
            end,
        ),
        (WalFact::ParameterChange { wal_level: 0 }, 0, vec![0x60], parameters(0)),
        (WalFact::ParameterChange { wal_level: 2 }, 0, vec![0x61], parameters(2)),
    ]
}

#[test]
fn facts_are_told_of_records_and_of_their_heads() {
    for version in MajorVersion::ALL {
        for (fact, resource_manager, infos, data) in facts() {
            for info in infos {
                for before in [&[][..], &[253, 7, 0], &[253, 7, 0, 252, 9, 0, 0, 0]] {
                    let parts =
                        if data.is_empty() { vec![] } else { [before, &data_header(data.len()), &data].concat() };
                    let bytes = sealed(Lsn(64), resource_manager, info, 7, &parts);
                    assert_eq!(record(&bytes, version).fact(), Ok(Some(fact.clone())), "{info:02X}");
                    for length in 0..=bytes.len() {
                        let told = fact_of_head(&bytes[..length], version).unwrap();
                        assert!(told.is_none() || told.as_ref() == Some(&fact), "{told:?}");
                        assert!(length < RECORD_HEAD_BYTES.min(bytes.len()) || told.is_some(), "{fact:?} {length}");
                    }
                }
            }
        }
    }
}

#[test]
fn other_records_state_none() {
    for (resource_manager, infos) in [
        (1, &[0x10, 0x50, 0x60][..]),
        (0, &[0x20, 0x30, 0x80, 0xA0, 0xB0, 0xD0, 0xE0]),
        (10, &[0, 0x20, 0x40]),
        (128, &[0]),
    ] {
        for info in infos {
            let bytes = sealed(Lsn(64), resource_manager, *info, 7, &[255, 1, 1]);
            assert_eq!(record(&bytes, V15).fact(), Ok(None), "{resource_manager} {info:02X}");
            assert_eq!(fact_of_head(&bytes, V15), Ok(None));
        }
    }
}

#[test]
fn facts_that_make_no_sense_are_refused() {
    for (fact, resource_manager, infos, data) in facts() {
        if fact != WalFact::SegmentSwitch {
            let needed = if data.len() > 100 { 8 } else { data.len() };
            let few = needed.min(16).min(8) - 1;
            let bytes = sealed(Lsn(64), resource_manager, infos[0], 7, &[&data_header(few), &data[..few]].concat());
            assert!(record(&bytes, V15).fact().is_err() && fact_of_head(&bytes, V15).is_err(), "{fact:?}");
        }
    }
    for time in [i64::MAX, i64::MIN, i64::MAX - 946_684_800_000_000] {
        let bytes = sealed(Lsn(64), 1, 0, 7, &[&[255, 8], &time.to_le_bytes()[..]].concat());
        let error = record(&bytes, V15).fact().unwrap_err().to_string();
        assert_eq!(error, "WAL record is damaged: 0/300028: its time is impossible");
    }
    let mut short = sealed(Lsn(64), 1, 0, 7, &[]);
    short[0] = 23;
    assert!(fact_of_head(&short, V15).is_err());
}

#[test]
fn the_decoder_names_a_records_parts() {
    let mut crafter = WalCrafter::new(geometry(V15, 8192), 3);
    let before = crafter.previous;
    crafter.record(1, 0x80, 4711, &[&[255, 8], &MICROSECONDS.to_le_bytes()[..]].concat());
    let mut decoder = WalDecoder::new(crafter.geometry, TimelineId(1), crafter.start);
    let mut seen = 0;
    decoder
        .feed::<FormatError>(&crafter.bytes, &mut |record| {
            seen += 1;
            assert_eq!((record.lsn, record.end_lsn), (Lsn(0x30_0028), Lsn(0x30_0050)));
            assert_eq!((record.previous_lsn, record.xid, record.info), (before, 4711, 0x80));
            assert_eq!((record.resource_manager, record.version), (ResourceManager::TRANSACTION, V15));
            assert_eq!(record.fact()?, Some(WalFact::Commit { time: time() }));
            Ok(())
        })
        .unwrap();
    assert_eq!((seen, decoder.page_timeline()), (1, Some(TimelineId(1))));
}

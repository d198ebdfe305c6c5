use crate::controldata::assert_agrees;
use crate::{fixture, fixture_text};
use pgformat::FormatError;
use pgformat::control_file::{CONTROL_FILE_SIZE, ClusterState, ControlFile};

const FIXTURES: [(&str, u32); 6] = [
    ("pg_control_14_running_minimal", 14),
    ("pg_control_15_standby", 15),
    ("pg_control_15_standby_stopped", 15),
    ("pg_control_16_stopped_logical", 16),
    ("pg_control_17_crashed_timeline_2", 17),
    ("pg_control_18_running", 18),
];

/// The length of the structure with its CRC.
fn length(major: u32) -> usize {
    if major == 18 { 296 } else { 292 }
}

#[test]
fn reads_what_pg_controldata_prints() {
    for (name, major) in FIXTURES {
        let control = ControlFile::parse(&fixture(name)).unwrap();
        assert_eq!(control.version.number(), major, "{name}");
        assert_agrees(&control, &fixture_text(&format!("{name}.txt")));
    }
}

#[test]
fn needs_no_more_than_the_structure() {
    for (name, major) in FIXTURES {
        let bytes = fixture(name);
        assert_eq!(bytes.len(), CONTROL_FILE_SIZE);
        assert_eq!(ControlFile::parse(&bytes[..length(major)]), ControlFile::parse(&bytes));
        for shorter in 0..length(major) {
            let error = ControlFile::parse(&bytes[..shorter]).unwrap_err();
            assert!(matches!(error, FormatError::FormatDamaged { .. }), "{name} {shorter}: {error}");
        }
    }
}

#[test]
fn finds_every_flipped_bit() {
    for (name, major) in FIXTURES {
        let good = fixture(name);
        for at in 0..length(major) {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                assert!(ControlFile::parse(&bytes).is_err(), "{name} byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn a_copy_torn_between_two_writes_is_damaged() {
    let (before, after) = (fixture("pg_control_15_standby"), fixture("pg_control_15_standby_stopped"));
    let torn = [&before[..64], &after[64..]].concat();
    assert!(matches!(ControlFile::parse(&torn), Err(FormatError::FormatDamaged { .. })));
    assert_eq!(ControlFile::parse(&before).unwrap().state, ClusterState::InArchiveRecovery);
    assert_eq!(ControlFile::parse(&after).unwrap().state, ClusterState::ShutDownedInRecovery);
}

/// Changes a file and makes its CRC right again.
fn signed(name: &str, at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = fixture(name);
    bytes[at..at + value.len()].copy_from_slice(value);
    let crc = crc32c::crc32c(&bytes[..288]);
    bytes[288..292].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn refuses_other_versions_and_the_other_byte_order() {
    const NAME: &str = "pg_control_15_standby";
    let error_of = |at: usize, value: u32| ControlFile::parse(&signed(NAME, at, &value.to_le_bytes())).unwrap_err();
    let unsupported = |what, found: &str| FormatError::FormatUnsupported { what, found: found.to_owned() };
    assert_eq!(error_of(8, 1201), unsupported("pg_control version", "1201"));
    assert_eq!(error_of(8, 1300_u32.swap_bytes()), unsupported("byte order", "big-endian (pg_control version 1300)"));
    assert_eq!(error_of(12, 202_007_201), unsupported("catalog version", "202007201 (pg_control version 1300)"));
    assert_eq!(error_of(12, 202_406_281), unsupported("catalog version", "202406281 (pg_control version 1300)"));
    assert!(matches!(ControlFile::parse(&[0; CONTROL_FILE_SIZE]), Err(FormatError::FormatDamaged { .. })));
}

#[test]
fn refuses_impossible_values_although_the_crc_is_right() {
    for (at, value, name) in [
        (16, 7, "state is 7"),
        (48, 0, "ThisTimeLineID is 0"),
        (56, 2, "fullPageWrites is 2"),
        (172, 3, "wal_level is 3"),
        (180, u32::MAX, "MaxConnections is -1"),
        (216, 8191, "blcksz is 8191"),
        (216, 65536, "blcksz is 65536"),
        (216, 512, "blcksz is 512"),
        (220, 0, "relseg_size is 0"),
        (224, 0, "xlog_blcksz is 0"),
        (228, 3 << 20, "3145728 bytes"),
        (252, 2, "data_checksum_version is 2"),
    ] {
        let bytes = signed("pg_control_15_standby", at, &u32::to_le_bytes(value));
        let error = ControlFile::parse(&bytes).unwrap_err();
        assert!(matches!(&error, FormatError::FormatDamaged { detail, .. } if detail == name), "{name}: {error}");
    }
    let no_identifier = signed("pg_control_15_standby", 0, &[0; 8]);
    assert!(ControlFile::parse(&no_identifier).is_err());
    let other_floats = signed("pg_control_15_standby", 208, &1.0_f64.to_le_bytes());
    assert!(ControlFile::parse(&other_floats).is_err());
}

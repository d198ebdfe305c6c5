use crate::{fixture, fixture_text};
use pgformat::backup_manifest::{BackupManifest, ManifestFile, ManifestWalRange, ManifestWriter};
use pgformat::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId};
use proptest::prelude::*;

fn write(version: MajorVersion, identifier: u64, files: &[ManifestFile], ranges: &[ManifestWalRange]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ManifestWriter::new(version, SystemIdentifier(identifier), &mut out);
    for file in files {
        writer.file(file, &mut out);
    }
    writer.finish(ranges, &mut out);
    out
}

fn file(path: &[u8]) -> ManifestFile {
    ManifestFile { path: path.to_vec(), size_bytes: 8192, modified_seconds: 0, crc32c: 0x0102_0304 }
}

#[test]
fn writes_what_the_server_wrote_byte_for_byte() {
    for (name, version, in_file) in
        [("backup_manifest_15", MajorVersion::V15, 1), ("backup_manifest_18", MajorVersion::V18, 2)]
    {
        let bytes = fixture(name);
        let manifest = BackupManifest::parse(&bytes).unwrap();
        assert_eq!(manifest.manifest_version, in_file);
        assert_eq!(manifest.system_identifier.is_some(), in_file == 2);
        let identifier = manifest.system_identifier.map_or(0, |identifier| identifier.0);
        let ours = write(version, identifier, &manifest.files, &manifest.wal_ranges);
        assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(bytes).unwrap());
    }
}

#[test]
fn reads_names_of_every_kind_and_times() {
    let manifest = BackupManifest::parse(&fixture("backup_manifest_15")).unwrap();
    let find = |path: &[u8]| manifest.files.iter().find(|file| file.path == path).unwrap();
    find(b"quote\"back\\slash");
    find(b"tab\tend\nof\rline\x01\x08\x0c\x7f");
    assert_eq!(find(b"latin1-\xf1").size_bytes, 2);
    let signal = find("señal".as_bytes());
    // CRC-32C of "x\n", and the last second of 1999.
    assert_eq!((signal.crc32c, signal.modified_seconds), (crc32c::crc32c(b"x\n"), 946_684_799));
    let label = fixture("backup_label_15");
    assert_eq!(find(b"backup_label").crc32c, crc32c::crc32c(&label));
    let range = ManifestWalRange { timeline: TimelineId(3), start_lsn: Lsn(0x0200_0028), end_lsn: Lsn(0x0200_0100) };
    assert_eq!(manifest.wal_ranges, [range]);
}

#[test]
fn version_and_system_identifier_follow_the_server() {
    for version in MajorVersion::ALL {
        let text = String::from_utf8(write(version, 42, &[], &[])).unwrap();
        let start = match version.number() {
            ..17 => "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n],\n",
            _ => "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": 42,\n\"Files\": [\n],\n",
        };
        assert!(text.starts_with(start), "{text}");
        let manifest = BackupManifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.system_identifier, (version.number() >= 17).then_some(SystemIdentifier(42)));
        assert!(manifest.files.is_empty() && manifest.wal_ranges.is_empty());
    }
}

#[test]
fn appends_to_what_is_there_and_writes_several_ranges() {
    let ranges = [(3, 0x30, 0x40), (2, 0x20, 0x30)].map(|(timeline, start, end)| ManifestWalRange {
        timeline: TimelineId(timeline),
        start_lsn: Lsn(start),
        end_lsn: Lsn(end),
    });
    let whole = write(MajorVersion::V17, 1, &[file(b"a"), file(b"b")], &ranges);
    // Each piece is written to a buffer that already holds something, which the digest must not take in.
    let mut pieces = Vec::new();
    let mut out = b"before".to_vec();
    let mut writer = ManifestWriter::new(MajorVersion::V17, SystemIdentifier(1), &mut out);
    pieces.extend_from_slice(&out[6..]);
    for name in [b"a", b"b"] {
        out.truncate(6);
        writer.file(&file(name), &mut out);
        pieces.extend_from_slice(&out[6..]);
    }
    out.truncate(6);
    writer.finish(&ranges, &mut out);
    pieces.extend_from_slice(&out[6..]);
    assert_eq!(pieces, whole);
    assert_eq!(BackupManifest::parse(&whole).unwrap().wal_ranges, ranges);
    let text = String::from_utf8(whole).unwrap();
    assert!(text.contains(
        "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": 3, \"Start-LSN\": \"0/30\", \"End-LSN\": \"0/40\" },\n\
         { \"Timeline\": 2, \"Start-LSN\": \"0/20\", \"End-LSN\": \"0/30\" }\n],\n"
    ));
}

#[test]
fn finds_every_flipped_bit() {
    let good = write(MajorVersion::V17, 42, &[file(b"a"), file("señal".as_bytes())], &[]);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            assert!(BackupManifest::parse(&bytes).is_err(), "byte {at} bit {bit}");
        }
    }
    for shorter in 0..good.len() {
        assert!(BackupManifest::parse(&good[..shorter]).is_err(), "{shorter} bytes");
    }
    assert!(BackupManifest::parse(&[&good[..], b"\n"].concat()).is_err());
}

/// Replaces text in a fixture and signs it again.
fn signed(name: &str, from: &str, to: &str) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let text = fixture_text(name);
    assert!(text.contains(from), "{from}");
    let changed = text.replacen(from, to, 1);
    let body = &changed[..changed.rfind("\"Manifest-Checksum\"").unwrap()];
    let digest: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{body}\"Manifest-Checksum\": \"{digest}\"}}\n").into_bytes()
}

#[test]
fn a_signed_manifest_must_still_make_sense() {
    const NAME: &str = "backup_manifest_18";
    assert!(BackupManifest::parse(&signed(NAME, "\"Size\"", "\"Size\"")).is_ok());
    for (from, to) in [
        ("\"System-Identifier\"", "\"system-identifier\""),
        ("Version\": 2", "Version\": 1"),
        ("{ \"Path\": \"PG_VERSION\", ", "{ "),
        ("{ \"Path\": \"PG_VERSION\", ", "{ \"Path\": \"\", "),
        ("{ \"Path\": \"PG_VERSION\", ", "{ \"Path\": \"a\", \"Path\": \"b\", "),
        ("{ \"Path\": \"PG_VERSION\", ", "{ \"Path\": \"a\", \"Encoded-Path\": \"61\", "),
        ("{ \"Path\": \"PG_VERSION\", ", "{ \"Encoded-Path\": \"6\", "),
        ("{ \"Path\": \"PG_VERSION\", ", "{ \"Path\": \"a\", \"Mode\": 384, "),
        ("\"Size\": 3", "\"Size\": -3"),
        ("\"Size\": 3", "\"Size\": 99999999999999999999"),
        (" GMT\"", " UTC\""),
        ("\"Last-Modified\": \"2026-11-24", "\"Last-Modified\": \"2026-13-24"),
        ("\"Last-Modified\": \"2026-11-24", "\"Last-Modified\": \"2026-1-024"),
        ("\"Checksum\": \"", "\"Checksum\": \"00"),
        ("\"Timeline\": 1", "\"Timeline\": 0"),
        ("\"End-LSN\": \"0/", "\"End-LSN\": \"0/0000000000"),
        ("\"Start-LSN\": \"0/", "\"Start-LSN\": \"F/"),
    ] {
        let error = BackupManifest::parse(&signed(NAME, from, to)).unwrap_err();
        assert!(matches!(error, FormatError::FormatDamaged { .. }), "{to}: {error}");
    }
    let v1 = signed("backup_manifest_15", "Version\": 1,", "Version\": 1,\n\"System-Identifier\": 5,");
    assert!(BackupManifest::parse(&v1).is_err());
}

#[test]
fn refuses_other_versions_and_checksum_algorithms() {
    let error_of = |from, to| BackupManifest::parse(&signed("backup_manifest_18", from, to)).unwrap_err();
    let unsupported = |what, found: &str| FormatError::FormatUnsupported { what, found: found.to_owned() };
    assert_eq!(error_of("Version\": 2", "Version\": 3"), unsupported("backup_manifest version", "3"));
    assert_eq!(error_of("Version\": 2", "Version\": 3,\n\"New\": 1"), unsupported("backup_manifest version", "3"));
    let algorithm = "backup_manifest checksum algorithm";
    assert_eq!(error_of("\"CRC32C\"", "\"SHA256\""), unsupported(algorithm, "SHA256"));
    assert_eq!(error_of("\"Checksum-Algorithm\": \"CRC32C\", ", ""), unsupported(algorithm, "NONE"));
}

#[test]
fn a_last_line_that_says_more_than_the_checksum_is_refused() {
    let text = fixture_text("backup_manifest_18");
    let more = text.replace("\"Manifest-Checksum\"", " \"Manifest-Checksum\"");
    assert!(BackupManifest::parse(more.as_bytes()).is_err());
    assert!(BackupManifest::parse(text.replace('\n', " ").as_bytes()).is_err());
}

#[test]
fn times_beyond_the_calendar_are_written_as_its_ends() {
    for (seconds, text) in [
        (0, "1970-01-01 00:00:00 GMT"),
        (-1, "1969-12-31 23:59:59 GMT"),
        (951_782_400, "2000-02-29 00:00:00 GMT"),
        (i64::MIN, "0000-01-01 00:00:00 GMT"),
        (i64::MAX, "9999-12-30 22:00:00 GMT"),
    ] {
        let out = write(MajorVersion::V17, 1, &[ManifestFile { modified_seconds: seconds, ..file(b"a") }], &[]);
        assert!(String::from_utf8_lossy(&out).contains(text), "{seconds}: {}", String::from_utf8_lossy(&out));
        BackupManifest::parse(&out).unwrap();
    }
}

proptest! {
    #[test]
    fn every_manifest_reads_back(
        files in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 1..30), any::<u64>(), -60_000_000_000..253_402_207_199_i64, any::<u32>()), 0..5),
        ranges in proptest::collection::vec((1_u32.., any::<u64>(), any::<u64>()), 0..3),
        identifier: u64, is_new: bool
    ) {
        let files: Vec<ManifestFile> = files.into_iter().map(|(path, size_bytes, modified_seconds, crc32c)|
            ManifestFile { path, size_bytes, modified_seconds, crc32c }).collect();
        let ranges: Vec<ManifestWalRange> = ranges.into_iter().map(|(timeline, one, other)| ManifestWalRange {
            timeline: TimelineId(timeline), start_lsn: Lsn(one.min(other)), end_lsn: Lsn(one.max(other)) }).collect();
        let version = if is_new { MajorVersion::V18 } else { MajorVersion::V14 };
        let manifest = BackupManifest::parse(&write(version, identifier, &files, &ranges)).unwrap();
        prop_assert_eq!(manifest.system_identifier, is_new.then_some(SystemIdentifier(identifier)));
        prop_assert_eq!((manifest.files, manifest.wal_ranges), (files, ranges));
    }

    #[test]
    fn names_are_written_as_serde_json_reads_them(path in "(\\PC|[\u{0}-\u{1f}\"\\\\\u{7f}]){1,20}") {
        let out = write(MajorVersion::V17, 1, &[file(path.as_bytes())], &[]);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let entry = &json["Files"][0];
        if path.contains('\0') {
            prop_assert_eq!(entry["Encoded-Path"].as_str().unwrap(), hex::encode(&path));
        } else {
            prop_assert_eq!(entry["Path"].as_str().unwrap(), path);
        }
    }
}

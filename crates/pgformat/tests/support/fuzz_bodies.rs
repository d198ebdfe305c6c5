//! What every parser must keep to, whatever the bytes: shared by the fuzz targets and by `formats/any_bytes.rs`.
//!
//! Each function takes arbitrary bytes; it fails by panicking. Bytes that a checksum would turn away are signed first, so
//! that what lies behind the checksum is reached too.

use pgformat::backup_label::{BackupLabel, format_tablespace_map, parse_tablespace_map};
use pgformat::backup_manifest::{BackupManifest, ManifestWriter};
use pgformat::control_file::ControlFile;
use pgformat::exclusion::{Treatment, is_unlogged_data, treatment, unlogged_relations};
use pgformat::page::{PageVerdict, check_page, is_block_size, page_checksum, page_lsn};
use pgformat::relation_file::{
    DEFAULT_TABLESPACE_OID, GLOBAL_TABLESPACE_OID, PgVersionDirectory, RelationFile, carries_page_checksums,
    is_temporary_relation,
};
use pgformat::{FormatError, MajorVersion, SystemIdentifier, WalSegment, WalSegmentSize};
use sha2::{Digest, Sha256};

/// The two version numbers of every server and where the CRC lies.
const CONTROL_VERSIONS: [(u32, u32, usize); 5] = [
    (1300, 202_107_181, 288),
    (1300, 202_209_061, 288),
    (1300, 202_307_071, 288),
    (1700, 202_406_281, 288),
    (1800, 202_506_291, 292),
];

/// A control file is read or refused.
pub fn control_file(bytes: &[u8]) {
    let _ = ControlFile::parse(bytes);
    let (format, catalog, crc_at) = CONTROL_VERSIONS[bytes.first().map_or(0, |byte| usize::from(*byte) % 5)];
    let mut signed = bytes.to_vec();
    signed.resize(bytes.len().max(296), 0);
    signed[8..12].copy_from_slice(&format.to_le_bytes());
    signed[12..16].copy_from_slice(&catalog.to_le_bytes());
    signed[208..216].copy_from_slice(&1_234_567.0_f64.to_le_bytes());
    let crc = crc32c::crc32c(&signed[..crc_at]);
    signed[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    match ControlFile::parse(&signed) {
        Ok(control) => {
            assert_eq!(control.catalog_version, catalog);
            assert!(is_block_size(control.block_size_bytes as usize) && control.relation_segment_blocks > 0);
            assert!(control.timeline.0 > 0 && control.system_identifier.0 > 0);
        }
        Err(error) => assert!(matches!(error, FormatError::FormatDamaged { .. }), "{error}"),
    }
    signed[20] ^= 1;
    assert!(ControlFile::parse(&signed).is_err(), "a wrong CRC passed");
}

/// A page is judged, and its own checksum makes it valid.
pub fn page(bytes: &[u8]) {
    assert_eq!(page_lsn(bytes).is_some(), bytes.len() >= 24);
    for checksums in [false, true] {
        check_page(bytes, 7, checksums);
    }
    // One block size for each input, told by its first byte, so that many inputs are tried.
    let size = 1024 << (bytes.first().map_or(0, |byte| byte % 6));
    let mut page = bytes.repeat(size / bytes.len().max(1) + 1);
    page.resize(size, 0);
    let block = u32::from(page[0]) << 20;
    let checksum = page_checksum(&page, block);
    assert_ne!(checksum, 0);
    page[8..10].copy_from_slice(&checksum.to_le_bytes());
    let verdict = check_page(&page, block, true);
    match page[14..16] {
        [0, 0] if page.iter().all(|byte| *byte == 0) => assert_eq!(verdict, PageVerdict::New),
        [0, 0] => assert_eq!(verdict, PageVerdict::BadHeader),
        _ => {
            assert_eq!(verdict, PageVerdict::Valid);
            page[size - 1] ^= 0x10;
            assert!(matches!(check_page(&page, block, true), PageVerdict::ChecksumMismatch { .. }));
        }
    }
}

/// A backup_label and a tablespace_map are read as what is written of them again.
pub fn backup_label(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(label) = BackupLabel::parse(text) {
        assert_eq!(BackupLabel::parse(&label.to_string()).as_ref(), Ok(&label));
    }
    if let Ok(tablespaces) = parse_tablespace_map(text) {
        assert_eq!(parse_tablespace_map(&format_tablespace_map(&tablespaces)), Ok(tablespaces));
    }
}

/// A manifest is read as what is written of it again.
pub fn backup_manifest(bytes: &[u8]) {
    let _ = BackupManifest::parse(bytes);
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    let mut signed = bytes[..end].to_vec();
    let digest: String = Sha256::digest(&signed).iter().map(|byte| format!("{byte:02x}")).collect();
    signed.extend_from_slice(format!("\"Manifest-Checksum\": \"{digest}\"}}\n").as_bytes());
    let Ok(manifest) = BackupManifest::parse(&signed) else { return };
    let version = if manifest.manifest_version == 1 { MajorVersion::V16 } else { MajorVersion::V17 };
    let mut out = Vec::new();
    let identifier = manifest.system_identifier.unwrap_or(SystemIdentifier(0));
    let mut writer = ManifestWriter::new(version, identifier, &mut out);
    for file in &manifest.files {
        writer.file(file, &mut out);
    }
    writer.finish(&manifest.wal_ranges, &mut out);
    assert_eq!(BackupManifest::parse(&out), Ok(manifest));
}

/// A path's names mean one thing, and a relation's path is written as it was read.
pub fn relation_path(bytes: &[u8]) {
    let treatments = [treatment(bytes, false), treatment(bytes, true)];
    let file_name = bytes.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let unlogged = unlogged_relations([file_name].into_iter());
    assert!(!is_unlogged_data(file_name, &unlogged), "an init fork is kept");
    let Ok(path) = std::str::from_utf8(bytes) else {
        assert!(!carries_page_checksums(bytes));
        return;
    };
    let relation = RelationFile::parse(path);
    assert_eq!(relation.is_some(), carries_page_checksums(bytes));
    if let Some(relation) = relation {
        let directory: Option<PgVersionDirectory> = path.split('/').nth(2).and_then(|name| name.parse().ok());
        let elsewhere = !matches!(relation.locator.spc_oid, DEFAULT_TABLESPACE_OID | GLOBAL_TABLESPACE_OID);
        assert_eq!(elsewhere, directory.is_some());
        let unused = PgVersionDirectory { major: 1, catalog_version: 1 };
        assert_eq!(relation.path(directory.unwrap_or(unused)), path);
        assert_eq!(treatments, [Treatment::Include; 2]);
        assert!(!is_temporary_relation(path.rsplit('/').next().unwrap_or_default()));
    }
    for bytes in [1 << 20, 1 << 24, 1 << 30] {
        let size = WalSegmentSize::new(bytes).unwrap();
        if let Ok(segment) = WalSegment::parse(path, size) {
            assert_eq!(segment.file_name(size), path);
        }
    }
}

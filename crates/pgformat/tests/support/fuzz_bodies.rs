//! What every parser must keep to, whatever the bytes: shared by the fuzz targets and by `formats/any_bytes.rs`.
//!
//! Each function takes arbitrary bytes; it fails by panicking. Bytes that a checksum would turn away are signed first, so
//! that what lies behind the checksum is reached too.

use pgformat::backup_label::{BackupLabel, format_tablespace_map, parse_tablespace_map};
use pgformat::backup_manifest::{BackupManifest, ManifestWriter};
use pgformat::block_reference::{BLOCK_REFERENCE_MAGIC, BlockReferenceReader, BlockReferenceTable};
use pgformat::control_file::ControlFile;
use pgformat::exclusion::{Treatment, is_unlogged_data, treatment, unlogged_relations};
use pgformat::incremental_file::{INCREMENTAL_MAGIC, IncrementalHeader, SegmentGeometry};
use pgformat::page::{PageVerdict, check_page, is_block_size, page_checksum, page_lsn};
use pgformat::relation_file::{
    DEFAULT_TABLESPACE_OID, GLOBAL_TABLESPACE_OID, PgVersionDirectory, RelationFile, carries_page_checksums,
    is_temporary_relation,
};
use pgformat::wal::{
    ChangeCollector, ChangeRules, ResourceManager, SegmentSummarizer, SegmentSummary, WalDecoder, WalGeometry,
    WalRecord, fact_of_head, page_magic,
};
use pgformat::{FormatError, Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegment, WalSegmentSize};
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

/// WAL is read or refused, however it is fed; a record with a right checksum is read as what it is.
pub fn wal(bytes: &[u8]) {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let version = MajorVersion::ALL[usize::from(byte(0)) % 5];
    let geometry = WalGeometry {
        version,
        system_identifier: SystemIdentifier(77),
        segment_size: WalSegmentSize::new(1 << 20).unwrap(),
        block_size_bytes: 1024 << (byte(1) % 7),
    };
    let _ = fact_of_head(bytes, version);
    for start in [0, 64, 4096, u64::from(byte(2)) << 32 | 48] {
        wal_outcome(geometry, Lsn(start), [bytes].into_iter());
    }
    // A right page with any bytes behind its header: however it is cut, the same comes out.
    let page = [&wal_page_header(&geometry)[..], bytes].concat();
    let start = Lsn(3 << 20);
    let at_once = wal_outcome(geometry, start, [&page[..]].into_iter());
    assert_eq!(at_once, wal_outcome(geometry, start, page.chunks(1 + usize::from(byte(3)))));
    wal_summary(geometry, &page);
    // A right record of any parts comes out whole, and what it says is read or refused.
    let mut record = ((24 + bytes.len()) as u32).to_le_bytes().to_vec();
    record.extend([0; 12]);
    record.extend([byte(4), byte(5) % 22, 0, 0]);
    record.extend(crc32c::crc32c_append(crc32c::crc32c(bytes), &record).to_le_bytes());
    record.extend_from_slice(bytes);
    let page = [&wal_page_header(&geometry)[..], &record].concat();
    let (whole, position, failed) = wal_outcome(geometry, start, [&page[..]].into_iter());
    if page.len() <= geometry.block_size_bytes as usize {
        assert_eq!((whole, position, failed), (1, Lsn(start.0 + page.len() as u64), false));
    }
    wal_summary(geometry, &page);
}

/// Returns how many whole records there were, where the decoder is, and whether it gave up.
fn wal_outcome<'a>(
    geometry: WalGeometry,
    start: Lsn,
    mut pieces: impl Iterator<Item = &'a [u8]>,
) -> (usize, Lsn, bool) {
    let mut decoder = WalDecoder::new(geometry, TimelineId(9), start);
    let mut whole = 0;
    let failed = pieces.any(|piece| {
        let answer = decoder.feed::<FormatError>(piece, &mut |record| {
            whole += 1;
            assert!(record.bytes.len() >= 24 && record.end_lsn > record.lsn);
            if let (Ok(decoded), Ok(Some(_))) = (record.decode(), record.fact()) {
                assert!(decoded.main_data.len() < record.bytes.len());
            }
            Ok(())
        });
        answer.is_err()
    });
    assert!(decoder.position() >= start && (whole > 0) == decoder.records_end().is_some());
    (whole, decoder.position(), failed)
}

/// A segment's bytes are summarized or refused, and the summary fits or does not fit to itself.
fn wal_summary(geometry: WalGeometry, bytes: &[u8]) {
    let segment = WalSegment { timeline: TimelineId(9), number: 3 };
    let mut summarizer = SegmentSummarizer::new(geometry, segment);
    let _ = summarizer.feed::<FormatError>(bytes, &mut |_, _| Ok(()));
    let summary = summarizer.summary();
    let _ = SegmentSummary::fact_across(&summary, &summary, &geometry);
}

/// The header of segment 3's first page.
fn wal_page_header(geometry: &WalGeometry) -> Vec<u8> {
    let mut header = page_magic(geometry.version).to_le_bytes().to_vec();
    header.extend(2_u16.to_le_bytes());
    header.extend(9_u32.to_le_bytes());
    header.extend((3_u64 << 20).to_le_bytes());
    header.extend([0; 8]);
    header.extend(geometry.system_identifier.0.to_le_bytes());
    header.extend((1_u32 << 20).to_le_bytes());
    header.extend(geometry.block_size_bytes.to_le_bytes());
    header
}

/// A summary file is read or refused, however it is fed, and is written as it was read.
pub fn block_references(bytes: &[u8]) {
    let _ = BlockReferenceTable::parse(bytes);
    let mut signed = BLOCK_REFERENCE_MAGIC.to_le_bytes().to_vec();
    signed.extend_from_slice(bytes);
    signed.extend([0; 24]);
    signed.extend(crc32c::crc32c(&signed).to_le_bytes());
    let at_once = BlockReferenceTable::parse(&signed);
    let mut reader = BlockReferenceReader::new();
    let mut table = BlockReferenceTable::new();
    let size = 1 + usize::from(bytes.first().copied().unwrap_or_default());
    let mut pieces = signed.chunks(size);
    let fed = pieces.try_for_each(|piece| {
        reader.feed::<FormatError>(piece, &mut |key, entry| {
            table.merge_later_entry(key, &entry);
            Ok(())
        })
    });
    match (fed.and_then(|()| reader.finish()), at_once) {
        (Ok(()), Ok(parsed)) => {
            assert_eq!(table, parsed);
            let mut out = Vec::new();
            parsed.write(&mut out);
            assert!(out == signed, "what was read is written otherwise");
        }
        (Err(in_pieces), Err(at_once)) => assert_eq!(in_pieces, at_once),
        (in_pieces, at_once) => panic!("{in_pieces:?} in pieces, {at_once:?} at once"),
    }
}

/// A record's changes are read or refused, and the table can be written and read.
pub fn changed_blocks(bytes: &[u8]) {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let managers = [0, 1, 2, 4, 9, 10, 11, 128].map(ResourceManager);
    let resource_manager = managers[usize::from(byte(0)) % managers.len()];
    let info = byte(1).rotate_left(4);
    let data = bytes.get(2..).unwrap_or_default();
    // The record's parts as they are; and as what belongs to no block.
    let as_data = [&[254][..], &(data.len() as u32).to_le_bytes(), data].concat();
    for parts in [data, &as_data] {
        let mut record = ((24 + parts.len()) as u32).to_le_bytes().to_vec();
        record.extend([0; 20]);
        record.extend_from_slice(parts);
        for version in MajorVersion::ALL {
            for rules in [ChangeRules::AsServer, ChangeRules::Complete] {
                let mut collector = ChangeCollector::new(rules, 8192 * u32::from(byte(2)));
                let (lsn, end_lsn, previous_lsn) = (Lsn(1 << 20), Lsn(2 << 20), Lsn(0));
                let bytes = &record[..];
                let record = WalRecord { lsn, end_lsn, previous_lsn, xid: 0, info, resource_manager, version, bytes };
                if collector.record(&record).is_ok() {
                    let mut out = Vec::new();
                    collector.table().write(&mut out);
                    assert_eq!(BlockReferenceTable::parse(&out).as_ref(), Ok(collector.table()));
                }
            }
        }
    }
}

/// An incremental file's head is read or refused, and is written as it was read.
pub fn incremental_file(bytes: &[u8]) {
    let sizes = [0, 1000, 1024, 8192, 32_768, u32::MAX];
    let block_size_bytes = sizes[bytes.first().map_or(0, |byte| usize::from(*byte) % sizes.len())];
    let geometry = SegmentGeometry { block_size_bytes, relation_segment_blocks: 32 };
    let _ = IncrementalHeader::parse(bytes, geometry);
    let mut filled = INCREMENTAL_MAGIC.to_le_bytes().to_vec();
    filled.extend_from_slice(bytes);
    filled.resize(40_000, 0);
    if let Ok(header) = IncrementalHeader::parse(&filled, geometry) {
        let mut out = Vec::new();
        header.write(&mut out);
        assert!(out == filled[..header.size_bytes()], "what was read is written otherwise");
        assert!(header.reconstructed_blocks() <= 32);
        assert_eq!(header.offset_of(32), None);
    }
}

//! What the tests of the WAL archive share: a repository, crafted segments, and what lies in the folder.
#![allow(dead_code)] // each test file uses a part of it

#[path = "../../../pgformat/tests/support/wal_crafter.rs"]
pub mod wal_crafter;

use pgformat::wal::{SegmentSummarizer, SegmentSummary, WalGeometry};
use pgformat::{FormatError, Lsn, MajorVersion, TimelineId, WalSegment, WalSegmentSize};
use std::path::Path;
use std::sync::Arc;
use vault::repository::{FORMAT_VERSION, Repository, RepositoryDescription};
use vault::storage::{LocalFolder, Storage};
use vault::wal::{SealOutcome, WalArchive, WalArchiveError};
pub use wal_crafter::{IDENTIFIER, WalCrafter};

pub const TOOL: &str = "cadena 0.1.0";

/// A folder in memory where there is such a place: what these tests show does not hang on a disk.
pub fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub fn geometry(mebibytes: u64) -> WalGeometry {
    WalGeometry {
        segment_size: WalSegmentSize::new(mebibytes << 20).unwrap(),
        ..wal_crafter::geometry(MajorVersion::V17, 8192)
    }
}

pub fn repository_on(storage: Arc<dyn Storage>) -> Repository {
    let description = RepositoryDescription {
        format_version: FORMAT_VERSION,
        system_identifier: IDENTIFIER,
        postgresql_version: MajorVersion::V17,
        encryption_recipients: Vec::new(),
        created_by: TOOL.to_owned(),
    };
    Repository::create(storage, &description).unwrap()
}

pub fn repository(folder: &Path) -> Repository {
    repository_on(Arc::new(LocalFolder::new(folder)))
}

pub fn archive(folder: &Path, mebibytes: u64) -> WalArchive {
    WalArchive::open_for(&repository(folder), geometry(mebibytes), TOOL).unwrap()
}

pub fn segment(number: u64) -> WalSegment {
    WalSegment { timeline: TimelineId(1), number }
}

/// A whole segment of records of many lengths, which `seed` makes differ: text-like ones and noise.
pub fn whole_segment(geometry: WalGeometry, number: u64, seed: u64) -> Vec<u8> {
    let mut crafter = WalCrafter::new(geometry, number);
    commit(&mut crafter, 1_000_000 + seed as i64);
    restore_point(&mut crafter, 2_000_000, &format!("before {seed}"));
    let size = geometry.segment_size.bytes() as usize;
    let mut noise = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while size - crafter.bytes.len() > 300_000 {
        let length = 30_000 + (noise % 100_000) as usize;
        if noise & 1 == 0 {
            crafter.record_of(length);
        } else {
            let mut parts = vec![254];
            parts.extend((length as u32).to_le_bytes());
            parts.resize_with(length + 5, || {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise as u8
            });
            crafter.record(10, 0, 700, &parts);
        }
        noise = noise.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(seed | 1).rotate_left(17);
    }
    crafter.fill_segment(0);
    assert_eq!(crafter.bytes.len(), size);
    crafter.bytes
}

/// Writes a commit; `time` counts microseconds since 2000.
pub fn commit(crafter: &mut WalCrafter, time: i64) -> Lsn {
    crafter.record(1, 0, 700, &[&[255, 8][..], &time.to_le_bytes()].concat())
}

pub fn restore_point(crafter: &mut WalCrafter, time: i64, name: &str) -> Lsn {
    let mut data = time.to_le_bytes().to_vec();
    data.extend_from_slice(name.as_bytes());
    data.resize(72, 0);
    crafter.record(0, 0x70, 0, &[&[255, 72][..], &data].concat())
}

pub fn seal(archive: &WalArchive, segment: WalSegment, bytes: &[u8]) -> Result<SealOutcome, WalArchiveError> {
    seal_in_pieces(archive, segment, bytes, 300_001, 2)
}

pub fn seal_in_pieces(
    archive: &WalArchive,
    segment: WalSegment,
    bytes: &[u8],
    piece_bytes: usize,
    jobs: usize,
) -> Result<SealOutcome, WalArchiveError> {
    let mut sealer = archive.seal(segment, 1, jobs)?;
    for piece in bytes.chunks(piece_bytes) {
        sealer.write(piece)?;
    }
    sealer.finish()
}

/// What a segment says, without the archive.
pub fn said_by(geometry: WalGeometry, segment: WalSegment, bytes: &[u8]) -> SegmentSummary {
    let mut summarizer = SegmentSummarizer::new(geometry, segment);
    summarizer.feed::<FormatError>(bytes, &mut |_, _| Ok(())).unwrap();
    summarizer.summary()
}

/// Every file below a folder, hidden ones too.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// The same below `wal/`, without the description.
pub fn wal_files(folder: &Path) -> Vec<String> {
    let mut found = files(folder);
    found.retain(|name| name.starts_with("wal/") && name != "wal/wal.json");
    found
}

/// Returns the key that an error serializes to.
pub fn key<T: std::fmt::Debug>(result: Result<T, WalArchiveError>) -> String {
    let error = result.expect_err("an error was expected");
    serde_json::to_value(&error).unwrap()["key"].as_str().unwrap().to_owned()
}

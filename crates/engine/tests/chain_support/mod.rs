//! Chains of backups made by hand, and what they must be put together to: asked block by block, as the rules are written down.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::restore_support::*;
use pgformat::Lsn;
use pgformat::incremental_file::{IncrementalHeader, SegmentGeometry, incremental_path};
use std::collections::BTreeMap;
use vault::repository::{BackupKind, BackupRecord, RecordBase, Repository};

pub const GEOMETRY: SegmentGeometry =
    SegmentGeometry { block_size_bytes: BLOCK_BYTES as u32, relation_segment_blocks: 131_072 };

/// What one backup has of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    Whole(Vec<u8>),
    /// Blocks by number, and the truncation block length.
    Changes(BTreeMap<u32, Vec<u8>>, u32),
}

/// The relation files of one backup, by the path that they are restored to.
pub type Link = BTreeMap<String, Held>;

/// A block that can be told from every other one.
pub fn block(seed: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK_BYTES);
    let mut state = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while bytes.len() < BLOCK_BYTES {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Half of it compresses.
        bytes.extend((state >> 33).to_le_bytes());
        bytes.extend([7; 8]);
    }
    bytes
}

pub fn blocks(seeds: impl IntoIterator<Item = u32>) -> Vec<u8> {
    seeds.into_iter().flat_map(block).collect()
}

pub fn whole(seeds: impl IntoIterator<Item = u32>) -> Held {
    Held::Whole(blocks(seeds))
}

/// Changes: `(block number, seed of its content)`.
pub fn changes(limit: u32, held: &[(u32, u32)]) -> Held {
    Held::Changes(held.iter().map(|(number, seed)| (*number, block(*seed))).collect(), limit)
}

pub fn link(files: &[(&str, Held)]) -> Link {
    files.iter().map(|(path, held)| ((*path).to_owned(), held.clone())).collect()
}

/// The content of an incremental file.
pub fn incremental_content(held: &BTreeMap<u32, Vec<u8>>, limit: u32) -> Vec<u8> {
    let header = IncrementalHeader::new(GEOMETRY, limit, held.keys().copied().collect()).unwrap();
    let mut content = Vec::new();
    header.write(&mut content);
    held.values().for_each(|block| content.extend(block));
    content
}

pub fn members_of(link: &Link) -> Members {
    link.iter()
        .map(|(path, held)| match held {
            Held::Whole(content) => file(path, content.clone()),
            Held::Changes(blocks, limit) => file(&incremental_path(path), incremental_content(blocks, *limit)),
        })
        .collect()
}

/// What the newest backup's files are restored to; `None` for a file whose older part is missing.
pub fn put_together(chain: &[Link]) -> BTreeMap<String, Option<Vec<u8>>> {
    let newest = chain.last().unwrap();
    newest.keys().map(|path| (path.clone(), file_of(chain, path))).collect()
}

fn file_of(chain: &[Link], path: &str) -> Option<Vec<u8>> {
    let newest = chain.last()?.get(path)?;
    let (held, limit) = match newest {
        Held::Whole(content) => return Some(content.clone()),
        Held::Changes(held, limit) => (held, *limit),
    };
    let length = held.keys().max().map_or(0, |last| last + 1).max(limit);
    let mut content = Vec::new();
    for number in 0..length {
        content.extend(block_of(chain, path, number)?);
    }
    // A file of no blocks must have its older part, too.
    block_of(chain, path, 0)?;
    Some(content)
}

/// Walks down the chain for one block.
fn block_of(chain: &[Link], path: &str, number: u32) -> Option<Vec<u8>> {
    let zeros = vec![0; BLOCK_BYTES];
    let mut found: Option<Vec<u8>> = None;
    for link in chain.iter().rev() {
        match link.get(path)? {
            Held::Whole(content) => {
                let at = number as usize * BLOCK_BYTES;
                let held = content.get(at..at + BLOCK_BYTES).map(<[u8]>::to_vec);
                return Some(found.or(held).unwrap_or(zeros));
            }
            Held::Changes(blocks, limit) => {
                found = found.or_else(|| blocks.get(&number).cloned());
                // Nothing older is the file's behind the cut.
                if number >= *limit {
                    found = found.or_else(|| Some(zeros.clone()));
                }
            }
        }
    }
    None
}

/// Where a backup's WAL starts: each later than the one before.
pub fn start_lsn(number: usize) -> Lsn {
    Lsn(START_LSN.0 + number as u64 * 0x100)
}

pub fn label_of(start: Lsn, base: Option<&BackupRecord>) -> String {
    let mut label = backup_label().replace(&START_LSN.to_string(), &start.to_string());
    if let Some(base) = base {
        let (lsn, timeline) = (base.start_lsn.unwrap(), base.timeline.unwrap());
        label.push_str(&format!("INCREMENTAL FROM LSN: {lsn}\nINCREMENTAL FROM TLI: {timeline}\n"));
    }
    label
}

/// A whole cluster with the given relation files instead of the usual ones.
pub fn cluster_with(link: &Link, start: Lsn, base: Option<&BackupRecord>) -> Members {
    let mut members = cluster_members();
    members.retain(|(path, content)| {
        content.is_none() || !(path.starts_with(b"base/1/1") || path.starts_with(b"global/1"))
    });
    members.iter_mut().find(|(path, _)| path == b"backup_label").unwrap().1 = Some(label_of(start, base).into_bytes());
    let place = members.iter().position(|(path, _)| path == b"base/1/PG_VERSION").unwrap();
    members.splice(place..place, members_of(link));
    members
}

/// Says that a backup stands on another one.
pub fn stand_on(record: &mut BackupRecord, base: &BackupRecord) {
    record.base_id = Some(base.id);
    record.base = Some(RecordBase {
        start_lsn: base.start_lsn.unwrap(),
        timeline: base.timeline.unwrap(),
        sha256: base.sha256.clone().unwrap(),
    });
}

/// Seals and commits one backup of a chain.
pub fn seal_link(
    repository: &Repository,
    base: Option<&BackupRecord>,
    number: usize,
    members: &Members,
    sealing: &Sealing,
) -> BackupRecord {
    let kind = if base.is_some() { BackupKind::Incremental } else { BackupKind::Full };
    seal(repository, members, &Sealing { kind, ..*sealing }, |record| {
        record.start_lsn = Some(start_lsn(number));
        if let Some(base) = base {
            stand_on(record, base);
        }
    })
}

/// Seals whole clusters: the first link is the FULL.
pub fn seal_chain(repository: &Repository, chain: &[Link], sealing: &Sealing) -> Vec<BackupRecord> {
    let mut records: Vec<BackupRecord> = Vec::new();
    for (number, link) in chain.iter().enumerate() {
        let members = cluster_with(link, start_lsn(number), records.last());
        records.push(seal_link(repository, records.last(), number, &members, sealing));
    }
    records
}

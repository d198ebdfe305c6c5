//! Which blocks changed, when neither WAL nor the server tells? Every page's LSN does: a page that a logged change has touched
//! carries that change's address.
//!
//! It works on every server and needs nothing, but reads all of the cluster. What an LSN does not tell is made up for:
//! * Free space maps are not logged, and bits that a visibility map loses leave its LSN alone: both are taken whole.
//! * Without checksums (and `wal_log_hints`), setting a bit of the visibility map changes the flag of the relation's page, and not its LSN
//!   (upstream `visibilitymap_set`). So where a map's page has changed, all pages with that flag that it tells of count as changed.
//! * A database made by copying files has its template's LSNs. Its folder's `PG_VERSION` tells that it was made since.
//! * Pages without an LSN, new ones, and ones that can't be a page's are always taken.

use super::members::{BaseMembers, DATABASE_FILE};
use crate::pipeline::{Flow, RateLimit, run_ordered};
use crate::reader::{EntryKind, PathRange, Source, SourceReader, Walk, WalkItem};
use crate::{Cancel, Error, Phase, Progress};
use pgformat::block_reference::BlockReferenceTable;
use pgformat::incremental_file::SegmentGeometry;
use pgformat::page::{PageVerdict, check_page, is_all_visible, page_lsn};
use pgformat::relation_file::{DEFAULT_TABLESPACE_OID, ForkNumber, RelFileLocator, RelationFile};
use pgformat::{Lsn, MajorVersion};
use std::collections::{HashMap, HashSet};

/// What is read of a file at a time.
const PIECE_BYTES: usize = 1 << 20;
/// A database made in the second in which the base read it could be made again in the same second.
const CLOCK_SLACK_SECONDS: i64 = 1;
/// Addresses up to this one are no places in the log: 0, and what GiST marks new pages with (upstream `GistBuildLSN`).
const NO_LSN: Lsn = Lsn(1);
/// Length of a page's header; the rest of a visibility map's page has two bits for each block of the relation.
const PAGE_HEADER_BYTES: u32 = 24;

/// What a scan needs to know.
pub(super) struct ScanSettings {
    pub version: MajorVersion,
    pub own_names: &'static [&'static str],
    pub geometry: SegmentGeometry,
    pub checksums_enabled: bool,
    pub jobs: usize,
    /// A page that was changed from here on is named.
    pub since_lsn: Lsn,
    /// Plain bytes a second at the most.
    pub max_rate_bytes: Option<u64>,
    /// When the base began, in seconds since 1970.
    pub base_started_seconds: i64,
}

/// Pages of visibility maps that have changed, by relation and block.
type ChangedMaps = HashSet<(RelFileLocator, u32)>;

/// Reads every page of the files that the base holds, and names the changed ones.
///
/// # Errors
/// The source's; `Cancelled`.
pub(super) fn scan(
    source: &dyn Source,
    base: &BaseMembers,
    settings: &ScanSettings,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<BlockReferenceTable, Error> {
    progress.phase(Phase::Scanning, None);
    let mut table = BlockReferenceTable::new();
    let mut reader = source.reader()?;
    let made_anew = databases_made_anew(reader.as_mut(), base, settings.base_started_seconds)?;
    for (spc_oid, db_oid) in &made_anew {
        table.set_whole_database(*spc_oid, *db_oid);
    }
    let pass = |fork: ForkNumber, maps: &ChangedMaps, sink: &mut dyn FnMut(&Piece, Vec<u32>)| {
        let wanted = |relation: &RelationFile, path: &[u8]| {
            let of_fork = match fork {
                ForkNumber::Vm => relation.fork == ForkNumber::Vm,
                _ => matches!(relation.fork, ForkNumber::Main | ForkNumber::Init),
            };
            let locator = relation.locator;
            of_fork && !made_anew.contains(&(locator.spc_oid, locator.db_oid)) && base.contains(path)
        };
        read_pages(source, settings, &wanted, maps, sink, progress, cancel)
    };

    let mut maps = ChangedMaps::new();
    if !settings.checksums_enabled {
        pass(ForkNumber::Vm, &ChangedMaps::new(), &mut |piece, changed| {
            maps.extend(changed.into_iter().map(|block| (piece.relation.locator, block)));
        })?;
    }
    let mut lengths: HashMap<(RelFileLocator, ForkNumber), u32> = HashMap::new();
    pass(ForkNumber::Main, &maps, &mut |piece, changed| {
        let RelationFile { locator, fork, .. } = piece.relation;
        changed.into_iter().for_each(|block| table.mark_block(locator, fork, block));
        let length = lengths.entry((locator, fork)).or_default();
        *length = (*length).max(piece.end_block);
    })?;
    // What a file gets after this was not looked at. What changes from now on is in the backup's WAL, but not what merely comes
    // to be there: pages that are added as zeros, in the place of older ones that were cut off.
    for ((locator, fork), length) in lengths {
        table.set_limit_block(locator, fork, length);
    }
    Ok(table)
}

/// Part of a file.
struct Piece {
    path: Vec<u8>,
    relation: RelationFile,
    offset: u64,
    length: usize,
    /// The first block, counted in the whole relation, and the one after the last.
    first_block: u32,
    end_block: u32,
}

/// Walks the cluster, reads the files that are wanted with several workers, and hands the changed blocks of each piece to `sink`.
fn read_pages(
    source: &dyn Source,
    settings: &ScanSettings,
    wanted: &(dyn Fn(&RelationFile, &[u8]) -> bool + Sync),
    maps: &ChangedMaps,
    sink: &mut dyn FnMut(&Piece, Vec<u32>),
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut reader = source.reader()?;
    let mut walk = Walk::new(settings.version, settings.own_names);
    let mut pieces: Vec<Piece> = Vec::new();
    let produce = || -> Result<Option<Piece>, Error> {
        loop {
            if let Some(piece) = pieces.pop() {
                return Ok(Some(piece));
            }
            let (path, size_bytes) = match walk.next(reader.as_mut())? {
                None => return Ok(None),
                Some(WalkItem::Folder { .. }) => continue,
                Some(WalkItem::File { path, size_bytes, .. }) => (path, size_bytes),
            };
            let relation = std::str::from_utf8(&path).ok().and_then(RelationFile::parse);
            if let Some(relation) = relation.filter(|relation| wanted(relation, &path)) {
                pieces = cut(&path, relation, size_bytes, settings.geometry);
            }
        }
    };
    let rate = RateLimit::new(settings.max_rate_bytes);
    let make_worker = || {
        let rate = &rate;
        let (mut reader, mut buffer) = (source.reader()?, Vec::new());
        Ok(move |piece: Piece| -> Result<(Piece, Vec<u32>), Error> {
            rate.take(piece.length as u64, cancel)?;
            let changed = changed_blocks(&piece, reader.as_mut(), &mut buffer, settings, maps)?;
            Ok((piece, changed))
        })
    };
    let flow = Flow { jobs: settings.jobs, window: 4 * settings.jobs };
    run_ordered(flow, cancel, produce, make_worker, |(piece, changed): (Piece, Vec<u32>)| {
        progress.advance(piece.length as u64);
        sink(&piece, changed);
        Ok(())
    })
}

/// Cuts a file into pieces, the last one first. A file of no whole pages, or with more than a segment has, is taken whole later:
/// it has none.
fn cut(path: &[u8], relation: RelationFile, size_bytes: u64, geometry: SegmentGeometry) -> Vec<Piece> {
    let block_bytes = u64::from(geometry.block_size_bytes);
    let Some(first) = relation.first_block(geometry.relation_segment_blocks) else { return Vec::new() };
    if !size_bytes.is_multiple_of(block_bytes) || size_bytes / block_bytes > u64::from(geometry.relation_segment_blocks)
    {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let mut offset = 0;
    while offset < size_bytes {
        let length = (size_bytes - offset).min(PIECE_BYTES as u64);
        let first_block = first + (offset / block_bytes) as u32;
        let end_block = first_block + (length / block_bytes) as u32;
        pieces.push(Piece { path: path.to_vec(), relation, offset, length: length as usize, first_block, end_block });
        offset += length;
    }
    pieces.reverse();
    pieces
}

fn changed_blocks(
    piece: &Piece,
    reader: &mut dyn SourceReader,
    buffer: &mut Vec<u8>,
    settings: &ScanSettings,
    maps: &ChangedMaps,
) -> Result<Vec<u32>, Error> {
    let range = PathRange { path: &piece.path, offset: piece.offset, length: piece.length };
    reader.read_ranges(&[range], buffer)?;
    let block_bytes = settings.geometry.block_size_bytes;
    let per_map_block = (block_bytes - PAGE_HEADER_BYTES) * 4;
    let is_heap = |block: u32| {
        piece.relation.fork == ForkNumber::Main && maps.contains(&(piece.relation.locator, block / per_map_block))
    };
    let mut changed = Vec::new();
    // What was cut off meanwhile will be cut off by WAL replay, too.
    for (block, page) in (piece.first_block..).zip(buffer.chunks_exact(block_bytes as usize)) {
        if may_have_changed(page, block, settings.since_lsn) || (is_heap(block) && is_all_visible(page)) {
            changed.push(block);
        }
    }
    Ok(changed)
}

fn may_have_changed(page: &[u8], block: u32, since_lsn: Lsn) -> bool {
    // The header alone: a page that is just being written will be replaced by WAL replay.
    check_page(page, block, false) != PageVerdict::Valid
        || page_lsn(page).is_none_or(|lsn| lsn >= since_lsn || lsn <= NO_LSN)
}

/// Finds the databases whose folder was made after the base began: all their folders, since only the one in the database's
/// own tablespace has the file that tells.
fn databases_made_anew(
    reader: &mut dyn SourceReader,
    base: &BaseMembers,
    base_started_seconds: i64,
) -> Result<HashSet<(u32, u32)>, Error> {
    let mut folders: Vec<(u32, u32, Vec<u8>)> = Vec::new();
    for (db_oid, path) in numbered(reader, b"base")? {
        folders.push((DEFAULT_TABLESPACE_OID, db_oid, path));
    }
    for (spc_oid, tablespace) in numbered(reader, b"pg_tblspc")? {
        for entry in reader.list(&tablespace)?.unwrap_or_default() {
            if entry.kind == EntryKind::Folder && entry.name.starts_with(b"PG_") {
                let version = [tablespace.as_slice(), b"/", &entry.name].concat();
                let databases = numbered(reader, &version)?;
                folders.extend(databases.into_iter().map(|(db_oid, path)| (spc_oid, db_oid, path)));
            }
        }
    }
    let mut anew: HashSet<u32> = HashSet::new();
    for (_, db_oid, folder) in &folders {
        let path = [folder.as_slice(), b"/", DATABASE_FILE.as_bytes()].concat();
        let Some(file) = reader.open(&path)? else { continue };
        let same = base.database_made(&path) == Some(file.modified_seconds);
        if !same || file.modified_seconds >= base_started_seconds - CLOCK_SLACK_SECONDS {
            anew.insert(*db_oid);
        }
    }
    Ok(folders.into_iter().filter(|(_, db_oid, _)| anew.contains(db_oid)).map(|(spc, db, _)| (spc, db)).collect())
}

/// Lists the folders whose names are numbers, with their paths.
fn numbered(reader: &mut dyn SourceReader, folder: &[u8]) -> Result<Vec<(u32, Vec<u8>)>, Error> {
    let entries = reader.list(folder)?.unwrap_or_default();
    let number = |name: &[u8]| std::str::from_utf8(name).ok().and_then(|name| name.parse::<u32>().ok());
    let folders = entries.into_iter().filter(|entry| entry.kind == EntryKind::Folder);
    Ok(folders.filter_map(|entry| Some((number(&entry.name)?, [folder, b"/", &entry.name].concat()))).collect())
}

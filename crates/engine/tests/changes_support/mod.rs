//! Changed blocks of a test cluster, asked for in every way.

#![allow(dead_code, reason = "each test binary uses its own part")]

use engine::Cancel;
use engine::reader::{LocalSource, Source};
use engine::wal::{ChangeAnswer, ChangeDetail, ChangeRange, ChangesUnknown, changes_from_wal};
use pgformat::block_reference::BlockReferenceTable;
use pgformat::wal::WalGeometry;
use pgformat::{Lsn, TimelineId, WalSegmentSize};
use std::collections::BTreeMap;
use std::path::Path;
use testkit::TestCluster;
use vault::repository::Repository;

/// The size of the pages of relations in every test cluster.
pub const BLOCK_BYTES: u32 = 8192;

pub fn geometry(cluster: &TestCluster) -> WalGeometry {
    let bytes = cluster.sql_scalar("SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'");
    WalGeometry {
        version: cluster.version(),
        system_identifier: cluster.system_identifier(),
        segment_size: WalSegmentSize::new(bytes).unwrap(),
        block_size_bytes: 8192,
    }
}

/// Makes a checkpoint, and returns where a backup that made it would start.
pub fn checkpoint(cluster: &TestCluster) -> (TimelineId, Lsn) {
    cluster.sql("CHECKPOINT");
    last_checkpoint(cluster)
}

pub fn last_checkpoint(cluster: &TestCluster) -> (TimelineId, Lsn) {
    let timeline = cluster.sql_scalar("SELECT timeline_id FROM pg_control_checkpoint()");
    (TimelineId(timeline), cluster.sql_scalar("SELECT redo_lsn FROM pg_control_checkpoint()"))
}

pub fn range(from: (TimelineId, Lsn), to: (TimelineId, Lsn)) -> ChangeRange {
    ChangeRange { from_lsn: from.1, from_stop_lsn: from.1, from_timeline: from.0, to_lsn: to.1, to_timeline: to.0 }
}

/// Asks the way *wal*, with the server's files in `data_directory`.
pub fn ask(repository: &Repository, geometry: WalGeometry, range: &ChangeRange, data_directory: &Path) -> ChangeAnswer {
    ask_through(&LocalSource::new(data_directory), repository, geometry, range)
}

/// Asks the way *wal*, with the server's files as `source` gives them.
pub fn ask_through(
    source: &dyn Source,
    repository: &Repository,
    geometry: WalGeometry,
    range: &ChangeRange,
) -> ChangeAnswer {
    let mut reader = source.reader().unwrap();
    changes_from_wal(repository, geometry, BLOCK_BYTES, range, reader.as_mut(), &Cancel::new())
        .unwrap_or_else(|error| panic!("{} {error}", error.key()))
}

pub fn known(answer: ChangeAnswer) -> (BlockReferenceTable, ChangeDetail) {
    match answer {
        ChangeAnswer::Known { table, detail } => (table, detail),
        ChangeAnswer::Unknown(unknown) => panic!("{unknown:?}"),
    }
}

pub fn unknown(answer: ChangeAnswer) -> ChangesUnknown {
    match answer {
        ChangeAnswer::Unknown(unknown) => unknown,
        ChangeAnswer::Known { table, detail } => panic!("known: {} forks, {detail:?}", table.len()),
    }
}

/// Panics with the first entry in which two tables differ.
#[track_caller]
pub fn assert_same(what: &str, left: &BlockReferenceTable, right: &BlockReferenceTable) {
    for (key, entry) in left.entries() {
        let other = right.entry(key.locator, key.fork);
        assert!(other == Some(entry), "{what}: {key:?}: {entry:?} and {other:?}");
    }
    assert_eq!(left.len(), right.len(), "{what}");
}

/// Panics with the first entry in which two tables of the same log differ that were put together from other pieces. Which blocks
/// behind a limit are named depends on the pieces: what was cut off in the piece in which it was written is not, and what was cut
/// off later stays, when the fork had been shorter still.
#[track_caller]
pub fn assert_equivalent(what: &str, left: &BlockReferenceTable, right: &BlockReferenceTable) {
    for (key, entry) in left.entries() {
        let other = right.entry(key.locator, key.fork).unwrap_or_else(|| panic!("{what}: {key:?}"));
        let limit = entry.limit_block();
        assert_eq!(other.limit_block(), limit, "{what}: {key:?}");
        let within = 0..limit.unwrap_or(u32::MAX);
        assert!(
            entry.blocks_in(within.clone()).eq(other.blocks_in(within)),
            "{what}: {key:?}: {entry:?} and {other:?}"
        );
    }
    assert_eq!(left.len(), right.len(), "{what}");
}

/// Removes every summary of a repository in `folder`.
pub fn forget_summaries(folder: &Path) {
    let summaries = folder.join("wal/summaries");
    if summaries.exists() {
        std::fs::remove_dir_all(&summaries).unwrap_or_else(|error| panic!("{}: {error}", summaries.display()));
    }
}

/// Returns every summary of a repository in `folder`, by name.
pub fn summaries(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder.join("wal/summaries")) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some());
    paths.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())).collect()
}

//! Summaries of changed blocks under `wal/summaries/`, and stretches of segments.

mod wal_support;

use pgformat::block_reference::{BlockReferenceTable, SummaryFileName};
use pgformat::relation_file::{ForkNumber, RelFileLocator};
use pgformat::{Lsn, TimelineId};
use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use vault::repository::Repository;
use vault::storage::LocalFolder;
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::wal::{SealOutcome, WalArchive, WalArchiveError};
use wal_support::*;

fn name(timeline: u32, start: u64, end: u64) -> SummaryFileName {
    SummaryFileName { timeline: TimelineId(timeline), start_lsn: Lsn(start), end_lsn: Lsn(end) }
}

/// Of some megabytes' worth of blocks, so that it is read in several pieces.
fn table() -> BlockReferenceTable {
    let mut table = BlockReferenceTable::new();
    for rel_number in 1..200 {
        let locator = RelFileLocator { spc_oid: 1663, db_oid: 5, rel_number };
        (0..3000).for_each(|block| table.mark_block(locator, ForkNumber::Main, block * 7));
        table.set_limit_block(locator, ForkNumber::Vm, 0);
    }
    table
}

#[test]
fn summaries_come_back_and_are_listed_in_order() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    assert_eq!(archive.list_summaries().unwrap(), []);
    let (first, second, other) =
        (name(1, 0x100000, 0x200000), name(1, 0x200000, 0x300000), name(2, 0x100000, 0x180028));
    let table = table();
    for wanted in [other, second, first] {
        assert_eq!(archive.put_summary(wanted, &table).unwrap(), SealOutcome::Archived);
    }
    assert_eq!(archive.put_summary(first, &BlockReferenceTable::new()).unwrap(), SealOutcome::AlreadyThere);
    let path = folder.path().join("wal/summaries");
    for foreign in ["notes.txt", "000000010000000000200000000000000010000.summary", "x.summary"] {
        fs::write(path.join(foreign), "x").unwrap();
    }
    // Nothing, or less, is in these.
    for impossible in [name(1, 0x200000, 0x200000), name(1, 0x300000, 0x200000), name(0, 0x100000, 0x200000)] {
        fs::write(path.join(impossible.to_string()), "x").unwrap();
    }
    assert_eq!(archive.list_summaries().unwrap(), [first, second, other]);
    assert_eq!(archive.read_summary(first).unwrap(), Some(table), "what was there is kept");
    assert_eq!(archive.contents().unwrap().foreign, Vec::<String>::new());
    archive.remove_summary(first).unwrap();
    archive.remove_summary(first).unwrap();
    assert_eq!(archive.read_summary(first).unwrap(), None);
    assert_eq!(archive.list_summaries().unwrap(), [second, other]);
}

#[test]
fn every_damage_is_found_and_can_be_replaced() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let (wanted, table) = (name(1, 0x100000, 0x200000), table());
    archive.put_summary(wanted, &table).unwrap();
    let path = folder.path().join("wal/summaries").join(wanted.to_string());
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 300_000, "{}", whole.len());
    let mut damaged = vec![Vec::new(), whole[..whole.len() - 1].to_vec(), whole[..200_000].to_vec()];
    damaged.push([&whole[..], b"x"].concat());
    for at in [0, 5, 140_000, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        damaged.push(flipped);
    }
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(key(archive.read_summary(wanted)), "wal-unreadable", "{} bytes", bytes.len());
    }
    archive.replace_summary(wanted, &table).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_summary_is_wholly_there_or_not_at_all_whatever_call_fails() {
    let (table, wanted) = (table(), name(1, 0x100000, 0x200000));
    for mode in FaultMode::ALL {
        for at in 1.. {
            let folder = fast_folder();
            let sound = archive(folder.path(), 1);
            let faulty = Arc::new(FaultyStorage::new(Arc::new(LocalFolder::new(folder.path())), at, mode));
            let put = Repository::open(faulty.clone())
                .map_err(WalArchiveError::from)
                .and_then(|repository| WalArchive::open_for(&repository, geometry(1), TOOL))
                .and_then(|archive| archive.put_summary(wanted, &table));
            let seen = sound.read_summary(wanted).unwrap();
            assert!(seen.is_none() || seen.as_ref() == Some(&table), "{mode:?} at {at}");
            assert!(put.is_err() || seen.is_some(), "{mode:?} at {at}");
            if faulty.calls().len() < at {
                assert!(put.is_ok());
                break;
            }
        }
    }
}

fn collected(read: impl FnOnce(&mut dyn FnMut(&[u8]) -> ControlFlow<()>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    read(&mut |piece| {
        bytes.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    bytes
}

#[test]
fn stretches_of_a_segment_are_what_the_whole_has_there() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 4);
    let whole = whole_segment(*archive.geometry(), 9, 1);
    seal(&archive, segment(9), &whole).unwrap();
    let size = whole.len() as u64;
    for range in [
        0..size,
        0..1,
        5..5,
        1 << 20..2 << 20,
        (1 << 20) - 1..(1 << 20) + 1,
        3_000_000..size,
        17..size + 99,
        size..size + 1,
    ] {
        let wanted = &whole[(range.start.min(size)) as usize..range.end.min(size) as usize];
        let got = collected(|each| archive.read_sealed_range(segment(9), range.clone(), each).unwrap());
        assert!(got == wanted, "{range:?}: {} bytes", got.len());
    }
    let mut pieces = 0;
    let enough = archive.read_sealed_range(segment(9), 0..size, &mut |_| {
        pieces += 1;
        ControlFlow::Break(())
    });
    assert!(enough.is_ok() && pieces == 1);
    assert_eq!(key(archive.read_sealed_range(segment(8), 0..9, &mut |_| ControlFlow::Continue(()))), "wal-missing");

    let beginning = &whole[..whole.len() / 3];
    fs::write(
        folder
            .path()
            .join("wal/00000001")
            .join(format!("{}.partial", segment(10).file_name(archive.geometry().segment_size))),
        beginning,
    )
    .unwrap();
    for range in [0..size, 100..200, 1_000_000..1_100_000, size / 3 - 1..size, size - 1..size] {
        let end = (range.end as usize).min(beginning.len());
        let wanted = &beginning[(range.start as usize).min(end)..end];
        let got = collected(|each| archive.read_partial_range(segment(10), range.clone(), each).unwrap());
        assert!(got == wanted, "{range:?}: {} bytes", got.len());
    }
}

#[test]
fn a_stretch_is_checked_as_far_as_it_is_read() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 4);
    let whole = whole_segment(*archive.geometry(), 9, 1);
    seal(&archive, segment(9), &whole).unwrap();
    let path = folder
        .path()
        .join("wal/00000001")
        .join(format!("{}.zst", segment(9).file_name(archive.geometry().segment_size)));
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let read = |range| archive.read_sealed_range(segment(9), range, &mut |_| ControlFlow::Continue(()));
    assert_eq!(key(read(0..10)), "wal-damaged");
    read(1 << 20..4 << 20).unwrap();
}

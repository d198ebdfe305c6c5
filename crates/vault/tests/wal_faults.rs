//! A storage that fails at every step, in every way: nothing half is ever visible, and the next attempt succeeds.

mod wal_support;

use pgformat::TimelineId;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use vault::repository::Repository;
use vault::storage::LocalFolder;
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::wal::{SealOutcome, WalArchive, WalArchiveError};
use wal_support::*;

/// Does `work` on a storage that fails at call `at`; 0 never. Returns the calls that were made.
fn with_fault(
    folder: &Path,
    at: usize,
    mode: FaultMode,
    work: impl Fn(&WalArchive) -> Result<(), WalArchiveError>,
) -> (Vec<String>, Result<(), WalArchiveError>) {
    let faulty = Arc::new(FaultyStorage::new(Arc::new(LocalFolder::new(folder)), at, mode));
    let outcome = (|| {
        let repository = Repository::open(faulty.clone()).map_err(WalArchiveError::from)?;
        work(&WalArchive::open_for(&repository, geometry(4), TOOL)?)
    })();
    (faulty.calls(), outcome)
}

/// Runs `work` with a fault at each of its steps, and hands the folder over after each.
fn at_every_step(
    prepare: impl Fn(&Path),
    work: impl Fn(&WalArchive) -> Result<(), WalArchiveError>,
    check: impl Fn(&Path, &str, bool),
) {
    let folder = fast_folder();
    repository(folder.path());
    prepare(folder.path());
    let (calls, outcome) = with_fault(folder.path(), 0, FaultMode::Fail, &work);
    outcome.unwrap();
    assert!(calls.len() > 4, "{calls:?}");
    for mode in FaultMode::ALL {
        for at in 1..=calls.len() {
            let folder = fast_folder();
            repository(folder.path());
            prepare(folder.path());
            let (made, outcome) = with_fault(folder.path(), at, mode, &work);
            let when = format!("{mode:?} at call {at}, {}", made[at - 1]);
            check(folder.path(), &when, outcome.is_ok());
        }
    }
}

#[test]
fn a_fault_at_any_step_of_sealing_leaves_the_whole_segment_or_nothing() {
    let bytes = whole_segment(geometry(4), 9, 1);
    at_every_step(
        |_| (),
        |archive| seal(archive, segment(9), &bytes).map(|_| ()),
        |folder, when, succeeded| {
            let archive = archive(folder, 4);
            let there = archive.find(segment(9)).unwrap().is_some();
            assert!(there || !succeeded, "{when}");
            assert!(wal_files(folder).len() <= 1, "{when}: {:?}", wal_files(folder));
            let mut read = Vec::new();
            if there {
                archive.read_sealed(segment(9), &mut read).unwrap();
                assert!(read == bytes, "{when}");
            }
            let wanted = if there { SealOutcome::AlreadyThere } else { SealOutcome::Archived };
            assert_eq!(seal(&archive, segment(9), &bytes).unwrap(), wanted, "{when}");
            archive.read_sealed(segment(9), &mut read).unwrap();
            assert!(read == bytes, "{when}");
            assert_eq!(wal_files(folder).len(), 1, "{when}");
        },
    );
}

#[test]
fn a_fault_while_a_segment_is_compared_changes_nothing() {
    let bytes = whole_segment(geometry(4), 9, 1);
    let path = "wal/00000001/000000010000000000000009.zst";
    let sealed = fast_folder();
    seal(&archive(sealed.path(), 4), segment(9), &bytes).unwrap();
    let stored = fs::read(sealed.path().join(path)).unwrap();
    at_every_step(
        |folder| assert_eq!(seal(&archive(folder, 4), segment(9), &bytes).unwrap(), SealOutcome::Archived),
        |archive| seal(archive, segment(9), &bytes).map(|_| ()),
        |folder, when, _| {
            assert!(fs::read(folder.join(path)).unwrap() == stored, "{when}");
            assert_eq!(wal_files(folder), [path], "{when}");
        },
    );
}

#[test]
fn a_fault_at_any_step_of_bringing_a_partial_one_keeps_what_was_there() {
    let own = geometry(4);
    let mut crafter = WalCrafter::new(own, 9);
    commit(&mut crafter, 1);
    crafter.record_of(50_000);
    let before = crafter.bytes.clone();
    crafter.record_of(70_000);
    for bring_first in [true, false] {
        at_every_step(
            |folder| {
                let archive = archive(folder, 4);
                if bring_first {
                    archive.put_partial(segment(9), &before).unwrap();
                }
            },
            |archive| archive.put_partial(segment(9), &crafter.bytes).map(|_| ()),
            |folder, when, succeeded| {
                let archive = archive(folder, 4);
                let mut read = Vec::new();
                if bring_first || archive.find(segment(9)).unwrap().is_some() {
                    let end = archive.read_partial(segment(9), &mut read).unwrap();
                    let length = (end.0 - crafter.start.0) as usize;
                    assert!(length == before.len() || length == crafter.bytes.len(), "{when}: {length}");
                    assert!(read[..length] == crafter.bytes[..length], "{when}");
                    assert!(!succeeded || length == crafter.bytes.len(), "{when}");
                } else {
                    assert!(!succeeded, "{when}");
                }
                archive.put_partial(segment(9), &crafter.bytes).unwrap();
                let end = archive.read_partial(segment(9), &mut read).unwrap();
                assert_eq!(end, crafter.position(), "{when}");
                assert_eq!(wal_files(folder).len(), 1, "{when}");
            },
        );
    }
}

#[test]
fn a_fault_at_any_step_of_receiving_leaves_a_beginning_that_can_be_gone_on_with() {
    let bytes = whole_segment(geometry(4), 9, 1);
    let start = 9 * (4_u64 << 20);
    let receive = |archive: &WalArchive| {
        let mut partial = archive.open_partial(segment(9))?;
        let from = partial.valid_end()?;
        let mut at = (from.0 - start) as usize;
        while at < bytes.len() {
            let piece = &bytes[at..bytes.len().min(at + 1_000_000)];
            partial.write(pgformat::Lsn(start + at as u64), piece)?;
            partial.sync()?;
            at += piece.len();
        }
        let mut sealer = archive.seal(segment(9), 1, 2)?;
        sealer.write(&std::mem::take(&mut archive.open_partial(segment(9))?.read()?))?;
        sealer.finish()?;
        archive.remove_partial(segment(9))
    };
    at_every_step(
        |_| (),
        receive,
        |folder, when, succeeded| {
            let archive = archive(folder, 4);
            let mut read = Vec::new();
            // The receiver starts again: what is sealed is done; else it goes on from the last whole record.
            if archive.info(segment(9)).is_err() {
                assert!(!succeeded, "{when}");
                receive(&archive).unwrap_or_else(|error| panic!("{when}: {error}"));
            }
            archive.remove_partial(segment(9)).unwrap();
            archive.read_sealed(segment(9), &mut read).unwrap();
            assert!(read == bytes, "{when}");
            assert_eq!(wal_files(folder).len(), 1, "{when}");
        },
    );
}

#[test]
fn a_fault_at_any_step_of_keeping_a_history_leaves_the_whole_or_nothing() {
    let text = b"1\t0/5000128\tno recovery target specified\n";
    at_every_step(
        |_| (),
        |archive| archive.put_history(TimelineId(2), text).map(|_| ()),
        |folder, when, succeeded| {
            let archive = archive(folder, 4);
            let there = archive.history(TimelineId(2)).unwrap();
            assert!(there.is_none() && !succeeded || there.as_deref() == Some(text), "{when}");
            archive.put_history(TimelineId(2), text).unwrap();
            assert_eq!(wal_files(folder), ["wal/00000002/00000002.history"], "{when}");
        },
    );
}

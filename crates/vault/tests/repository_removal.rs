//! Backups go: what stands on others first, and whatever strikes in between, each is whole or gone.
#![allow(clippy::print_stdout, clippy::print_stderr)] // how often faults struck

mod repository_common;

use repository_common::*;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use vault::repository::*;
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::storage::{LockAttempt, LockHolder, Storage};

const NOON: &str = "2026-11-24T12:00:00";

fn ids(numbers: &[u64]) -> BTreeSet<BackupId> {
    numbers.iter().map(|number| BackupId(*number)).collect()
}

fn now() -> jiff::Timestamp {
    at(NOON).timestamp()
}

/// FULL 1, INCREMENTAL 2 and 3 in a row, FULL 4, and 5 that failed.
fn chains(folder: &Path) -> Repository {
    let repository = create(folder);
    for (kind, second) in
        [(BackupKind::Full, 0), (BackupKind::Incremental, 1), (BackupKind::Incremental, 1), (BackupKind::Full, 2)]
    {
        back_up(&repository, kind, &at(&format!("2026-11-24T12:00:0{second}")), &[second; 20_000]).unwrap();
    }
    let slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    let record = failed(&slot);
    slot.fail(&record).unwrap();
    repository
}

fn remove(repository: &Repository, numbers: &[u64]) -> Result<Vec<u64>, RepositoryError> {
    let mut slot = repository.begin_cleanup(now())?;
    let mut order = Vec::new();
    slot.remove(&ids(numbers), &mut |record| {
        order.push(record.id.0);
        ControlFlow::Continue(())
    })?;
    slot.finish()?;
    Ok(order)
}

/// What must hold whatever died: the rules of every repository, and no chain with a missing link.
fn assert_chains(folder: &Path, when: &str) -> RepositoryContents {
    let contents = assert_consistent(folder, when);
    for record in contents.records.iter().filter(|record| record.state == BackupState::Completed) {
        let base_is_there = |base: BackupId| contents.records.iter().any(|found| found.id == base);
        assert!(record.base_id.is_none_or(base_is_there), "{when}: {} has lost its base", record.id);
    }
    contents
}

fn present(contents: &RepositoryContents) -> Vec<u64> {
    contents.records.iter().map(|record| record.id.0).collect()
}

#[test]
fn what_stands_on_others_goes_before_them_and_nothing_else_goes() {
    let folder = fast_folder();
    let repository = chains(folder.path());
    let strangers = [
        "backups/full_20261124_120000.backup",
        "full/full_20261124_120000.backup.bak",
        "full/notes.txt",
        "removals.json.old",
    ];
    for stranger in strangers {
        let path = folder.path().join(stranger);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "ours").unwrap();
    }
    assert_eq!(remove(&repository, &[1, 2, 3, 5]).unwrap(), [5, 3, 2, 1]);
    for stranger in strangers {
        assert_eq!(std::fs::read(folder.path().join(stranger)).unwrap(), b"ours");
        std::fs::remove_file(folder.path().join(stranger)).unwrap();
    }
    assert_eq!(present(&assert_chains(folder.path(), "after it")), [4]);
    assert_swept(folder.path(), "after it");
    let next = back_up(&repository, BackupKind::Full, &at(NOON), b"next").unwrap();
    assert_eq!(next, BackupId(6), "no id is used again");
    assert_eq!(remove(&repository, &[]).unwrap(), [0; 0]);
}

#[test]
fn it_may_be_enough_and_the_others_stay_whole() {
    let folder = fast_folder();
    let repository = chains(folder.path());
    let mut slot = repository.begin_cleanup(now()).unwrap();
    slot.remove(&ids(&[1, 2, 3]), &mut |_| ControlFlow::Break(())).unwrap();
    drop(slot);
    assert_eq!(present(&assert_chains(folder.path(), "after it")), [1, 2, 4, 5]);
    assert_swept(folder.path(), "after it");
}

#[test]
fn what_is_needed_or_in_doubt_is_refused_whole() {
    let folder = fast_folder();
    let repository = chains(folder.path());
    let refused = |numbers: &[u64], wanted: &str| {
        let before = files(folder.path());
        match remove(&repository, numbers) {
            Err(RepositoryError::RepositoryRemovalRefused { id, detail }) => {
                assert!(detail.contains(wanted), "{detail}");
                assert_eq!(files(folder.path()), before);
                id
            }
            other => panic!("{numbers:?}: {other:?}"),
        }
    };
    assert_eq!(refused(&[1], "backup 2 stands on it"), "1");
    assert_eq!(refused(&[1, 2], "backup 3 stands on it"), "2");
    assert!(matches!(remove(&repository, &[9]), Err(RepositoryError::RepositoryNoBackup { id }) if id == "9"));

    // An archive beside a record of a failed one may be all that is left of somebody's backup.
    let orphan = folder.path().join("full/full_20261124_120000_2.backup");
    std::fs::write(&orphan, "orphan").unwrap();
    assert_eq!(refused(&[5], "no record vouches for"), "5");
    std::fs::remove_file(orphan).unwrap();

    // A record of a newer program may be of a backup that stands on any older one.
    let newer = folder.path().join("incremental/inc_20261124_130000.json");
    std::fs::write(&newer, r#"{"record_version": 2, "id": 4}"#).unwrap();
    assert_eq!(refused(&[1, 2, 3], "may be of a backup that stands on it"), "3");
    assert_eq!(remove(&repository, &[4]).unwrap(), [4], "it is older than what has its id");
    std::fs::write(&newer, "no JSON at all").unwrap();
    assert_eq!(refused(&[1, 2, 3], "may be of a backup that stands on it"), "3");
    std::fs::remove_file(newer).unwrap();
    // A FULL stands on nothing, and nothing on a failed one.
    std::fs::write(folder.path().join("full/full_20261124_130000.json"), "no JSON at all").unwrap();
    assert_eq!(remove(&repository, &[1, 2, 3, 5]).unwrap(), [5, 3, 2, 1]);
}

#[test]
fn a_backup_and_a_cleanup_exclude_one_another_and_each_is_told_which_runs() {
    let folder = fast_folder();
    let repository = chains(folder.path());
    let busy = |error: Option<RepositoryError>| match error {
        Some(RepositoryError::RepositoryBusy { work, name, pid, .. }) => {
            assert_eq!(pid, std::process::id());
            (work, name)
        }
        other => panic!("{other:?}"),
    };
    let cleanup = repository.begin_cleanup(now()).unwrap();
    let contents = repository.contents().unwrap();
    let cleaning = contents.cleaning.unwrap();
    assert_eq!((cleaning.work, cleaning.pid, cleaning.started_at), (RunningWork::Cleanup, std::process::id(), now()));
    assert_eq!((contents.running, contents.interrupted), (None, None));
    let (work, name) = busy(repository.begin_backup(BackupKind::Full, &at(NOON)).err());
    assert_eq!((work, name.as_str()), ("cleanup", "cadena cleanup"));
    assert_eq!(busy(repository.begin_cleanup(now()).err()).0, "cleanup");
    drop(cleanup);
    assert_eq!(repository.contents().unwrap().cleaning, None);

    let slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    let (work, name) = busy(repository.begin_cleanup(now()).err());
    assert_eq!((work, name), ("backup", slot.name().archive_file_name()));
    drop(slot);
}

#[test]
fn what_died_within_a_removal_is_finished_by_the_next_one_and_only_that() {
    for by_backup in [true, false] {
        let folder = fast_folder();
        let repository = chains(folder.path());
        // It had come to the record of 3, not to its archive; 2 was next.
        let record_of = |number: usize| folder.path().join(format!("incremental/inc_20261124_12000{number}.json"));
        let content = std::fs::read(record_of(1)).unwrap();
        let third = folder.path().join("incremental/inc_20261124_120001_2.json");
        let removals = r#"{"removing": [
            {"id": 3, "kind": "INCREMENTAL", "archive_name": "inc_20261124_120001_2.backup"},
            {"id": 2, "kind": "INCREMENTAL", "archive_name": "inc_20261124_120001.backup"},
            {"id": 1, "kind": "INCREMENTAL", "archive_name": "full_20261124_120000.backup"},
            {"id": 1, "kind": "FULL", "archive_name": "../full/full_20261124_120000.backup"}]}"#;
        std::fs::write(folder.path().join(REMOVALS_KEY), removals).unwrap();
        std::fs::remove_file(third).unwrap();
        let contents = assert_chains(folder.path(), "before it");
        assert_eq!(present(&contents), [1, 2, 4, 5]);

        if by_backup {
            drop(repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap());
        } else {
            let slot = repository.begin_cleanup(now()).unwrap();
            assert_eq!(slot.finished().iter().map(|removed| removed.id.0).collect::<Vec<_>>(), [3]);
            slot.finish().unwrap();
        }
        assert_eq!(std::fs::read(record_of(1)).unwrap(), content, "its record is there, so it is whole and stays");
        assert_swept(folder.path(), "after it");
        assert!(!files(folder.path()).iter().any(|file| file.contains("120001_2")));
    }
}

#[test]
fn a_list_of_removals_that_cant_be_read_names_nobody() {
    let folder = fast_folder();
    let repository = chains(folder.path());
    std::fs::remove_file(folder.path().join("incremental/inc_20261124_120001_2.json")).unwrap();
    std::fs::write(folder.path().join(REMOVALS_KEY), "{\"removing\": [{").unwrap();
    let orphan = ["incremental/inc_20261124_120001_2.backup".to_owned()];
    assert_eq!(repository.contents().unwrap().orphan_archives, orphan);
    drop(repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap());
    assert_eq!(repository.contents().unwrap().orphan_archives, orphan, "reported, never removed");
}

#[test]
fn a_cleanup_sweeps_up_after_a_backup_that_died() {
    let folder = fast_folder();
    let repository = chains(folder.path());
    let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    write_archive(&mut slot, &[2; 300_000]).unwrap().commit().unwrap();
    let (id, name) = (slot.id(), slot.name().clone());
    let LockHolder::Alive(text) = repository.storage().lock_holder(LOCK_KEY).unwrap() else { panic!("no holder") };
    let archive = std::fs::read(folder.path().join(archive_key(&name))).unwrap();
    drop(slot);
    std::fs::remove_file(folder.path().join(record_key(&name))).unwrap();
    std::fs::write(folder.path().join(archive_key(&name)), archive).unwrap();
    match repository.storage().try_lock(LOCK_KEY, &|_| text.clone()).unwrap() {
        LockAttempt::Acquired { guard, .. } => drop(guard),
        LockAttempt::Held { .. } => panic!("held"),
    }
    assert!(repository.contents().unwrap().interrupted.is_some());
    let slot = repository.begin_cleanup(now()).unwrap();
    assert_eq!(repository.contents().unwrap().interrupted, None);
    slot.finish().unwrap();
    assert_eq!(repository.record(id).unwrap().state, BackupState::Failed);
    assert_swept(folder.path(), "after it");
}

#[test]
fn who_reads_meanwhile_sees_whole_backups_and_no_orphans() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let (mut readings, mut within) = (0, 0);
    // As many rounds as a busy machine needs until the reader has met enough removals.
    for round in 0..60_u64 {
        if round >= 12 && within > 10 {
            break;
        }
        let first = round * 31 + 1;
        for place in 0..30 {
            let kind = if place == 0 { BackupKind::Full } else { BackupKind::Incremental };
            let second = at(&format!("2026-11-24T12:{round:02}:{place:02}"));
            assert_eq!(back_up(&repository, kind, &second, &[7; 3_000]).unwrap(), BackupId(first + place));
        }
        back_up(&repository, BackupKind::Full, &at("2026-11-24T13:00:00"), b"stays").unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut counts = Vec::new();
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let contents = reopen(folder.path()).contents().unwrap();
                    assert_eq!(contents.orphan_archives, [""; 0]);
                    assert_eq!((contents.without_archive.len(), contents.unreadable.len()), (0, 0));
                    for record in &contents.records {
                        let base =
                            record.base_id.filter(|base| !contents.records.iter().any(|found| found.id == *base));
                        assert_eq!(base, None, "{} has lost its base", record.id);
                    }
                    counts.push(contents.records.len() as u64 - round);
                }
                counts
            });
            let numbers: Vec<u64> = (first..first + 30).collect();
            remove(&repository, &numbers).unwrap();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            let counts = reader.join().unwrap();
            readings += counts.len();
            within += counts.iter().filter(|count| (2..31).contains(*count)).count();
        });
    }
    println!("{readings} readings, {within} in the middle of a removal");
    assert!(within > 10, "only {within} of {readings} readings fell into a removal");
}

#[test]
fn a_failure_or_a_death_at_any_step_leaves_every_backup_whole_or_gone() {
    let mut struck = 0;
    for mode in FaultMode::ALL {
        for number in 1.. {
            let folder = fast_folder();
            drop(chains(folder.path()));
            let faulty = Arc::new(FaultyStorage::new(local(folder.path()), number, mode));
            let opened = Repository::open(Arc::clone(&faulty) as Arc<dyn Storage>);
            let outcome = opened.and_then(|repository| remove(&repository, &[1, 2, 3, 5]));
            let calls = faulty.calls();
            let Some(call) = calls.get(number - 1) else {
                assert_eq!(outcome.unwrap(), [5, 3, 2, 1]);
                break;
            };
            struck += 1;
            let when = format!("{mode:?} at call {number}, {call}");
            drop(faulty);
            let left = present(&assert_chains(folder.path(), &when));
            assert!(
                [&[1, 2, 3, 4, 5][..], &[1, 2, 3, 4], &[1, 2, 4], &[1, 4], &[4]].contains(&&left[..]),
                "{when}: {left:?}"
            );

            let repository = reopen(folder.path());
            drop(repository.begin_cleanup(now()).unwrap());
            assert_swept(folder.path(), &when);
            assert_eq!(present(&assert_chains(folder.path(), &when)), left, "{when}: only what had begun was finished");
            let rest: Vec<u64> = left.into_iter().filter(|number| *number != 4).collect();
            remove(&repository, &rest).unwrap();
            assert_eq!(present(&assert_chains(folder.path(), &when)), [4], "{when}");
            assert_swept(folder.path(), &when);
        }
    }
    println!("{struck} faults");
    assert!(struck > 100, "only {struck} faults struck");
}

//! A failure at every single step between the beginning and the end of a backup, and a disk that is really full.
#![allow(clippy::print_stdout, clippy::print_stderr)] // how often faults struck, seeds, what was skipped

mod repository_common;

use repository_common::*;
use std::path::Path;
use std::sync::Arc;
use vault::repository::*;
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::storage::{LockAttempt, LockGuard, LockHolder, Storage, StorageError};

const NOON: &str = "2026-11-24T12:00:00";

/// Makes the state in which the faults strike, and returns the ids that must survive.
type Scene = fn(&Path) -> Vec<BackupId>;
/// What is attempted on the faulty storage.
type Attempt = fn(&Repository) -> Result<BackupId, RepositoryError>;

fn with_one_backup(folder: &Path) -> Vec<BackupId> {
    vec![back_up(&create(folder), BackupKind::Full, &at(NOON), b"kept").unwrap()]
}

/// A process that died when its archive had its name and its record had not, after another had died half-way through.
fn after_two_deaths(folder: &Path) -> Vec<BackupId> {
    let kept = with_one_backup(folder);
    let repository = reopen(folder);
    let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    let stream = write_archive(&mut slot, &[2; 300_000]).unwrap();
    stream.commit().unwrap();
    let LockHolder::Alive(text) = repository.storage().lock_holder(LOCK_KEY).unwrap() else { panic!("no holder") };
    let archive = folder.join(archive_key(slot.name()));
    let record = folder.join(record_key(slot.name()));
    let content = std::fs::read(&archive).unwrap();
    drop(slot);
    std::fs::remove_file(record).unwrap();
    std::fs::write(archive, content).unwrap();
    let partial = "full/.full_20261124_120000_2.backup.00112233aabbccdd.cadena-partial";
    std::fs::write(folder.join(partial), "half").unwrap();
    match repository.storage().try_lock(LOCK_KEY, &|_| text.clone()).unwrap() {
        LockAttempt::Acquired { guard, .. } => drop(guard),
        LockAttempt::Held { .. } => panic!("held"),
    }
    assert!(repository.contents().unwrap().interrupted.is_some());
    kept
}

fn back_up_whole(repository: &Repository) -> Result<BackupId, RepositoryError> {
    back_up(repository, BackupKind::Full, &at(NOON), &[7; 45_000])
}

fn give_up(repository: &Repository) -> Result<BackupId, RepositoryError> {
    let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON))?;
    let (id, record) = (slot.id(), failed(&slot));
    drop(write_archive(&mut slot, &[7; 45_000])?);
    slot.fail(&record)?;
    Ok(id)
}

fn drop_the_slot(repository: &Repository) -> Result<BackupId, RepositoryError> {
    let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON))?;
    let id = slot.id();
    write_archive(&mut slot, &[7; 45_000])?;
    Ok(id)
}

/// Lets every call fail once, in every way, and checks the rules after each.
fn strike_everywhere(scene: Scene, attempt: Attempt, completes: bool) {
    let mut struck = 0;
    for mode in FaultMode::ALL {
        for number in 1.. {
            let folder = fast_folder();
            let kept = scene(folder.path());
            let faulty = Arc::new(FaultyStorage::new(local(folder.path()), number, mode));
            let opened = Repository::open(Arc::clone(&faulty) as Arc<dyn Storage>);
            let outcome = opened.and_then(|repository| attempt(&repository));
            let calls = faulty.calls();
            let Some(call) = calls.get(number - 1) else {
                outcome.unwrap();
                break;
            };
            struck += 1;
            let when = format!("{mode:?} at call {number}, {call}");

            // Right after the fault, seen by a reader that knows nothing of it.
            let contents = assert_consistent(folder.path(), &when);
            assert_eq!(contents.running, None, "{when}: the lock is not free");
            let completed = |contents: &RepositoryContents| -> Vec<BackupId> {
                let completed = contents.records.iter().filter(|record| record.state == BackupState::Completed);
                completed.map(|record| record.id).collect()
            };
            let mut wanted = kept.clone();
            match &outcome {
                Ok(id) if completes => wanted.push(*id),
                // A process that dies after its record is there never says that it was.
                Err(_) if mode.is_death() && completed(&contents).len() > kept.len() => {
                    assert!(call.starts_with("put_if_absent full/") || call.starts_with("release"), "{when}");
                    wanted.push(*completed(&contents).last().unwrap());
                }
                _ => {}
            }
            assert_eq!(completed(&contents), wanted, "{when}: {outcome:?}");
            if !mode.is_death() && outcome.is_ok() && completes {
                assert_eq!(contents.interrupted, None, "{when}");
            }

            // The next backup, on a sound storage, finds its way and leaves nothing of the dead.
            let repository = reopen(folder.path());
            let next = back_up(&repository, BackupKind::Full, &at(NOON), b"next").unwrap();
            assert_swept(folder.path(), &when);
            let after = repository.contents().unwrap();
            assert!(after.records.iter().all(|record| record.id <= next), "{when}: an id below an older one");
            wanted.push(next);
            assert_eq!(completed(&after), wanted, "{when}");
            for seen in contents.records {
                assert!(after.records.contains(&seen), "{when}: record {} changed", seen.id);
            }
            if let Some(dead) = contents.interrupted {
                let record = after.records.iter().find(|record| record.id == dead.id).unwrap();
                assert_eq!(record.state, BackupState::Failed, "{when}");
                assert_eq!(record.error.as_ref().unwrap()["key"], "backup-interrupted", "{when}");
            }
        }
    }
    println!("{struck} faults struck");
    assert!(struck > 60, "only {struck} faults struck");
}

#[test]
fn a_fault_at_any_step_of_a_backup_leaves_the_repository_consistent() {
    strike_everywhere(with_one_backup, back_up_whole, true);
}

#[test]
fn a_fault_at_any_step_of_a_backup_that_sweeps_after_the_dead_loses_no_left_over() {
    strike_everywhere(after_two_deaths, back_up_whole, true);
}

#[test]
fn a_fault_at_any_step_of_giving_up_leaves_the_repository_consistent() {
    strike_everywhere(with_one_backup, give_up, false);
}

#[test]
fn a_fault_at_any_step_of_a_dropped_slot_leaves_the_repository_consistent() {
    strike_everywhere(with_one_backup, drop_the_slot, false);
}

#[test]
fn a_full_disk_that_stays_full_frees_the_lock_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    with_one_backup(folder.path());
    let calls = {
        let counting = Arc::new(FaultyStorage::new(local(folder.path()), 0, FaultMode::Fail));
        back_up_whole(&Repository::open(Arc::clone(&counting) as Arc<dyn Storage>).unwrap()).unwrap();
        counting.calls()
    };
    let first_write = calls.iter().position(|call| call.starts_with("write ")).unwrap() + 1;
    let faulty = Arc::new(FaultyStorage::new(local(folder.path()), first_write, FaultMode::StaysFull));
    let repository = Repository::open(faulty as Arc<dyn Storage>).unwrap();
    let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    let (id, record) = (slot.id(), failed(&slot));
    let refusal = write_archive(&mut slot, &[1; 50_000]).err().unwrap();
    assert!(matches!(refusal, RepositoryError::Storage(StorageError::StorageFull { .. })), "{refusal:?}");
    // Not even the record fits: that is said, and the lock is free.
    let refusal = slot.fail(&record).unwrap_err();
    assert!(matches!(refusal, RepositoryError::Storage(StorageError::StorageFull { .. })), "{refusal:?}");
    let contents = assert_consistent(folder.path(), "on the full disk");
    assert_eq!(contents.running, None);
    assert_eq!(contents.interrupted.unwrap().id, id);
    // With room again, the next backup writes it.
    back_up_whole(&reopen(folder.path())).unwrap();
    assert_swept(folder.path(), "with room again");
    assert_eq!(reopen(folder.path()).record(id).unwrap().state, BackupState::Failed);
}

#[cfg(target_os = "linux")]
mod full_tmpfs {
    use super::*;
    use std::process::Command;

    /// A small file system of its own; unmounted at the end.
    struct Tmpfs(tempfile::TempDir);

    impl Tmpfs {
        fn mount(size: &str) -> Option<Self> {
            let folder = tempfile::tempdir().unwrap();
            let options = format!("size={size}");
            let mounted =
                Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
            match mounted {
                Ok(output) if output.status.success() => Some(Tmpfs(folder)),
                other => {
                    assert!(
                        std::env::var_os("CADENA_TEST_REQUIRE_SERVERS").is_none_or(|value| value != "1"),
                        "a tmpfs can't be mounted: {other:?}"
                    );
                    eprintln!("SKIPPED for want of the right to mount a tmpfs: {other:?}");
                    None
                }
            }
        }
    }

    impl Drop for Tmpfs {
        fn drop(&mut self) {
            let unmounted = Command::new("umount").arg(self.0.path()).status();
            assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.path().display());
        }
    }

    #[test]
    fn a_disk_that_fills_up_during_a_backup_fails_it_and_nothing_else() {
        let Some(disk) = Tmpfs::mount("4m") else { return };
        let root = disk.0.path().join("backups");
        let repository = create(&root);
        let kept = back_up(&repository, BackupKind::Full, &at(NOON), &[1; 500_000]).unwrap();
        for _ in 0..3 {
            let refusal = back_up(&repository, BackupKind::Full, &at(NOON), &vec![2; 6_000_000]).unwrap_err();
            assert!(matches!(refusal, RepositoryError::Storage(StorageError::StorageFull { .. })), "{refusal:?}");
            assert_swept(&root, "after the full disk");
        }
        let contents = repository.contents().unwrap();
        let states: Vec<_> = contents.records.iter().map(|record| record.state).collect();
        let failed = BackupState::Failed;
        assert_eq!(states, [BackupState::Completed, failed, failed, failed]);
        assert_eq!(repository.latest().unwrap().id, kept);

        // Somebody else fills the disk to the last byte: a backup can't even begin, and says why.
        let filler = root.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write(&mut file, &[3; 4096]).is_ok_and(|written| written > 0) {}
        let refusal = repository.begin_backup(BackupKind::Full, &at(NOON)).err().unwrap();
        assert!(matches!(refusal, RepositoryError::Storage(StorageError::StorageFull { .. })), "{refusal:?}");
        assert_eq!(repository.latest().unwrap().id, kept);
        assert!(partials(&root).is_empty());
        drop(file);
        std::fs::remove_file(&filler).unwrap();
        back_up(&repository, BackupKind::Full, &at(NOON), &[4; 500_000]).unwrap();
        assert_swept(&root, "with room again");
    }

    #[test]
    fn the_last_gathered_bytes_and_the_fsync_meet_a_full_disk_too() {
        // The whole stream fits into the gathering buffer, so only the commit writes.
        let Some(disk) = Tmpfs::mount("1m") else { return };
        let root = disk.0.path().join("backups");
        let repository = create(&root);
        let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
        let content = vec![5; 200_000];
        let (record, sealed) = (completed(&slot, &content), sealed(&content));
        let stream = write_archive(&mut slot, &content).unwrap();
        let filler = root.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write(&mut file, &[3; 4096]).is_ok_and(|written| written > 0) {}
        let refusal = slot.commit(stream, &sealed, &record).unwrap_err();
        assert!(matches!(refusal, RepositoryError::Storage(StorageError::StorageFull { .. })), "{refusal:?}");
        drop(file);
        std::fs::remove_file(&filler).unwrap();
        assert_consistent(&root, "after the full disk");
        back_up(&repository, BackupKind::Full, &at(NOON), b"next").unwrap();
        assert_swept(&root, "with room again");
    }
}

#[test]
fn a_guard_survives_its_storage_and_frees_the_lock_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let guard: Box<dyn LockGuard> = match local(folder.path()).try_lock(LOCK_KEY, &|_| b"x".to_vec()).unwrap() {
        LockAttempt::Acquired { guard, .. } => guard,
        LockAttempt::Held { .. } => panic!("held"),
    };
    assert_eq!(local(folder.path()).lock_holder(LOCK_KEY).unwrap(), LockHolder::Alive(b"x".to_vec()));
    drop(guard);
    assert_eq!(local(folder.path()).lock_holder(LOCK_KEY).unwrap(), LockHolder::Dead(b"x".to_vec()));
}

//! A backup's whole way through the repository, and what each ending leaves.

mod repository_common;

use repository_common::*;
use std::fs;
use vault::repository::*;
use vault::storage::{LockAttempt, LockHolder, StorageError};

const NOON: &str = "2026-11-24T12:00:00";

#[test]
fn a_repository_is_made_once_and_opened_often() {
    let folder = fast_folder();
    let root = folder.path().join("backups");
    assert!(matches!(Repository::open(local(&root)), Err(RepositoryError::RepositoryAbsent { .. })));
    assert!(!root.exists(), "opening made the folder");

    create(&root);
    let before = fs::read(root.join("cadena.json")).unwrap();
    let mut again = description();
    again.created_by = "cadena 9.9.9".to_owned();
    assert_eq!(Repository::create(local(&root), &again).unwrap().description(), &description());
    assert_eq!(fs::read(root.join("cadena.json")).unwrap(), before);
    assert_eq!(reopen(&root).description(), &description());
}

#[test]
fn refuses_the_repository_of_another_cluster() {
    let folder = fast_folder();
    create(folder.path());
    let mut foreign = description();
    foreign.system_identifier = pgformat::SystemIdentifier(1);
    match Repository::create(local(folder.path()), &foreign) {
        Err(RepositoryError::RepositoryForeign { found, wanted, .. }) => {
            assert_eq!((found, wanted), (SYSTEM_IDENTIFIER.to_string(), "1".to_owned()));
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn refuses_descriptions_that_it_does_not_understand() {
    let folder = fast_folder();
    let open = |content: &str| {
        fs::write(folder.path().join("cadena.json"), content).unwrap();
        Repository::open(local(folder.path())).err()
    };
    let newer = open(r#"{"format_version": 3, "shape": "unknown"}"#);
    assert!(matches!(newer, Some(RepositoryError::RepositoryNewer { found: 3, supported: 2, .. })), "{newer:?}");
    for broken in
        ["", "{", "[]", "{}", r#"{"format_version": 1}"#, r#"{"format_version": 0}"#, r#"{"format_version": "1"}"#]
    {
        let error = open(broken);
        assert!(matches!(error, Some(RepositoryError::RepositoryUnreadable { .. })), "{broken}: {error:?}");
    }
    // A field that a later program adds within the version is no obstacle.
    let mut value = serde_json::to_value(description()).unwrap();
    value["later"] = true.into();
    assert!(open(&value.to_string()).is_none());
}

#[test]
fn a_backup_is_invisible_until_its_record_is_there() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    assert_eq!(slot.id(), BackupId(1));
    assert_eq!(archive_key(slot.name()), "full/full_20261124_120000.backup");
    let record = completed(&slot, b"content");
    let stream = write_archive(&mut slot, b"content").unwrap();

    let contents = reopen(folder.path()).contents().unwrap();
    assert!(contents.records.is_empty() && contents.orphan_archives.is_empty());
    let running = contents.running.unwrap();
    assert_eq!((running.id, running.kind), (BackupId(1), BackupKind::Full));
    assert_eq!(running.archive_name, "full_20261124_120000.backup");
    assert_eq!((running.pid, running.started_at), (std::process::id(), at(NOON).timestamp()));
    assert!(!running.host.is_empty() && running.tool_version.starts_with("cadena "));
    assert!(matches!(repository.latest(), Err(RepositoryError::RepositoryEmpty {})));

    slot.commit(stream, &sealed(b"content"), &record).unwrap();
    let contents = assert_consistent(folder.path(), "after the commit");
    assert_eq!(contents.records, std::slice::from_ref(&record));
    assert_eq!((contents.running, contents.interrupted), (None, None));
    assert_eq!(repository.latest().unwrap(), record);
    assert_eq!(repository.record(BackupId(1)).unwrap(), record);
    assert!(matches!(repository.record(BackupId(2)), Err(RepositoryError::RepositoryNoBackup { id }) if id == "2"));
    assert_swept(folder.path(), "after the commit");
}

#[test]
fn only_one_backup_runs_and_the_other_is_told_which() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let slot = repository.begin_backup(BackupKind::Incremental, &at(NOON)).unwrap();
    let refusal = repository.begin_backup(BackupKind::Full, &at(NOON)).err().unwrap();
    match &refusal {
        RepositoryError::RepositoryBusy { work, name, pid, host, since } => {
            assert_eq!(*work, "backup");
            assert_eq!(name, "inc_20261124_120000.backup");
            assert_eq!(*pid, std::process::id());
            assert!(!host.is_empty());
            assert_eq!(since, "2026-11-24T18:00:00Z");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(serde_json::to_value(&refusal).unwrap()["key"], "repository-busy");
    drop(slot);
    drop(repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap());
}

#[test]
fn a_failed_backup_leaves_its_record_and_nothing_else() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    let mut record = failed(&slot);
    // Whatever the engine had counted so far: there is no archive.
    record.archive_bytes = 12;
    record.sha256 = Some(sealed(b"").sha256);
    drop(write_archive(&mut slot, &[1; 700_000]).unwrap());
    slot.fail(&record).unwrap();
    assert_swept(folder.path(), "after the failure");
    let contents = repository.contents().unwrap();
    assert_eq!(contents.records.len(), 1);
    assert_eq!(contents.records[0].error, record.error);
    assert_eq!((contents.records[0].archive_bytes, &contents.records[0].sha256), (0, &None));
    assert!(matches!(
        repository.open_archive_object(&contents.records[0]),
        Err(RepositoryError::RepositoryNotCompleted { state, .. }) if state == "FALLIDO"
    ));
    assert!(matches!(repository.latest(), Err(RepositoryError::RepositoryEmpty {})));
    assert_eq!(back_up(&repository, BackupKind::Full, &at(NOON), b"next").unwrap(), BackupId(2));
}

#[test]
fn a_slot_that_is_dropped_sweeps_and_frees() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
        let _stream = write_archive(&mut slot, &[1; 700_000]).unwrap();
        panic!("the engine panicked");
    }));
    assert!(panicked.is_err());
    assert_swept(folder.path(), "after the panic");
    let record = repository.record(BackupId(1)).unwrap();
    assert_eq!(record.state, BackupState::Failed);
    assert_eq!(record.error.unwrap()["key"], "backup-interrupted");
    assert_eq!(repository.storage().lock_holder(LOCK_KEY).unwrap(), LockHolder::Nobody);
}

#[test]
fn a_commit_with_a_wrong_record_is_refused_and_leaves_a_failed_backup() {
    type Spoil = fn(&mut BackupRecord);
    let spoils: &[(&str, Spoil)] = &[
        ("another id", |record| record.id = BackupId(99)),
        ("another name", |record| record.archive_name = "full_20200101_000000.backup".to_owned()),
        ("another kind", |record| record.kind = BackupKind::Incremental),
        ("another size", |record| record.archive_bytes += 1),
        ("another digest", |record| record.sha256 = Some(sealed(b"other").sha256)),
        ("no digest", |record| record.sha256 = None),
        ("a failed state", |record| record.state = BackupState::Failed),
        ("another cluster", |record| record.system_identifier = pgformat::SystemIdentifier(1)),
        ("no stop LSN", |record| record.stop_lsn = None),
        ("LSNs in the wrong order", |record| record.stop_lsn = Some(pgformat::Lsn(1))),
        ("a base of a FULL", |record| record.base_id = Some(BackupId(1))),
        ("no end", |record| record.finished_at = None),
    ];
    let folder = fast_folder();
    let repository = create(folder.path());
    for (number, (what, spoil)) in spoils.iter().enumerate() {
        let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
        let mut record = completed(&slot, b"content");
        spoil(&mut record);
        let stream = write_archive(&mut slot, b"content").unwrap();
        let refusal = slot.commit(stream, &sealed(b"content"), &record).unwrap_err();
        assert!(matches!(refusal, RepositoryError::RepositoryRecordInvalid { .. }), "{what}: {refusal:?}");
        assert_swept(folder.path(), what);
        let left = repository.record(BackupId(number as u64 + 1)).unwrap();
        assert_eq!(left.state, BackupState::Failed, "{what}");
        assert_eq!(left.error.unwrap()["key"], "repository-record-invalid", "{what}");
    }
}

#[test]
fn two_backups_in_one_second_and_a_clock_set_back_never_meet() {
    let folder = fast_folder();
    let repository = create(folder.path());
    for time in [NOON, NOON, "2026-11-24T11:00:00", NOON, "1999-12-31T23:59:59"] {
        back_up(&repository, BackupKind::Full, &at(time), time.as_bytes()).unwrap();
    }
    let contents = assert_consistent(folder.path(), "after five backups");
    let names: Vec<_> = contents.records.iter().map(|record| (record.id.0, record.archive_name.as_str())).collect();
    assert_eq!(
        names,
        [
            (1, "full_20261124_120000.backup"),
            (2, "full_20261124_120000_2.backup"),
            (3, "full_20261124_110000.backup"),
            (4, "full_20261124_120000_3.backup"),
            (5, "full_19991231_235959.backup"),
        ]
    );
    // The newest is the last one made, whatever the clock said.
    assert_eq!(repository.latest().unwrap().id, BackupId(5));
}

#[test]
fn a_name_is_taken_by_any_file_of_its_stem() {
    let folder = fast_folder();
    let repository = create(folder.path());
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/full_20261124_120000.backup.copy"), "mine").unwrap();
    fs::write(folder.path().join("full/full_20261124_120000_2"), "mine").unwrap();
    fs::create_dir(folder.path().join("full/full_20261124_120000_3")).unwrap();
    fs::write(folder.path().join("full/full_20261124_120000_3/x"), "mine").unwrap();
    fs::write(folder.path().join("full/full_20261124_120000_40.json"), "mine").unwrap();
    back_up(&repository, BackupKind::Full, &at(NOON), b"x").unwrap();
    assert!(repository.latest().unwrap_err().to_string().contains("_40.json"));
    assert_eq!(repository.record(BackupId(1)).unwrap().archive_name, "full_20261124_120000_4.backup");
}

#[test]
fn ids_are_never_used_again() {
    let folder = fast_folder();
    let repository = create(folder.path());
    for expected in 1..=3 {
        assert_eq!(back_up(&repository, BackupKind::Full, &at(NOON), b"x").unwrap(), BackupId(expected));
    }
    // All records deleted: the sequence remembers.
    fs::remove_dir_all(folder.path().join("full")).unwrap();
    assert_eq!(back_up(&repository, BackupKind::Full, &at(NOON), b"x").unwrap(), BackupId(4));
    // The sequence deleted or set back: the records remember, even those that can't be read.
    fs::remove_file(folder.path().join("sequence.json")).unwrap();
    assert_eq!(back_up(&repository, BackupKind::Full, &at(NOON), b"x").unwrap(), BackupId(5));
    fs::write(folder.path().join("sequence.json"), r#"{"last_backup_id": 2}"#).unwrap();
    fs::write(folder.path().join("full/full_20300101_000000.json"), r#"{"record_version": 7, "id": 41}"#).unwrap();
    assert_eq!(back_up(&repository, BackupKind::Full, &at(NOON), b"x").unwrap(), BackupId(42));
    // A slot that was begun and given up used its id up.
    drop(repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap());
    assert_eq!(back_up(&repository, BackupKind::Full, &at(NOON), b"x").unwrap(), BackupId(44));
    // An id that no program could keep is no claim.
    fs::write(
        folder.path().join("full/full_20300101_000001.json"),
        format!(r#"{{"record_version": 7, "id": {}}}"#, u64::MAX),
    )
    .unwrap();
    assert_eq!(back_up(&repository, BackupKind::Full, &at(NOON), b"x").unwrap(), BackupId(45));
}

#[test]
fn a_damaged_sequence_is_an_error_and_frees_the_lock() {
    let folder = fast_folder();
    let repository = create(folder.path());
    for content in ["", "{", "{}", r#"{"last_backup_id": -1}"#, r#"{"last_backup_id": 9007199254740991}"#] {
        fs::write(folder.path().join("sequence.json"), content).unwrap();
        let refusal = repository.begin_backup(BackupKind::Full, &at(NOON)).err().unwrap();
        assert!(
            matches!(&refusal, RepositoryError::RepositoryUnreadable { object, .. } if object == "sequence.json"),
            "{content}: {refusal:?}"
        );
        assert_eq!(repository.storage().lock_holder(LOCK_KEY).unwrap(), LockHolder::Nobody);
    }
    fs::remove_file(folder.path().join("sequence.json")).unwrap();
    back_up(&repository, BackupKind::Full, &at(NOON), b"x").unwrap();
}

#[test]
fn a_dead_holder_is_shown_and_then_swept() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    let dead = repository.contents().unwrap().running.unwrap();
    drop(slot);
    fs::remove_file(folder.path().join("full/full_20261124_120000.json")).unwrap();

    // As a process would leave it that died after the archive got its name: archive, text, no record, no lock.
    fs::write(folder.path().join("full/full_20261124_120000.backup"), "whole, but without a record").unwrap();
    fs::write(folder.path().join("full/.full_20261124_120000.backup.0123456789abcdef.cadena-partial"), "half").unwrap();
    fs::write(folder.path().join("full/full_20250101_000000.backup"), "an archive that nobody named").unwrap();
    leave_dead(&repository, &serde_json::to_vec(&dead).unwrap());
    let contents = repository.contents().unwrap();
    assert_eq!(contents.interrupted, Some(dead));
    assert_eq!(contents.orphan_archives, ["full/full_20250101_000000.backup"]);

    let id = back_up(&repository, BackupKind::Full, &at(NOON), b"next").unwrap();
    assert_eq!(id, BackupId(2));
    let contents = repository.contents().unwrap();
    assert_eq!(contents.interrupted, None);
    let failed = &contents.records[0];
    assert_eq!((failed.id, failed.state), (BackupId(1), BackupState::Failed));
    assert_eq!(failed.archive_name, "full_20261124_120000.backup");
    let error = failed.error.as_ref().unwrap();
    assert_eq!((&error["key"], &error["pid"]), (&"backup-interrupted".into(), &std::process::id().into()));
    // The archive that no dead holder named is reported, never removed.
    assert_eq!(contents.orphan_archives, ["full/full_20250101_000000.backup"]);
    assert_eq!(
        files(folder.path()),
        [
            "cadena.json",
            "full/full_20250101_000000.backup",
            "full/full_20261124_120000.json",
            "full/full_20261124_120000_2.backup",
            "full/full_20261124_120000_2.json",
            "sequence.json",
        ]
    );
}

#[test]
fn a_holder_that_died_after_its_commit_loses_nothing() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    let dead = repository.contents().unwrap().running.unwrap();
    slot.fail(&failed_of(&repository)).unwrap();
    let kept = fs::read(folder.path().join("full/full_20261124_120000.json")).unwrap();
    assert!(!kept.is_empty());

    back_up(&repository, BackupKind::Full, &at("2026-11-24T13:00:00"), b"whole").unwrap();
    let mut committed = dead.clone();
    committed.id = BackupId(2);
    committed.archive_name = "full_20261124_130000.backup".to_owned();
    leave_dead(&repository, &serde_json::to_vec(&committed).unwrap());
    assert_eq!(repository.contents().unwrap().interrupted, None);
    back_up(&repository, BackupKind::Full, &at(NOON), b"next").unwrap();
    assert_swept(folder.path(), "after the sweep");
    assert_eq!(repository.record(BackupId(2)).unwrap().state, BackupState::Completed);
}

#[test]
fn texts_of_dead_holders_that_make_no_sense_remove_nothing() {
    let folder = fast_folder();
    let repository = create(folder.path());
    back_up(&repository, BackupKind::Full, &at(NOON), b"kept").unwrap();
    fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let before = files(folder.path());
    let text = |archive_name: &str, kind: &str| {
        format!(
            r#"{{"id":1,"kind":"{kind}","archive_name":"{archive_name}","started_at":"2026-01-01T00:00:00Z","host":"h","pid":1,"tool_version":"x"}}"#
        )
    };
    for text in [
        "garbage".to_owned(),
        String::new(),
        text("../mine.txt", "FULL"),
        text("", "FULL"),
        text("full_20261124_120000.backup", "INCREMENTAL"),
        text("full_20261124_120000.json", "FULL"),
        text("full_20261124_120000.backup", "FULL"),
    ] {
        leave_dead(&repository, text.as_bytes());
        drop(repository.contents().unwrap());
        let slot = repository.begin_backup(BackupKind::Full, &at("2027-01-01T00:00:00")).unwrap();
        let record = record_key(slot.name());
        drop(slot);
        fs::remove_file(folder.path().join(record)).unwrap();
        assert_eq!(files(folder.path()), before, "{text}");
    }
}

#[test]
fn nothing_is_written_under_a_name_before_the_holder_says_so() {
    // A storage that fails at every later call stands for a process that is killed right there.
    let folder = fast_folder();
    let repository = create(folder.path());
    let slot = repository.begin_backup(BackupKind::Differential, &at(NOON)).unwrap();
    let LockHolder::Alive(text) = repository.storage().lock_holder(LOCK_KEY).unwrap() else { panic!("no holder") };
    let text: RunningBackup = serde_json::from_slice(&text).unwrap();
    assert_eq!((text.id, text.archive_name), (slot.id(), slot.name().archive_file_name()));
    assert_eq!(files(folder.path()), ["cadena.json", "sequence.json"]);
    assert!(matches!(repository.storage().try_lock(LOCK_KEY, &|_| vec![]), Ok(LockAttempt::Held { .. })));
}

#[test]
fn an_archive_that_appears_under_the_reserved_name_is_kept() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    let record = completed(&slot, b"ours");
    let stream = write_archive(&mut slot, b"ours").unwrap();
    fs::write(folder.path().join("full/full_20261124_120000.backup"), "somebody else's").unwrap();
    let refusal = slot.commit(stream, &sealed(b"ours"), &record).unwrap_err();
    assert!(matches!(refusal, RepositoryError::Storage(StorageError::StorageExists { .. })), "{refusal:?}");
    let kept = fs::read_to_string(folder.path().join("full/full_20261124_120000.backup")).unwrap();
    assert_eq!(kept, "somebody else's");
    let contents = repository.contents().unwrap();
    assert_eq!(contents.orphan_archives, ["full/full_20261124_120000.backup"]);
    assert_eq!(contents.records[0].state, BackupState::Failed);
}

/// Leaves a text beside the free lock, as a dead holder does.
fn leave_dead(repository: &Repository, text: &[u8]) {
    match repository.storage().try_lock(LOCK_KEY, &|_| text.to_vec()).unwrap() {
        LockAttempt::Acquired { guard, .. } => drop(guard),
        LockAttempt::Held { .. } => panic!("held"),
    }
}

/// The failed record of the backup that runs.
fn failed_of(repository: &Repository) -> BackupRecord {
    let running = repository.contents().unwrap().running.unwrap();
    let folder = fast_folder();
    let other = create(folder.path());
    let slot = other.begin_backup(running.kind, &at(NOON)).unwrap();
    BackupRecord { id: running.id, archive_name: running.archive_name, ..failed(&slot) }
}

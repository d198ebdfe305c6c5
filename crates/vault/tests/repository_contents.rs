//! What a listing makes of files that are missing, extra, damaged, swapped or newer.

mod repository_common;

use repository_common::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vault::repository::*;
use vault::storage::{
    HolderText, LockAttempt, LockHolder, ObjectReader, PutStream, Storage, StorageError, StoredObject,
};

/// Three completed backups: FULL 1, INCREMENTAL 2, FULL 3.
fn three_backups(folder: &Path) -> Repository {
    let repository = create(folder);
    back_up(&repository, BackupKind::Full, &at("2026-11-24T12:00:00"), b"one").unwrap();
    back_up(&repository, BackupKind::Incremental, &at("2026-11-24T13:00:00"), b"two").unwrap();
    back_up(&repository, BackupKind::Full, &at("2026-11-24T14:00:00"), b"three").unwrap();
    repository
}

const FIRST: &str = "full/full_20261124_120000.json";
const SECOND: &str = "incremental/inc_20261124_130000.json";
const THIRD: &str = "full/full_20261124_140000.json";

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn ids(contents: &RepositoryContents) -> Vec<u64> {
    contents.records.iter().map(|record| record.id.0).collect()
}

fn unreadable(contents: &RepositoryContents) -> Vec<&str> {
    contents.unreadable.iter().map(|unreadable| unreadable.key.as_str()).collect()
}

#[test]
fn a_record_is_the_json_that_the_format_document_shows() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    let stored: Value = serde_json::from_slice(&fs::read(folder.path().join(FIRST)).unwrap()).unwrap();
    assert_eq!(stored["record_version"], 1);
    assert_eq!((&stored["id"], &stored["kind"], &stored["state"]), (&json!(1), &json!("FULL"), &json!("COMPLETADO")));
    assert_eq!(stored["system_identifier"], "7431234567890123456");
    assert_eq!((&stored["start_lsn"], &stored["timeline"]), (&json!("0/2000028"), &json!(1)));
    assert_eq!(stored["started_at"], "2026-11-24T06:00:00Z");
    assert_eq!(stored["sha256"], sealed(b"one").sha256);
    assert_eq!(serde_json::to_value(repository.record(BackupId(1)).unwrap()).unwrap(), stored);

    // The example in the document is a record that this program reads.
    let document = include_str!("../../../docs/format/repository.md");
    let example = document.split("```json record\n").nth(1).unwrap().split("```").next().unwrap();
    let example: BackupRecord = serde_json::from_str(example).unwrap();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&serde_json::to_value(example).unwrap()), fields(&stored));
    for field in fields(&stored) {
        assert!(document.contains(&format!("| `{field}` |")), "the document does not explain {field}");
    }
}

/// What a logical backup says of its dumps.
fn dumps() -> Value {
    let shop = json!({
        "oid": 16400, "name": "shop", "folder": "shop", "snapshot_at": "2026-11-24T06:00:01Z", "dump_bytes": 900, "parts": 1
    });
    json!({ "dump_version": 17, "role_passwords": true, "databases": [shop] })
}

/// Makes a record that of a logical backup.
fn make_logical(record: &mut Value) {
    record["record_version"] = json!(2);
    record["method"] = json!("logical");
    record["logical"] = dumps();
    record["reader"] = json!("pg_dump");
    for field in ["start_lsn", "stop_lsn", "timeline"] {
        record[field] = Value::Null;
    }
}

#[test]
fn records_of_before_there_were_methods_are_physical() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    let before = repository.contents().unwrap().records;
    for name in [FIRST, THIRD] {
        edit(&folder.path().join(name), |record| {
            let fields = record.as_object_mut().unwrap();
            assert_eq!(
                (fields.remove("method"), fields.remove("logical")),
                (Some(json!("physical")), Some(Value::Null))
            );
        });
    }
    assert_eq!(repository.contents().unwrap().records, before);
}

#[test]
fn a_logical_record_has_a_version_and_fields_of_its_own() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    let path = folder.path().join(FIRST);
    edit(&path, make_logical);
    let record = repository.record(BackupId(1)).unwrap();
    assert_eq!((record.method, record.is_physical()), (BackupMethod::Logical, false));
    assert_eq!(record.logical.unwrap().databases[0].name, "shop");
    let good = fs::read(&path).unwrap();
    type Spoil = fn(&mut Value);
    let spoils: [(&str, Spoil); 9] = [
        ("version 1", |record| record["record_version"] = json!(1)),
        ("no dumps", |record| record["logical"] = Value::Null),
        ("no database", |record| record["logical"]["databases"] = json!([])),
        ("a database twice", |record| {
            let one = record["logical"]["databases"][0].clone();
            record["logical"]["databases"] = json!([one, one]);
        }),
        ("an empty dump", |record| record["logical"]["databases"][0]["dump_bytes"] = json!(0)),
        ("a dump elsewhere", |record| record["logical"]["databases"][0]["folder"] = json!("../shop")),
        ("an LSN", |record| record["stop_lsn"] = json!("0/3000000")),
        ("a timeline", |record| record["timeline"] = json!(1)),
        ("a merge", |record| record["merged_from"] = json!([1, 2])),
    ];
    for (what, spoil) in spoils {
        edit(&path, spoil);
        assert_eq!(unreadable(&repository.contents().unwrap()), [FIRST], "{what}");
        fs::write(&path, &good).unwrap();
    }
}

#[test]
fn the_latest_restores_to_a_cluster() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    edit(&folder.path().join(THIRD), make_logical);
    assert_eq!(repository.record(BackupId(3)).unwrap().method, BackupMethod::Logical);
    assert_eq!(repository.latest().unwrap().id, BackupId(2));
    // Alone it is nothing that a restore of the cluster could begin with.
    for name in [FIRST, SECOND] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert!(repository.contents().unwrap().restorable().is_empty());
    let refusal = repository.latest().unwrap_err();
    assert!(matches!(&refusal, RepositoryError::RepositoryOnlyLogical { id } if id == "3"), "{refusal:?}");
}

#[test]
fn one_bad_record_hides_no_other() {
    type Spoil = fn(&mut Value);
    let spoils: &[(&str, Spoil)] = &[
        ("newer", |record| record["record_version"] = json!(3)),
        ("the version of a logical one", |record| record["record_version"] = json!(2)),
        ("a logical one with the version of a physical one", |record| record["method"] = json!("logical")),
        ("an unknown method", |record| record["method"] = json!("snapshot")),
        ("dumps in a physical one", |record| record["logical"] = dumps()),
        ("versionless", |record| record["record_version"] = Value::Null),
        ("no id", |record| record["id"] = Value::Null),
        ("id 0", |record| record["id"] = json!(0)),
        ("an id beyond JSON's integers", |record| record["id"] = json!(1_u64 << 60)),
        ("an unknown kind", |record| record["kind"] = json!("PARCIAL")),
        ("the kind of another name", |record| record["kind"] = json!("INCREMENTAL")),
        ("the name of another file", |record| record["archive_name"] = json!("full_20261124_140000.backup")),
        ("a hostile name", |record| record["archive_name"] = json!("../../../etc/passwd")),
        ("in progress", |record| record["state"] = json!("EN_PROGRESO")),
        ("another cluster", |record| record["system_identifier"] = json!("1")),
        ("a base of a FULL", |record| record["base_id"] = json!(7)),
        ("no digest", |record| record["sha256"] = Value::Null),
        ("a short digest", |record| record["sha256"] = json!("abc")),
        ("an upper-case digest", |record| record["sha256"] = json!("A".repeat(64))),
        ("LSNs in the wrong order", |record| record["stop_lsn"] = json!("0/1")),
        ("a bad LSN", |record| record["start_lsn"] = json!("0/zz")),
        ("no timeline", |record| record["timeline"] = Value::Null),
        ("an absurd block size", |record| record["block_size_bytes"] = json!(4000)),
        ("an absurd segment size", |record| record["wal_segment_size"] = json!(12_345)),
        ("a negative size", |record| record["archive_bytes"] = json!(-1)),
        ("an error", |record| record["error"] = json!({"key": "x"})),
        ("no label", |record| drop(record.as_object_mut().unwrap().remove("label"))),
        ("a list", |record| *record = json!([])),
    ];
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    let path = folder.path().join(FIRST);
    let good = fs::read(&path).unwrap();
    for (what, spoil) in spoils {
        edit(&path, spoil);
        let contents = repository.contents().unwrap();
        assert_eq!(ids(&contents), [2, 3], "{what}");
        assert_eq!(unreadable(&contents), [FIRST], "{what}");
        assert!(contents.orphan_archives.is_empty(), "{what}: its archive has a record, though a bad one");
        fs::write(&path, &good).unwrap();
    }
    for garbage in [&b""[..], b"\xff\xfe", b"{\"record_version\": 1", &good[..good.len() / 2], &vec![b'['; 100_000]] {
        fs::write(&path, garbage).unwrap();
        assert_eq!(unreadable(&repository.contents().unwrap()), [FIRST]);
    }
    let twice = String::from_utf8(good.clone()).unwrap().replacen('{', "{\"id\": 9,", 1);
    fs::write(&path, twice).unwrap();
    assert_eq!(unreadable(&repository.contents().unwrap()), [FIRST]);
    // 20 MB of spaces are not read into memory.
    fs::File::create(&path).unwrap().set_len(20 << 20).unwrap();
    let contents = repository.contents().unwrap();
    assert!(contents.unreadable[0].detail.contains("larger than"), "{:?}", contents.unreadable);
    fs::write(&path, &good).unwrap();
    assert_consistent(folder.path(), "after all");
}

#[test]
fn the_message_of_a_newer_record_names_both_versions() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    edit(&folder.path().join(FIRST), |record| record["record_version"] = json!(9));
    match repository.record(BackupId(1)) {
        Err(RepositoryError::RepositoryUnreadable { object, detail, .. }) => {
            assert_eq!(object, FIRST);
            assert_eq!(detail, "it has record version 9; this program reads up to 2");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn fields_that_a_later_program_adds_are_tolerated() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    edit(&folder.path().join(FIRST), |record| record["from_the_future"] = json!({"a": [1, 2]}));
    assert_consistent(folder.path(), "with a new field");
    assert_eq!(repository.record(BackupId(1)).unwrap().id, BackupId(1));
}

#[test]
fn records_with_one_id_are_all_in_doubt() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    edit(&folder.path().join(THIRD), |record| record["id"] = json!(1));
    let contents = repository.contents().unwrap();
    assert_eq!(ids(&contents), [2]);
    assert_eq!(unreadable(&contents), [FIRST, THIRD]);
    assert!(contents.unreadable[0].detail.contains(THIRD) && contents.unreadable[1].detail.contains(FIRST));
    assert!(contents.orphan_archives.is_empty());
}

#[test]
fn a_copy_of_a_record_is_no_second_backup() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    fs::copy(folder.path().join(FIRST), folder.path().join("full/full_20261124_150000.json")).unwrap();
    fs::copy(folder.path().join(SECOND), folder.path().join("full/inc_20261124_130000.json")).unwrap();
    let contents = repository.contents().unwrap();
    assert_eq!(ids(&contents), [1, 2, 3]);
    assert_eq!(unreadable(&contents), ["full/full_20261124_150000.json", "full/inc_20261124_130000.json"]);
}

#[test]
fn archives_that_are_missing_or_changed_in_size_are_reported_and_refused() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    let records = repository.contents().unwrap().records;
    fs::remove_file(folder.path().join("full/full_20261124_120000.backup")).unwrap();
    fs::write(folder.path().join("incremental/inc_20261124_130000.backup"), "tw").unwrap();
    let contents = repository.contents().unwrap();
    assert_eq!(contents.without_archive, [BackupId(1), BackupId(2)]);
    assert_eq!(ids(&contents), [1, 2, 3]);
    match repository.open_archive_object(&records[0]).err().unwrap() {
        RepositoryError::RepositoryArchiveMissing { id, object } => {
            assert_eq!((id.as_str(), object.as_str()), ("1", "full/full_20261124_120000.backup"));
        }
        other => panic!("{other:?}"),
    }
    match repository.open_archive_object(&records[1]).err().unwrap() {
        RepositoryError::RepositoryArchiveSize { found_bytes: 2, recorded_bytes: 3, .. } => {}
        other => panic!("{other:?}"),
    }
    let mut content = [0; 5];
    repository.open_archive_object(&records[2]).unwrap().read_exact_at(0, &mut content).unwrap();
    assert_eq!(&content, b"three");
    repository.check_digest(&records[2], &sealed(b"three").sha256).unwrap();
    let differs = repository.check_digest(&records[2], &sealed(b"four").sha256).unwrap_err();
    assert!(matches!(differs, RepositoryError::RepositoryArchiveDigest { .. }));
}

#[test]
fn the_latest_is_never_silently_an_older_one() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    // An old record that can't be read is no obstacle …
    let first = fs::read(folder.path().join(FIRST)).unwrap();
    fs::write(folder.path().join(FIRST), "garbage").unwrap();
    assert_eq!(repository.latest().unwrap().id, BackupId(3));
    fs::write(folder.path().join(FIRST), first).unwrap();
    // … a newer one is, whether its id can be read or only its name.
    let third = fs::read(folder.path().join(THIRD)).unwrap();
    for content in ["garbage", r#"{"record_version": 3, "id": 3}"#] {
        fs::write(folder.path().join(THIRD), content).unwrap();
        let refusal = repository.latest().unwrap_err();
        assert!(
            matches!(&refusal, RepositoryError::RepositoryUnreadable { object, .. } if object == THIRD),
            "{refusal:?}"
        );
    }
    fs::write(folder.path().join(THIRD), third).unwrap();
    fs::remove_file(folder.path().join("full/full_20261124_140000.backup")).unwrap();
    let latest = repository.latest().unwrap();
    assert_eq!(latest.id, BackupId(3));
    assert!(repository.open_archive_object(&latest).is_err());
}

#[test]
fn other_files_and_folders_are_neither_read_nor_touched() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let foreign = [
        "backups/dump.sql",
        "notes.txt",
        "full/notes.txt",
        "full/old/full_20200101_000000.json",
        "full/full_20261124.backup",
        "wal/00000001/000000010000000000000001.zst",
        "differential/README",
    ];
    for file in foreign {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "foreign").unwrap();
    }
    back_up(&repository, BackupKind::Full, &at("2026-11-24T12:00:00"), b"one").unwrap();
    drop(repository.begin_backup(BackupKind::Differential, &at("2026-11-24T12:00:00")).unwrap());
    let contents = repository.contents().unwrap();
    assert_eq!(ids(&contents), [1, 2]);
    assert!(contents.unreadable.is_empty() && contents.orphan_archives.is_empty());
    for file in foreign {
        assert_eq!(fs::read_to_string(folder.path().join(file)).unwrap(), "foreign");
    }
}

#[test]
fn an_unreadable_holder_is_reported_and_does_not_stop_a_reader() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    let LockAttempt::Acquired { guard: _guard, .. } =
        repository.storage().try_lock(LOCK_KEY, &|_| b"?".to_vec()).unwrap()
    else {
        panic!("held");
    };
    let contents = repository.contents().unwrap();
    assert_eq!((ids(&contents), unreadable(&contents)), (vec![1, 2, 3], vec![LOCK_KEY]));
    assert_eq!(repository.latest().unwrap().id, BackupId(3));
    let refusal = repository.begin_backup(BackupKind::Full, &at("2026-11-24T12:00:00")).err().unwrap();
    assert!(matches!(refusal, RepositoryError::RepositoryBusy { .. }), "{refusal:?}");
}

#[test]
fn readers_that_run_beside_backups_report_no_fault() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let reader = reopen(folder.path());
                while !done.load(Ordering::Relaxed) {
                    let contents = reader.contents().unwrap();
                    assert!(contents.unreadable.is_empty(), "{:?}", contents.unreadable);
                    assert!(contents.orphan_archives.is_empty(), "{:?}", contents.orphan_archives);
                    assert!(contents.without_archive.is_empty(), "{:?}", contents.without_archive);
                    assert_eq!(contents.interrupted, None);
                }
            });
        }
        for round in 0..60_u8 {
            let now = at("2026-11-24T12:00:00");
            if round % 3 == 0 {
                drop(repository.begin_backup(BackupKind::Full, &now).unwrap());
            } else {
                back_up(&repository, BackupKind::Full, &now, &[round; 5000]).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_swept(folder.path(), "at the end");
}

/// A storage in which a backup comes and goes while a reader is between its calls.
struct Meanwhile {
    inner: Arc<dyn Storage>,
    /// Runs right after the listing of `full/`.
    after_listing: Box<dyn Fn() + Send + Sync>,
}

impl Storage for Meanwhile {
    fn describe(&self) -> String {
        self.inner.describe()
    }
    fn put_stream(&self, key: &str) -> Result<Box<dyn PutStream>, StorageError> {
        self.inner.put_stream(key)
    }
    fn put(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        self.inner.put(key, content)
    }
    fn put_if_absent(&self, key: &str, content: &[u8]) -> Result<(), StorageError> {
        self.inner.put_if_absent(key, content)
    }
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.get(key)
    }
    fn open(&self, key: &str) -> Result<Box<dyn ObjectReader>, StorageError> {
        self.inner.open(key)
    }
    fn open_append(&self, key: &str) -> Result<Box<dyn vault::storage::AppendObject>, StorageError> {
        self.inner.open_append(key)
    }
    fn size_bytes(&self, key: &str) -> Result<Option<u64>, StorageError> {
        self.inner.size_bytes(key)
    }
    fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, StorageError> {
        let listed = self.inner.list(prefix);
        if prefix == "full/" {
            (self.after_listing)();
        }
        listed
    }
    fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.inner.delete(key)
    }
    fn sweep(&self, key: &str) -> Result<(), StorageError> {
        self.inner.sweep(key)
    }
    fn sweep_folder(&self, key: &str) -> Result<(), StorageError> {
        self.inner.sweep_folder(key)
    }
    fn settle(&self, key: &str) -> Result<(), StorageError> {
        self.inner.settle(key)
    }
    fn try_lock(&self, key: &str, holder: HolderText<'_>) -> Result<LockAttempt, StorageError> {
        self.inner.try_lock(key, holder)
    }
    fn lock_holder(&self, key: &str) -> Result<LockHolder, StorageError> {
        self.inner.lock_holder(key)
    }
}

fn contents_while(folder: &Path, meanwhile: impl Fn() + Send + Sync + 'static) -> RepositoryContents {
    let storage = Meanwhile { inner: local(folder), after_listing: Box::new(meanwhile) };
    Repository::open(Arc::new(storage)).unwrap().contents().unwrap()
}

#[test]
fn an_archive_listed_just_before_its_record_came_is_no_orphan() {
    let folder = fast_folder();
    let repository = three_backups(folder.path());
    let (record, hidden) = (folder.path().join(FIRST), folder.path().join("hidden"));
    fs::rename(&record, &hidden).unwrap();
    let contents = contents_while(folder.path(), move || fs::rename(&hidden, &record).unwrap());
    assert_eq!(ids(&contents), [1, 2, 3]);
    assert!(contents.orphan_archives.is_empty());
    drop(repository);
}

#[test]
fn a_backup_deleted_just_after_the_listing_is_not_reported_as_damaged() {
    let folder = fast_folder();
    three_backups(folder.path());
    let (record, archive) = (folder.path().join(FIRST), folder.path().join("full/full_20261124_120000.backup"));
    let contents = contents_while(folder.path(), move || {
        fs::remove_file(&record).unwrap();
        fs::remove_file(&archive).unwrap();
    });
    assert_eq!(ids(&contents), [2, 3]);
    assert!(contents.orphan_archives.is_empty() && contents.without_archive.is_empty());
}

#[test]
fn a_record_whose_archive_was_not_listed_yet_has_one() {
    let folder = fast_folder();
    three_backups(folder.path());
    let (archive, hidden) = (folder.path().join("full/full_20261124_120000.backup"), folder.path().join("hidden"));
    fs::rename(&archive, &hidden).unwrap();
    let contents = contents_while(folder.path(), move || fs::rename(&hidden, &archive).unwrap());
    assert_eq!(ids(&contents), [1, 2, 3]);
    assert!(contents.without_archive.is_empty());
}

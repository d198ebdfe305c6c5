//! Buckets that keep what they are given: object lock, versions, legal holds. What is written once is locked, what is written again is
//! not, the contract of a storage holds all the same, and what a store does not let go is named, and stays whole.

#[path = "../../vault/tests/repository_common/mod.rs"]
mod repository_common;
mod support;

use repository_common::{at, back_up, description};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use support::{content, fresh_prefix, s3};
use testkit::stores::{FaultProxy, ProxyFault, S3Server};
use vault::repository::{BackupId, BackupKind, RefusedRemoval, Repository};
use vault::storage::{Storage, StorageError, conformance};

const LOCKING: &[(&str, &str)] =
    &[("lock_mode", "compliance"), ("lock_days", "2"), ("give_up_seconds", "20"), ("part_size", "5242880")];

#[test]
fn what_is_written_once_is_locked_and_what_is_written_again_is_not() {
    let Some(server) = S3Server::with_object_lock() else { return };
    let prefix = fresh_prefix();
    let storage = s3(&server.endpoint(), &prefix, LOCKING);
    conformance::put_streamed(storage.as_ref(), "full/small.backup", b"small").unwrap();
    conformance::put_streamed(storage.as_ref(), "full/large.backup", &content(12 << 20)).unwrap();
    storage.put_if_absent("full/small.json", b"{}").unwrap();
    storage.put("sequence.json", b"{}").unwrap();
    storage.update("events/2026-11.jsonl", &mut |_| Some(b"x".to_vec())).unwrap();
    let mut partial = storage.open_append("wal/partial").unwrap();
    for round in 0..2 {
        partial.write_at(round * 3, b"wal").unwrap();
        partial.sync().unwrap();
    }
    let (guard, _) = conformance::take_lock(storage.as_ref(), "daemon", "holder");

    let lock = |key: &str| {
        let head = server.ask("HEAD", &format!("{prefix}/{key}"), "");
        assert!(head.starts_with("http/1.1 200"), "{key}: {head}");
        head.lines().find_map(|line| line.strip_prefix("x-amz-object-lock-retain-until-date: ").map(str::to_owned))
    };
    for key in ["full/small.backup", "full/small.json"] {
        let until: jiff::Timestamp =
            lock(key).unwrap_or_else(|| panic!("{key} is not locked")).to_uppercase().parse().unwrap();
        let hours = until.duration_since(jiff::Timestamp::now()).as_hours();
        assert!((47..=48).contains(&hours), "{key}: {until}");
    }
    for key in ["sequence.json", "events/2026-11.jsonl", "wal/partial", ".daemon.cadena-lease"] {
        assert_eq!(lock(key), None, "{key}");
    }
    guard.release().unwrap();

    // A delete is a marker over what stays locked; the name is free, and listings don't have it.
    storage.delete("full/small.json").unwrap();
    assert_eq!(storage.get("full/small.json").unwrap(), None);
    assert!(storage.list("full/").unwrap().iter().all(|object| object.key != "full/small.json"));
    storage.put_if_absent("full/small.json", b"again").unwrap();
    assert_eq!(storage.get("full/small.json").unwrap().unwrap(), b"again");
}

/// moto takes the headers of an upload in parts, and forgets them: that they are sent is seen on the way.
#[test]
fn an_upload_in_parts_asks_for_its_lock_as_it_begins() {
    let Some(server) = S3Server::with_object_lock() else { return };
    let proxy = FaultProxy::to(server.port());
    let storage = s3(&proxy.endpoint(), &fresh_prefix(), LOCKING);
    conformance::put_streamed(storage.as_ref(), "full/large.backup", &content(12 << 20)).unwrap();
    let heads = proxy.heads();
    let begins = heads.iter().filter(|head| head.starts_with("POST ") && head.contains("?uploads="));
    let locked = begins.filter(|head| head.to_ascii_lowercase().contains("x-amz-object-lock-mode: compliance")).count();
    assert_eq!(locked, 1, "{heads:?}");
}

#[test]
fn a_bucket_that_keeps_every_version_keeps_the_contract() {
    let Some(server) = S3Server::with_object_lock() else { return };
    conformance::run(&|| s3(&server.endpoint(), &fresh_prefix(), &[("lock_mode", "governance"), ("lock_days", "1")]));
}

#[test]
fn a_bucket_without_object_lock_is_told_from_one_that_fails() {
    let Some(server) = S3Server::start() else { return };
    let storage = s3(&server.endpoint(), &fresh_prefix(), LOCKING);
    let refusal = storage.put_if_absent("cadena.json", b"{}").unwrap_err();
    assert!(matches!(&refusal, StorageError::StorageSetting { setting, .. } if setting == "lock_mode"), "{refusal:?}");
}

/// A bucket of which some objects can't be deleted: those whose keys are in the list.
struct Keeping {
    server: S3Server,
    prefix: String,
    kept: Arc<Mutex<Vec<String>>>,
    repository: Repository,
    _proxy: FaultProxy,
}

impl Keeping {
    /// FULL 1, INCREMENTAL 2 and 3, FULL 4.
    fn new() -> Option<Self> {
        let server = S3Server::with_object_lock()?;
        let proxy = FaultProxy::to(server.port());
        let kept: Arc<Mutex<Vec<String>>> = Arc::default();
        let theirs = Arc::clone(&kept);
        // Amazon's makes a marker; others refuse, with the status alone here.
        proxy.set(move |line, _| {
            let is_kept = |key: &String| line.starts_with("DELETE ") && line.contains(key.as_str());
            if theirs.lock().unwrap().iter().any(is_kept) { ProxyFault::Answer(403, None) } else { ProxyFault::None }
        });
        let prefix = fresh_prefix();
        let storage: Arc<dyn Storage> = s3(&proxy.endpoint(), &prefix, &[("give_up_seconds", "10")]);
        let repository = Repository::create(storage, &description()).unwrap();
        let kinds = [BackupKind::Full, BackupKind::Incremental, BackupKind::Incremental, BackupKind::Full];
        for (second, kind) in kinds.into_iter().enumerate() {
            back_up(&repository, kind, &at(&format!("2026-11-24T12:00:0{second}")), &[1; 20_000]).unwrap();
        }
        Some(Keeping { server, prefix, kept, repository, _proxy: proxy })
    }

    fn keep(&self, key: &str) {
        self.server.hold(&format!("{}/{key}", self.prefix), true);
        self.kept.lock().unwrap().push(key.to_owned());
    }

    fn release(&self) {
        for key in self.kept.lock().unwrap().drain(..) {
            self.server.hold(&format!("{}/{key}", self.prefix), false);
        }
    }

    fn remove(&self, ids: &[u64]) -> (Vec<u64>, Vec<RefusedRemoval>) {
        let mut slot = self.repository.begin_cleanup(at("2026-11-24T13:00:00").timestamp()).unwrap();
        let mut gone = Vec::new();
        let refused = slot.remove(&ids.iter().map(|id| BackupId(*id)).collect(), &mut |record| {
            gone.push(record.id.0);
            ControlFlow::Continue(())
        });
        let refused = refused.unwrap();
        slot.finish().unwrap();
        (gone, refused)
    }

    /// What is there is whole.
    fn present(&self) -> BTreeSet<u64> {
        let contents = self.repository.contents().unwrap();
        assert!(contents.without_archive.is_empty() && contents.unreadable.is_empty(), "{contents:?}");
        assert!(contents.orphan_archives.is_empty(), "{contents:?}");
        for record in &contents.records {
            self.repository.open_archive_object(record).unwrap();
        }
        contents.records.iter().map(|record| record.id.0).collect()
    }
}

#[test]
fn a_backup_that_is_kept_stays_whole_with_what_it_stands_on_and_goes_later() {
    for object in ["incremental/inc_20261124_120001.backup", "incremental/inc_20261124_120001.json"] {
        let Some(bucket) = Keeping::new() else { return };
        bucket.keep(object);
        let (gone, refused) = bucket.remove(&[1, 2, 3]);
        assert_eq!(gone, [3], "{object}");
        let [second, first] = refused.as_slice() else { panic!("{refused:?}") };
        assert_eq!((second.id, first.id), (BackupId(2), BackupId(1)));
        let Some(StorageError::StorageLocked { object: named, reason, .. }) = &second.error else {
            panic!("{second:?}")
        };
        assert_eq!((named.as_str(), reason.as_str()), (object, "legal hold"));
        assert!(first.error.is_none());
        assert_eq!(bucket.present(), BTreeSet::from([1, 2, 4]), "{object}");
        // Nothing else is broken by it.
        back_up(&bucket.repository, BackupKind::Full, &at("2026-11-24T14:00:00"), &[2; 100]).unwrap();
        assert_eq!(bucket.remove(&[1, 2]).0, [0; 0]);
        bucket.release();
        assert_eq!(bucket.remove(&[1, 2]).0, [2, 1]);
        assert_eq!(bucket.present(), BTreeSet::from([4, 5]));
    }
}

#[test]
fn an_archive_that_a_dead_cleanup_left_and_the_store_keeps_blocks_nobody() {
    let Some(bucket) = Keeping::new() else { return };
    let key = "incremental/inc_20261124_120002";
    let removing = r#"{"removing":[{"id":3,"kind":"INCREMENTAL","archive_name":"inc_20261124_120002.backup"}]}"#;
    let storage = bucket.repository.storage();
    storage.put("removals.json", removing.as_bytes()).unwrap();
    storage.delete(&format!("{key}.json")).unwrap();
    bucket.keep(&format!("{key}.backup"));
    back_up(&bucket.repository, BackupKind::Full, &at("2026-11-24T14:00:00"), &[2; 100]).unwrap();
    // Another removal does not make it forgotten.
    assert_eq!(bucket.remove(&[2]).0, [2]);
    assert!(storage.get("removals.json").unwrap().is_some());
    assert_eq!(storage.size_bytes(&format!("{key}.backup")).unwrap(), Some(20_000));
    bucket.release();
    assert_eq!(bucket.remove(&[]).0, [0; 0]);
    assert_eq!(storage.size_bytes(&format!("{key}.backup")).unwrap(), None);
    assert_eq!(storage.get("removals.json").unwrap(), None);
    assert_eq!(bucket.present(), BTreeSet::from([1, 4, 5]));
}

//! Copies of a repository in another folder: what goes, what stays away, what a fault at any step leaves, and what mends a bad copy.
#![allow(clippy::print_stderr, reason = "how often faults struck")]

mod repository_support;

use engine::Cancel;
use engine::replica::*;
use engine::retention::{Policy, PolicyChoice, PolicySource};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use pgformat::{TimelineId, WalSegment, WalSegmentSize};
use repository_support::{SEGMENT, back_up, create};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vault::journal::Journal;
use vault::repository::*;
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::storage::{LocalFolder, Storage};

/// The calls at which faults strike: every one of them with `CADENA_EVERY_FAULT`, else each so many.
fn struck_calls() -> impl Iterator<Item = usize> {
    match std::env::var_os("CADENA_EVERY_FAULT") {
        Some(_) => (1..).step_by(1),
        None => {
            let first = 1 + std::process::id() as usize % 13;
            eprintln!("a fault at each thirteenth call from {first} on");
            (first..).step_by(13)
        }
    }
}

struct Scene {
    root: tempfile::TempDir,
}

impl Scene {
    /// Six backups in two chains, a failed one, WAL with a partial segment, the note of a gap.
    fn new() -> Self {
        let scene = Scene { root: tempfile::tempdir().unwrap() };
        let repository = create(&scene.here());
        use BackupKind::{Differential, Full, Incremental};
        for (kind, base, segment, at) in [
            (Full, None, 3, "2025-06-01T00:00:00Z"),
            (Incremental, Some(1), 4, "2025-06-02T00:00:00Z"),
            (Full, None, 5, "2026-11-01T00:00:00Z"),
            (Differential, Some(3), 6, "2026-11-08T00:00:00Z"),
            (Incremental, Some(4), 7, "2026-11-22T00:00:00Z"),
            (Incremental, Some(5), 8, "2026-11-23T00:00:00Z"),
        ] {
            back_up(&repository, kind, base, 1, segment, at.parse().unwrap());
        }
        let started: Timestamp = "2026-11-23T01:00:00Z".parse().unwrap();
        drop(repository.begin_backup(Full, &started.to_zoned(TimeZone::UTC)).unwrap());
        let geometry =
            json!({"version": 17, "system_identifier": "7", "segment_size": SEGMENT, "block_size_bytes": 8192});
        let wal = json!({"format_version": 1, "geometry": geometry, "created_by": "test"});
        scene.put("wal/wal.json", &wal.to_string());
        (3..=9).for_each(|number| scene.put(&segment(number, "zst"), &format!("sealed {number}")));
        scene.put(&segment(9, "seal"), "beside it");
        scene.put(&segment(10, "partial"), "partial");
        scene.put("wal/00000002/00000002.history", "1\t0/800100\tpromoted\n");
        scene.put("full/notes.txt", "others'");
        scene.put("scheduler.json", "{}");
        scene
    }

    fn here(&self) -> PathBuf {
        self.root.path().join("here")
    }

    fn there(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn put(&self, key: &str, content: &str) {
        let path = self.here().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn repository(&self) -> Repository {
        Repository::open(Arc::new(LocalFolder::new(&self.here()))).unwrap()
    }

    fn replica(&self, name: &str) -> Replica {
        self.replica_on(name, Arc::new(LocalFolder::new(&self.there(name))))
    }

    fn replica_on(&self, name: &str, storage: Arc<dyn Storage>) -> Replica {
        let retention = ReplicaRetention::AsRepository;
        Replica {
            name: name.to_owned(),
            provider: "LOCAL".to_owned(),
            storage,
            retention,
            write_only: false,
            max_rate_bytes: None,
        }
    }

    fn events(&self, name: &str) -> Vec<Value> {
        let reading = Journal::of(&self.repository()).read_after(0).unwrap();
        let wanted = reading.events.into_iter().filter(|event| event.event == name);
        wanted.map(|event| serde_json::to_value(event).unwrap()).collect()
    }
}

fn segment(number: u64, ending: &str) -> String {
    let size = WalSegmentSize::new(SEGMENT).unwrap();
    format!("wal/00000001/{}.{ending}", WalSegment { timeline: TimelineId(1), number }.file_name(size))
}

/// Every file below a folder but locks.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                walk(root, &path, found);
            } else if !name.contains(".cadena-") {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// What a replica is to hold of a folder.
fn copied(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = files(folder);
    // The journal goes on with events about the copy itself.
    let stays = |name: &str| name.starts_with("replicas/") || name.starts_with("events/");
    files.retain(|name, _| !stays(name) && name != "full/notes.txt" && name != "scheduler.json");
    files
}

fn now() -> Zoned {
    "2026-11-24T02:00:00-03:00[America/Argentina/Buenos_Aires]".parse().unwrap()
}

fn push(scene: &Scene, replica: &Replica) -> Result<(PushedBackups, PushedWal), engine::Error> {
    let cancel = Cancel::new();
    let link = ReplicaLink::begin(&scene.repository(), replica)?;
    let result = link
        .push_wal(true, &cancel)
        .and_then(|wal| Ok((link.push_backups(None, &now(), None, &|_| {}, &cancel)?, wal)));
    link.note_outcome("push", result.as_ref().err());
    link.finish();
    result
}

#[test]
fn a_replica_is_a_repository_of_its_own_and_makes_one_again() {
    let scene = Scene::new();
    let replica = scene.replica("far");
    let (backups, wal) = push(&scene, &replica).unwrap();
    assert_eq!((backups.copied.len(), wal.segments, wal.partial), (6, 7, true));
    let mut there = files(&scene.there("far"));
    there.retain(|name, _| !name.starts_with("events/"));
    assert_eq!(there, copied(&scene.here()));
    let (again, wal) = push(&scene, &replica).unwrap();
    assert_eq!((again.copied.len(), again.bytes, wal.segments), (0, 0, 0));

    let state = &load_states(&scene.repository()).unwrap()[0];
    assert_eq!(state.backups.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(state.backups[&1].url.ends_with("far/full/full_20250601_000000.backup"), "{:?}", state.backups[&1]);
    assert!(state.complete_at.is_some() && state.error.is_none(), "{state:?}");
    assert_eq!(scene.events("replica-backup-copied").len(), 6);

    let back = scene.there("back");
    let into: Arc<dyn Storage> = Arc::new(LocalFolder::new(&back));
    let outcome = pull(&replica, &into, PullRequest::default(), &|_| {}, &Cancel::new()).unwrap();
    assert_eq!((outcome.copied.len(), outcome.segments), (7, 7));
    let mut pulled = files(&back);
    pulled.retain(|name, _| !name.starts_with("events/"));
    assert_eq!(pulled, copied(&scene.here()));
    let outcome = pull(&replica, &into, PullRequest::default(), &|_| {}, &Cancel::new()).unwrap();
    assert_eq!((outcome.copied.len(), outcome.bytes), (0, 0));
}

#[test]
fn one_chain_alone_can_go_and_come() {
    let scene = Scene::new();
    let replica = scene.replica("far");
    let link = ReplicaLink::begin(&scene.repository(), &replica).unwrap();
    let pushed = link.push_backups(None, &now(), Some(BackupId(5)), &|_| {}, &Cancel::new()).unwrap();
    link.finish();
    assert_eq!(pushed.copied, [BackupId(3), BackupId(4), BackupId(5)]);
    let into: Arc<dyn Storage> = Arc::new(LocalFolder::new(&scene.there("back")));
    let request = PullRequest { only: Some(BackupId(4)), without_wal: true };
    let outcome = pull(&replica, &into, request, &|_| {}, &Cancel::new()).unwrap();
    assert_eq!(outcome.copied, [BackupId(3), BackupId(4)]);
    let request = PullRequest { only: Some(BackupId(6)), without_wal: true };
    let error = pull(&replica, &into, request, &|_| {}, &Cancel::new()).unwrap_err();
    assert_eq!(error.key(), "replica-no-backup");
}

/// Whatever fails, and whenever: no record without its whole archive is ever seen, and the next attempt completes the copy.
#[test]
fn a_fault_at_any_call_leaves_nothing_half_visible() {
    let mut struck = 0;
    for mode in FaultMode::ALL {
        for at in struck_calls() {
            let scene = Scene::new();
            let inner: Arc<dyn Storage> = Arc::new(LocalFolder::new(&scene.there("far")));
            let faulty = Arc::new(FaultyStorage::new(inner, at, mode));
            let result = push(&scene, &scene.replica_on("far", faulty.clone()));
            let is_over = faulty.calls().len() < at;
            if let Ok(repository) = Repository::open(Arc::new(LocalFolder::new(&scene.there("far")))) {
                let contents = repository.contents().unwrap();
                assert!(contents.unreadable.is_empty() && contents.without_archive.is_empty(), "{mode:?} at {at}");
            }
            if result.is_err() {
                struck += 1;
                assert_eq!(scene.events("replica-failing").len(), 1, "{mode:?} at {at}");
                let state = &load_states(&scene.repository()).unwrap()[0];
                assert!(state.error.is_some() && state.failing_since.is_some(), "{mode:?} at {at}");
            }
            push(&scene, &scene.replica("far")).unwrap();
            let mut there = files(&scene.there("far"));
            there.retain(|name, _| !name.starts_with("events/"));
            assert_eq!(there, copied(&scene.here()), "{mode:?} at {at}");
            if is_over {
                break;
            }
        }
    }
    eprintln!("{struck} faults struck");
    assert!(struck > 20);
}

#[test]
fn a_pull_that_was_broken_off_anywhere_goes_on() {
    let scene = Scene::new();
    let replica = scene.replica("far");
    push(&scene, &replica).unwrap();
    for mode in [FaultMode::Fail, FaultMode::Dead, FaultMode::DeadAfterwards, FaultMode::Full] {
        for at in struck_calls() {
            let name = format!("back-{mode:?}-{at}");
            let inner: Arc<dyn Storage> = Arc::new(LocalFolder::new(&scene.there(&name)));
            let faulty = Arc::new(FaultyStorage::new(inner.clone(), at, mode));
            let broken: Arc<dyn Storage> = faulty.clone();
            // The outcome does not matter: what counts is what lies there afterwards.
            drop(pull(&replica, &broken, PullRequest::default(), &|_| {}, &Cancel::new()));
            let is_over = faulty.calls().len() < at;
            pull(&replica, &inner, PullRequest::default(), &|_| {}, &Cancel::new()).unwrap();
            let mut pulled = files(&scene.there(&name));
            pulled.retain(|name, _| !name.starts_with("events/"));
            assert_eq!(pulled, copied(&scene.here()), "{mode:?} at {at}");
            std::fs::remove_dir_all(scene.there(&name)).unwrap();
            if is_over {
                break;
            }
        }
    }
}

#[test]
fn a_damaged_archive_does_not_travel_and_is_mended_from_a_good_copy() {
    let scene = Scene::new();
    let (near, far) = (scene.replica("near"), scene.replica("far"));
    push(&scene, &near).unwrap();
    let damaged = scene.here().join("incremental/inc_20261122_000000.backup");
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[4321] ^= 4;
    std::fs::write(&damaged, &bytes).unwrap();

    let (pushed, _) = push(&scene, &far).unwrap();
    assert_eq!(pushed.faulty.len(), 1);
    assert_eq!((pushed.faulty[0].0, pushed.faulty[0].1.key()), (BackupId(5), "replica-source-damaged".to_owned()));
    assert_eq!(pushed.copied.len(), 5, "the others went");
    assert!(!scene.there("far/incremental/inc_20261122_000000.json").exists());
    assert_eq!(scene.events("replica-source-damaged").len(), 1);
    let state = &load_states(&scene.repository()).unwrap()[0];
    assert!(!state.backups.contains_key(&5) && state.complete_at.is_none(), "{state:?}");

    // WAL of this scene is no WAL; it is looked at where a server wrote it.
    std::fs::remove_dir_all(scene.here().join("wal")).unwrap();
    std::fs::remove_dir_all(scene.there("near/wal")).unwrap();
    let flip = |file: &Path| {
        let mut bytes = std::fs::read(file).unwrap();
        bytes[7] ^= 1;
        std::fs::write(file, bytes).unwrap();
    };
    flip(&scene.there("near/full/full_20261101_000000.backup"));
    std::fs::write(scene.there("near/full/full_20250601_000000.json"), "{").unwrap();
    std::fs::remove_file(scene.here().join("incremental/inc_20261123_000000.backup")).unwrap();
    let link = ReplicaLink::begin(&scene.repository(), &near).unwrap();
    let look = |repair| {
        let request = VerifyRequest { quick: false, repair };
        verify(&scene.repository(), &[&link], request, &|_| {}, &Cancel::new()).unwrap()
    };
    let report = look(false);
    assert_eq!(report.findings.len(), 4, "{:#?}", report.findings);
    assert!(!report.is_good() && report.findings.iter().all(|finding| !finding.repaired));
    let report = look(true);
    assert!(report.is_good(), "{:#?}", report.findings);
    let report = look(true);
    assert!(report.findings.is_empty() && report.good_backups == 12, "{:#?}", report);
    assert_eq!(link.state().bad_copies, 0);
    link.finish();
    let mut there = files(&scene.there("near"));
    there.retain(|name, _| !name.starts_with("events/"));
    assert_eq!(there, copied(&scene.here()));
    push(&scene, &far).unwrap();
    assert!(scene.there("far/incremental/inc_20261122_000000.json").exists());
}

#[test]
fn a_replica_keeps_by_its_own_policy_and_is_not_sent_again_what_it_let_go() {
    let scene = Scene::new();
    let replica = scene.replica("far");
    push(&scene, &replica).unwrap();
    // What is lost here stays there.
    std::fs::remove_file(scene.here().join("incremental/inc_20261123_000000.backup")).unwrap();
    std::fs::remove_file(scene.here().join("incremental/inc_20261123_000000.json")).unwrap();
    let policy = Policy { full_months: 1, min_chains: 1, ..Policy::standard() };
    let choice = PolicyChoice { policy: policy.clone(), source: PolicySource::File };
    let link = ReplicaLink::begin(&scene.repository(), &replica).unwrap();
    let planned = link.plan_clean(&choice, &now()).unwrap();
    let outcome = link.clean(&choice, &now(), &Cancel::new()).unwrap();
    assert_eq!(planned.going(), outcome.plan.going());
    assert_eq!(outcome.plan.going().into_iter().collect::<Vec<_>>(), [BackupId(1), BackupId(2)]);
    assert!(scene.there("far/incremental/inc_20261123_000000.backup").exists());
    assert!(!scene.there("far").join(segment(3, "zst")).exists() && scene.here().join(segment(3, "zst")).exists());
    let loose = Policy { full_months: 24, incremental_days: 900, ..policy };
    let pushed = link.push_backups(Some(&loose), &now(), None, &|_| {}, &Cancel::new()).unwrap();
    let wal = link.push_wal(true, &Cancel::new()).unwrap();
    assert_eq!((pushed.copied.len(), wal.segments), (0, 0), "what went there does not come again");
    let pushed = link.push_backups(None, &now(), Some(BackupId(2)), &|_| {}, &Cancel::new()).unwrap();
    assert_eq!(pushed.copied, [BackupId(1), BackupId(2)], "unless somebody asks for it");
    link.finish();
    assert_eq!(scene.events("replica-backup-removed").len(), 2);
    assert_eq!(scene.events("backup-removed").len(), 0);
}

#[test]
fn a_policy_keeps_what_it_would_let_go_from_being_sent() {
    let scene = Scene::new();
    let link = ReplicaLink::begin(&scene.repository(), &scene.replica("far")).unwrap();
    let policy = Policy { full_months: 1, min_chains: 1, ..Policy::standard() };
    let pushed = link.push_backups(Some(&policy), &now(), None, &|_| {}, &Cancel::new()).unwrap();
    assert_eq!(pushed.copied, [3, 4, 5, 6].map(BackupId));
    link.finish();
}

#[test]
fn the_present_segment_follows_and_goes_once_it_is_whole() {
    let scene = Scene::new();
    let link = ReplicaLink::begin(&scene.repository(), &scene.replica("far")).unwrap();
    let cancel = Cancel::new();
    assert!(link.push_wal(true, &cancel).unwrap().partial);
    assert!(!link.push_wal(true, &cancel).unwrap().partial, "it has not grown");
    scene.put(&segment(10, "partial"), "partial, and more");
    assert!(!link.push_wal(false, &cancel).unwrap().partial);
    assert!(link.push_wal(true, &cancel).unwrap().partial);
    let there = |ending| scene.there("far").join(segment(10, ending));
    assert_eq!(std::fs::read(there("partial")).unwrap(), b"partial, and more");
    let wal = link.state().wal.unwrap();
    assert_eq!((wal.segment.as_str(), wal.partial_bytes), ("00000001000000000000000A", Some(17)));
    std::fs::remove_file(scene.here().join(segment(10, "partial"))).unwrap();
    scene.put(&segment(10, "zst"), "whole");
    assert_eq!(link.push_wal(true, &cancel).unwrap().segments, 1);
    assert!(there("zst").exists() && !there("partial").exists());
    link.finish();
}

#[test]
fn strangers_and_a_second_worker_are_refused() {
    let scene = Scene::new();
    let other = Scene::new();
    let begin = |replica: &Replica| {
        let reached = ReplicaLink::begin(&scene.repository(), replica).and_then(|link| link.reach());
        reached.err().map(|error| error.key())
    };
    let itself = scene.replica_on("far", Arc::new(LocalFolder::new(&scene.here())));
    assert_eq!(begin(&itself).as_deref(), Some("replica-is-repository"));
    // Under another name it is seen before anything is asked of it: one that may only be written to is asked for nothing.
    let link = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(scene.here(), link.path().join("link")).unwrap();
    for other_name in [link.path().join("link"), link.path().join("./link"), scene.here().join(".")] {
        let mut itself = scene.replica_on("far", Arc::new(LocalFolder::new(&other_name)));
        itself.write_only = true;
        let refused = ReplicaLink::begin(&scene.repository(), &itself).err().map(|error| error.key());
        assert_eq!(refused.as_deref(), Some("replica-is-repository"), "{}", other_name.display());
    }
    let text = std::fs::read_to_string(other.here().join("cadena.json")).unwrap();
    std::fs::write(other.here().join("cadena.json"), text.replace("\"7\"", "\"8\"")).unwrap();
    let foreign = scene.replica_on("far", Arc::new(LocalFolder::new(&other.here())));
    assert_eq!(begin(&foreign).as_deref(), Some("replica-foreign"));
    let replica = scene.replica("far");
    let link = ReplicaLink::begin(&scene.repository(), &replica).unwrap();
    assert_eq!(begin(&replica).as_deref(), Some("replica-busy"));
    link.finish();
    assert_eq!(begin(&replica), None);
}

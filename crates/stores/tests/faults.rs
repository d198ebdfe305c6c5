//! A proxy stands between us and a real S3 server, and spoils requests and answers. Nothing is lost, nothing is half visible, and
//! what can't be done is given up in bounded time, in clear words.

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use support::{content, fresh_prefix, s3};
use testkit::stores::{FaultProxy, ProxyFault, S3Server};
use vault::storage::{LocalFolder, LockAttempt, PutStream, Storage, StorageError, conformance};

/// The least part that S3 takes.
const PART: &str = "5242880";
const QUICK: &[(&str, &str)] =
    &[("give_up_seconds", "2"), ("timeout_seconds", "1"), ("part_size", PART), ("concurrency", "2")];

static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| content(12 << 20));

struct Scene {
    server: S3Server,
    proxy: FaultProxy,
}

impl Scene {
    fn new() -> Option<Self> {
        let server = S3Server::start()?;
        let proxy = FaultProxy::to(server.port());
        Some(Scene { server, proxy })
    }

    /// The same storage through the proxy, and past it.
    fn storages(&self, options: &[(&str, &str)]) -> (Arc<dyn Storage>, Arc<dyn Storage>) {
        let prefix = fresh_prefix();
        (s3(&self.proxy.endpoint(), &prefix, options), s3(&self.server.endpoint(), &prefix, options))
    }
}

/// Everything that a storage does, and what must have come of it.
fn everything(storage: &Arc<dyn Storage>) {
    storage.put("a.json", b"first").unwrap();
    storage.put("a.json", b"second").unwrap();
    storage.put_if_absent("b.json", b"b").unwrap();
    let refusal = storage.put_if_absent("b.json", b"other").unwrap_err();
    assert!(matches!(refusal, StorageError::StorageExists { .. }), "{refusal:?}");
    conformance::put_streamed(storage.as_ref(), "full/large", &LARGE).unwrap();
    conformance::put_streamed(storage.as_ref(), "full/small", b"small").unwrap();
    for _ in 0..3 {
        storage.update("count", &mut |there| Some([there.unwrap_or_default(), b"x"].concat())).unwrap();
    }
    let mut grown = storage.open_append("wal/partial").unwrap();
    for round in 0..3_u8 {
        grown.write_at(u64::from(round) * 100, &[round; 100]).unwrap();
        grown.sync().unwrap();
    }
    let (mut guard, left) = conformance::take_lock(storage.as_ref(), "lock", "holder");
    assert_eq!(left, None);
    guard.update_holder(b"later").unwrap();
    guard.confirm().unwrap();
    guard.release().unwrap();
    let mut part = vec![0; 3 << 20];
    storage.open("full/large").unwrap().read_exact_at(1 << 20, &mut part).unwrap();
    assert!(part == LARGE[1 << 20..4 << 20]);
    storage.put("gone", b"x").unwrap();
    storage.delete("gone").unwrap();
}

fn assert_everything(storage: &Arc<dyn Storage>, when: &str) {
    assert_eq!(storage.get("a.json").unwrap().unwrap(), b"second", "{when}");
    assert_eq!(storage.get("b.json").unwrap().unwrap(), b"b", "{when}");
    assert_eq!(storage.get("count").unwrap().unwrap(), b"xxx", "{when}");
    assert_eq!(storage.get("wal/partial").unwrap().unwrap().len(), 300, "{when}");
    assert!(storage.get("full/large").unwrap().unwrap() == *LARGE, "{when}");
    let keys: Vec<String> = storage.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["a.json", "b.json", "count", "full/large", "full/small", "wal/partial"], "{when}");
}

#[test]
fn what_passes_by_changes_nothing() {
    let Some(scene) = Scene::new() else { return };
    let patient = [("give_up_seconds", "30"), ("timeout_seconds", "2"), ("part_size", PART), ("concurrency", "2")];
    for fault in [
        ProxyFault::ResetBefore,
        ProxyFault::ResetAfter,
        ProxyFault::Answer(503, None),
        ProxyFault::Truncate,
        ProxyFault::ChangeRequest,
    ] {
        let (through, past) = scene.storages(&patient);
        let chosen = fault.clone();
        // Every third request, so that the attempt after it may pass.
        scene.proxy.set(move |_, number| if number % 3 == 1 { chosen.clone() } else { ProxyFault::None });
        everything(&through);
        let (requests, faults) = scene.proxy.counts();
        assert!(faults >= 10, "{fault:?}: {faults} of {requests}");
        assert_everything(&past, &format!("{fault:?}"));
    }
}

#[test]
fn changed_bytes_of_a_small_object_are_found_out() {
    let Some(scene) = Scene::new() else { return };
    let (through, past) = scene.storages(QUICK);
    past.put("a.json", &content(3000)).unwrap();
    scene.proxy.set(|_, number| if number == 1 { ProxyFault::ChangeAnswer } else { ProxyFault::None });
    assert!(through.get("a.json").unwrap().unwrap() == content(3000));
    scene.proxy.set(|_, _| ProxyFault::ChangeAnswer);
    let refusal = through.get("a.json").unwrap_err();
    assert!(matches!(refusal, StorageError::StorageWrongBytes { .. }), "{refusal:?}");
}

#[test]
fn what_does_not_pass_is_given_up_in_time_and_named() {
    let Some(scene) = Scene::new() else { return };
    for fault in [
        ProxyFault::ResetBefore,
        ProxyFault::Stall(Duration::from_secs(20)),
        ProxyFault::Answer(503, None),
        ProxyFault::Answer(429, Some(3600)),
        ProxyFault::Answer(403, None),
    ] {
        let (through, past) = scene.storages(QUICK);
        let chosen = fault.clone();
        scene.proxy.set(move |_, _| chosen.clone());
        let attempts: [&dyn Fn() -> Result<(), StorageError>; 3] =
            [&|| through.put("a", b"x"), &|| through.get("a").map(|_| ()), &|| {
                conformance::put_streamed(through.as_ref(), "b", b"x")
            }];
        for attempt in attempts {
            let begin = Instant::now();
            let error = attempt().unwrap_err();
            assert!(begin.elapsed() < Duration::from_secs(7), "{fault:?}: {:?}", begin.elapsed());
            let is_right = match fault {
                ProxyFault::Answer(403, _) => matches!(error, StorageError::StorageDenied { .. }),
                ProxyFault::Answer(..) => matches!(error, StorageError::StorageThrottled { .. }),
                _ => matches!(error, StorageError::StorageUnreachable { .. }),
            };
            assert!(is_right, "{fault:?}: {error:?}");
            let text = error.to_string();
            assert!(!text.contains(S3Server::SECRET_KEY) && !text.contains("Signature"), "{text}");
        }
        assert!(past.list("").unwrap().is_empty(), "{fault:?}");
    }
}

#[test]
fn a_store_that_ignores_conditions_gets_no_lock() {
    let Some(scene) = Scene::new() else { return };
    let (through, _) = scene.storages(QUICK);
    scene.proxy.set(|_, _| ProxyFault::DropConditions);
    let refusal = through.try_lock("lock", &|_| Vec::new()).err().expect("two holders could have it");
    assert!(matches!(refusal, StorageError::StorageReplicaOnly { .. }), "{refusal:?}");
}

#[test]
fn a_store_that_asks_for_patience_gets_it() {
    let Some(scene) = Scene::new() else { return };
    let (through, _) = scene.storages(&[("give_up_seconds", "20")]);
    scene.proxy.set(|_, number| if number == 1 { ProxyFault::Answer(429, Some(2)) } else { ProxyFault::None });
    let begin = Instant::now();
    through.put("a", b"x").unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(scene.proxy.counts().0, 2);
}

#[test]
fn an_object_that_is_cut_off_at_any_request_is_there_whole_or_not_at_all() {
    let Some(scene) = Scene::new() else { return };
    let mut at = 1;
    loop {
        for answer_is_lost in [false, true] {
            let (through, past) =
                scene.storages(&[("give_up_seconds", "1"), ("part_size", PART), ("concurrency", "2")]);
            scene.proxy.set(move |_, number| match number.cmp(&at) {
                std::cmp::Ordering::Less => ProxyFault::None,
                std::cmp::Ordering::Equal if answer_is_lost => ProxyFault::ResetAfter,
                _ => ProxyFault::ResetBefore,
            });
            let mut stream = through.put_stream("full/large").unwrap();
            let written = stream.write_all(&LARGE).map_err(|error| StorageError::from_io("", "", "write", &error));
            let outcome = written.and_then(|()| PutStream::commit(stream));
            let there = past.get("full/large").unwrap();
            assert!(there.is_none_or(|there| there == *LARGE), "half of it is there, cut off at request {at}");
            if outcome.is_ok() {
                assert!(past.size_bytes("full/large").unwrap().is_some(), "lost, cut off at request {at}");
                // Begin, three parts, complete, and a look: less would prove nothing.
                assert!(at > 6, "{at}");
                return;
            }
        }
        at += 1;
        assert!(at < 20);
    }
}

#[test]
fn an_upload_goes_on_where_it_was_broken_off() {
    let Some(scene) = Scene::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFolder::new(folder.path());
    conformance::put_streamed(&local, "large", &LARGE).unwrap();
    let object = local.open("large").unwrap();
    let (through, past) = scene.storages(&[("give_up_seconds", "1"), ("part_size", PART), ("concurrency", "1")]);
    let is_part = |line: &str| line.starts_with("PUT ") && line.contains("partNumber=");
    scene.proxy.set(move |line, _| match is_part(line) && line.contains("partNumber=3") {
        true => ProxyFault::ResetBefore,
        false => ProxyFault::None,
    });
    let broken = through.upload("full/large", object.as_ref()).unwrap_err();
    assert!(matches!(broken, StorageError::StorageUnreachable { .. }), "{broken:?}");
    assert_eq!(past.get("full/large").unwrap(), None);

    scene.proxy.set(|_, _| ProxyFault::None);
    through.upload("full/large", object.as_ref()).unwrap();
    let parts = scene.proxy.log().iter().filter(|line| is_part(line)).count();
    assert_eq!(parts, 1, "{:?}", scene.proxy.log());
    assert!(past.get("full/large").unwrap().unwrap() == *LARGE);
    let refusal = through.upload("full/large", object.as_ref()).unwrap_err();
    assert!(matches!(refusal, StorageError::StorageExists { .. }), "{refusal:?}");
}

#[test]
fn an_upload_of_another_content_is_not_gone_on_with() {
    let Some(scene) = Scene::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFolder::new(folder.path());
    let mut other = LARGE.clone();
    other[0] ^= 1;
    conformance::put_streamed(&local, "one", &LARGE).unwrap();
    conformance::put_streamed(&local, "other", &other).unwrap();
    let (through, past) = scene.storages(&[("give_up_seconds", "1"), ("part_size", PART), ("concurrency", "1")]);
    scene.proxy.set(|line, _| match line.contains("partNumber=3") {
        true => ProxyFault::ResetBefore,
        false => ProxyFault::None,
    });
    through.upload("large", local.open("one").unwrap().as_ref()).unwrap_err();
    scene.proxy.set(|_, _| ProxyFault::None);
    through.upload("large", local.open("other").unwrap().as_ref()).unwrap();
    assert!(past.get("large").unwrap().unwrap() == other);
}

#[test]
fn a_sweep_gives_up_what_a_dead_upload_left() {
    let Some(scene) = Scene::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFolder::new(folder.path());
    conformance::put_streamed(&local, "large", &LARGE).unwrap();
    let object = local.open("large").unwrap();
    let options = [("give_up_seconds", "1"), ("part_size", PART), ("concurrency", "1"), ("lease_seconds", "2")];
    let (through, past) = scene.storages(&options);
    scene.proxy.set(|line, _| match line.contains("partNumber=3") {
        true => ProxyFault::ResetBefore,
        false => ProxyFault::None,
    });
    through.upload("large", object.as_ref()).unwrap_err();
    std::thread::sleep(Duration::from_millis(2500));
    past.sweep("large").unwrap();
    scene.proxy.set(|_, _| ProxyFault::None);
    through.upload("large", object.as_ref()).unwrap();
    assert_eq!(scene.proxy.log().iter().filter(|line| line.contains("partNumber=")).count(), 3);
}

#[test]
fn a_lock_is_one_holders_under_lost_answers() {
    let Some(scene) = Scene::new() else { return };
    let (through, past) = scene.storages(&[("lease_seconds", "60"), ("give_up_seconds", "20")]);
    let held = AtomicUsize::new(0);
    scene.proxy.set(|line, number| match line.starts_with("PUT ") && number % 2 == 1 {
        true => ProxyFault::ResetAfter,
        false => ProxyFault::None,
    });
    std::thread::scope(|scope| {
        for storage in [&through, &past, &through] {
            let held = &held;
            scope.spawn(move || {
                for _ in 0..5 {
                    if let LockAttempt::Acquired { guard, .. } = storage.try_lock("lock", &|_| b"x".to_vec()).unwrap() {
                        assert_eq!(held.fetch_add(1, Ordering::SeqCst), 0, "two hold one lock");
                        std::thread::sleep(Duration::from_millis(5));
                        held.fetch_sub(1, Ordering::SeqCst);
                        guard.release().unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_large_object_is_read_in_few_requests_and_not_whole() {
    let Some(scene) = Scene::new() else { return };
    let (through, past) = scene.storages(QUICK);
    conformance::put_streamed(past.as_ref(), "full/large", &LARGE).unwrap();
    let object = through.open("full/large").unwrap();
    scene.proxy.set(|_, _| ProxyFault::None);
    let mut piece = vec![0; 100_000];
    for offset in (0..LARGE.len() - piece.len()).step_by(piece.len()) {
        object.read_exact_at(offset as u64, &mut piece).unwrap();
        assert!(piece == LARGE[offset..offset + piece.len()]);
    }
    let whole = scene.proxy.counts().0;
    assert!(whole <= 12, "{whole} requests for 12 MiB");
    // The tail, and one piece elsewhere.
    let object = through.open("full/large").unwrap();
    scene.proxy.set(|_, _| ProxyFault::None);
    for offset in [LARGE.len() - 100, LARGE.len() - 9000, LARGE.len() - 60_000, 4_000_000, 4_020_000] {
        object.read_exact_at(offset as u64, &mut piece[..50]).unwrap();
        assert!(piece[..50] == LARGE[offset..offset + 50]);
    }
    assert_eq!(scene.proxy.counts().0, 2, "{:?}", scene.proxy.log());
}

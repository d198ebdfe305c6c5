//! What every storage must do, as checks that panic where one does not. For tests: of the local folder here, and of every
//! storage that comes later.

use super::{Exclusion, LockAttempt, LockGuard, LockHolder, Storage, StorageError};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// One check; it is given a storage that holds nothing.
pub type Check = fn(&Arc<dyn Storage>);

/// Every check, with the sentence that it proves.
pub const CHECKS: &[(&str, Check)] = &[
    ("an empty storage has nothing", an_empty_storage_has_nothing),
    ("put replaces and get returns the last content", put_replaces),
    ("put_if_absent keeps what is there", put_if_absent_keeps_what_is_there),
    ("of many put_if_absent at once, one wins", one_put_if_absent_wins),
    ("readers of a replaced object see the old or the new content, whole", replacement_is_atomic),
    ("a streamed write is invisible before its commit", a_stream_is_invisible_before_its_commit),
    ("a streamed write keeps small, large and empty writes in order", a_stream_keeps_the_order),
    ("a dropped streamed write leaves nothing", a_dropped_stream_leaves_nothing),
    ("a streamed write never replaces an object", a_stream_never_replaces),
    ("published objects are whole, never replace one, and are settled together", published_objects_are_whole),
    ("an empty streamed write makes an empty object", an_empty_stream_makes_an_empty_object),
    ("ranged reads return exactly the range, or say that the object is short", ranged_reads_are_exact),
    ("listings are whole, sorted, and cut by prefix", listings_are_sorted_and_cut_by_prefix),
    ("a folder is no object", a_folder_is_no_object),
    ("deleting removes one object, and twice is no error", deleting_twice_is_no_error),
    ("hostile keys are refused by every call", hostile_keys_are_refused),
    ("an object written in place is made, grows, and keeps what is there", an_appended_object_grows),
    (
        "an object written in place is listed, read, copied over and deleted like any other",
        an_appended_object_is_like_any,
    ),
    ("an object written in place has no holes, and reads are exact", an_appended_object_has_no_holes),
    ("readers see an object written in place as far as it was synced", readers_see_an_object_grow),
    ("of many that change an object at once, none is lost", no_update_is_lost),
    ("a copy from elsewhere is whole, and never replaces an object", an_upload_is_whole),
    ("a lock that is ours is confirmed", a_lock_is_confirmed),
    ("a sweep spares objects and running streams", a_sweep_spares_objects_and_running_streams),
    ("so does a sweep of a whole folder", a_sweep_of_a_folder_spares_objects_and_running_streams),
    ("a lock is held by one, and says by whom", a_lock_is_held_by_one),
    ("a released lock leaves no holder", a_released_lock_leaves_no_holder),
    ("a dropped lock leaves its holder's text to the next one", a_dropped_lock_leaves_its_text),
    ("locks of different keys do not meet", locks_of_different_keys_do_not_meet),
    ("locks are not listed", locks_are_not_listed),
    ("of many takers at once, one gets the lock", one_taker_gets_the_lock),
    ("readers of the holder never keep a taker out", readers_never_keep_a_taker_out),
];

/// The checks that only a storage that can hold a repository has to pass: locks, and what is exact however many write at once.
const OF_REPOSITORIES: &[&str] = &["lock", "at once", "readers of the holder", "replaced object see"];

/// Runs every check, each on a fresh storage from `fresh`.
///
/// # Panics
/// Where the storage does not keep the contract.
pub fn run(fresh: &dyn Fn() -> Arc<dyn Storage>) {
    run_some(fresh, &|_| true);
}

/// Runs the checks of a storage that can hold replicas only, and makes sure that it refuses to be a repository's.
///
/// # Panics
/// Where the storage does not keep its part of the contract.
pub fn run_replica(fresh: &dyn Fn() -> Arc<dyn Storage>) {
    run_some(fresh, &|sentence| !OF_REPOSITORIES.iter().any(|words| sentence.contains(words)));
    let storage = fresh();
    let refusal = storage.try_lock("lock", &|_| Vec::new()).err().expect("a lock without conditional writes");
    assert!(matches!(refusal, StorageError::StorageReplicaOnly { .. }), "{refusal:?}");
    let refusal = storage.update("a", &mut |_| Some(Vec::new())).unwrap_err();
    assert!(matches!(refusal, StorageError::StorageReplicaOnly { .. }), "{refusal:?}");
    assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Nobody);
}

fn run_some(fresh: &dyn Fn() -> Arc<dyn Storage>, is_meant: &dyn Fn(&str) -> bool) {
    for (sentence, check) in CHECKS.iter().filter(|(sentence, _)| is_meant(sentence)) {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&fresh())));
        if let Err(panic) = outcome {
            let detail = panic.downcast_ref::<String>().cloned();
            let detail = detail.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panic!("not so: {sentence}: {}", detail.unwrap_or_default());
        }
    }
}

/// Writes an object as a stream.
///
/// # Panics
/// When the storage fails.
pub fn put_streamed(storage: &dyn Storage, key: &str, content: &[u8]) -> Result<(), StorageError> {
    let mut stream = storage.put_stream(key).unwrap();
    stream.write_all(content).unwrap();
    stream.commit()
}

/// Takes a lock that is free.
///
/// # Panics
/// When it is not.
pub fn take_lock(storage: &dyn Storage, key: &str, holder: &str) -> (Box<dyn LockGuard>, Option<Vec<u8>>) {
    match storage.try_lock(key, &|_| holder.into()).unwrap() {
        LockAttempt::Acquired { guard, left_by_dead_holder } => (guard, left_by_dead_holder),
        LockAttempt::Held { holder } => panic!("{key} is held by {:?}", String::from_utf8_lossy(&holder)),
    }
}

fn keys(storage: &Arc<dyn Storage>, prefix: &str) -> Vec<String> {
    storage.list(prefix).unwrap().into_iter().map(|object| object.key).collect()
}

fn an_empty_storage_has_nothing(storage: &Arc<dyn Storage>) {
    assert!(!storage.describe().is_empty());
    assert_eq!(storage.get("a").unwrap(), None);
    assert_eq!(storage.get("folder/a").unwrap(), None);
    assert_eq!(storage.size_bytes("a").unwrap(), None);
    assert!(matches!(storage.open("a"), Err(StorageError::StorageMissing { object, .. }) if object == "a"));
    assert_eq!(keys(storage, ""), Vec::<String>::new());
    assert_eq!(keys(storage, "folder/"), Vec::<String>::new());
    storage.delete("folder/a").unwrap();
    storage.sweep("folder/a").unwrap();
    storage.sweep_folder("folder/a").unwrap();
    storage.settle("folder/a").unwrap();
    assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Nobody);
}

fn put_replaces(storage: &Arc<dyn Storage>) {
    for content in [&b"first"[..], b"second, longer", b"", b"3"] {
        storage.put("folder/a.json", content).unwrap();
        assert_eq!(storage.get("folder/a.json").unwrap().as_deref(), Some(content));
        assert_eq!(storage.size_bytes("folder/a.json").unwrap(), Some(content.len() as u64));
    }
    assert_eq!(keys(storage, ""), ["folder/a.json"]);
}

fn put_if_absent_keeps_what_is_there(storage: &Arc<dyn Storage>) {
    storage.put_if_absent("folder/a", b"first").unwrap();
    let refusal = storage.put_if_absent("folder/a", b"second").unwrap_err();
    assert!(matches!(&refusal, StorageError::StorageExists { object, .. } if object == "folder/a"), "{refusal:?}");
    assert_eq!(storage.get("folder/a").unwrap().unwrap(), b"first");
    storage.delete("folder/a").unwrap();
    storage.put_if_absent("folder/a", b"third").unwrap();
    assert_eq!(storage.get("folder/a").unwrap().unwrap(), b"third");
}

fn one_put_if_absent_wins(storage: &Arc<dyn Storage>) {
    for round in 0..10 {
        let key = format!("race/{round}");
        let winners: Vec<usize> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8_usize)
                .map(|racer| {
                    let key = &key;
                    scope.spawn(move || match storage.put_if_absent(key, racer.to_string().as_bytes()) {
                        Ok(()) => Some(racer),
                        Err(StorageError::StorageExists { .. }) => None,
                        Err(error) => panic!("{error}"),
                    })
                })
                .collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(storage.get(&key).unwrap().unwrap(), winners[0].to_string().as_bytes());
    }
}

fn replacement_is_atomic(storage: &Arc<dyn Storage>) {
    let contents = [vec![b'a'; 100_000], vec![b'b'; 50_000]];
    storage.put("a", &contents[0]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..40 {
                storage.put("a", &contents[round % 2]).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let seen = storage.get("a").unwrap().expect("the object vanished while it was replaced");
            assert!(contents.contains(&seen), "{} bytes of a mixture", seen.len());
        }
    });
}

fn a_stream_is_invisible_before_its_commit(storage: &Arc<dyn Storage>) {
    let mut stream = storage.put_stream("full/a.backup").unwrap();
    stream.write_all(&vec![7; 1_000_000]).unwrap();
    stream.flush().unwrap();
    assert_eq!(storage.get("full/a.backup").unwrap(), None);
    assert_eq!(storage.size_bytes("full/a.backup").unwrap(), None);
    assert_eq!(keys(storage, ""), Vec::<String>::new());
    stream.commit().unwrap();
    assert_eq!(storage.get("full/a.backup").unwrap().unwrap(), vec![7; 1_000_000]);
    assert_eq!(keys(storage, ""), ["full/a.backup"]);
}

fn a_stream_keeps_the_order(storage: &Arc<dyn Storage>) {
    let lengths = [0, 1, 511, 70_000, 3, 262_143, 262_144, 262_145, 2_000_000, 5, 0, 100_000, 100_000, 100_000, 17];
    let mut stream = storage.put_stream("a").unwrap();
    let mut wanted = Vec::new();
    for length in lengths {
        let piece: Vec<u8> = (0..length).map(|at: usize| ((wanted.len() + at) * 31 % 251) as u8).collect();
        stream.write_all(&piece).unwrap();
        wanted.extend_from_slice(&piece);
    }
    stream.commit().unwrap();
    assert!(storage.get("a").unwrap().unwrap() == wanted, "the content differs");
}

fn a_dropped_stream_leaves_nothing(storage: &Arc<dyn Storage>) {
    let mut stream = storage.put_stream("full/a").unwrap();
    stream.write_all(&vec![7; 600_000]).unwrap();
    drop(stream);
    assert_eq!(keys(storage, ""), Vec::<String>::new());
    assert_eq!(storage.get("full/a").unwrap(), None);
    put_streamed(storage.as_ref(), "full/a", b"later").unwrap();
    assert_eq!(storage.get("full/a").unwrap().unwrap(), b"later");
}

fn a_stream_never_replaces(storage: &Arc<dyn Storage>) {
    let mut stream = storage.put_stream("a").unwrap();
    stream.write_all(b"late").unwrap();
    storage.put("a", b"early").unwrap();
    let refusal = stream.commit().unwrap_err();
    assert!(matches!(&refusal, StorageError::StorageExists { object, .. } if object == "a"), "{refusal:?}");
    assert_eq!(storage.get("a").unwrap().unwrap(), b"early");
    assert_eq!(keys(storage, ""), ["a"]);
}

fn an_empty_stream_makes_an_empty_object(storage: &Arc<dyn Storage>) {
    storage.put_stream("a").unwrap().commit().unwrap();
    assert_eq!(storage.get("a").unwrap().unwrap(), b"");
    assert_eq!(storage.open("a").unwrap().size_bytes(), 0);
}

fn ranged_reads_are_exact(storage: &Arc<dyn Storage>) {
    let content: Vec<u8> = (0..100_000_u32).map(|at| (at * 7 % 253) as u8).collect();
    put_streamed(storage.as_ref(), "a", &content).unwrap();
    let object = storage.open("a").unwrap();
    assert_eq!(object.size_bytes(), 100_000);
    for (offset, length) in [(0, 1), (0, 100_000), (99_999, 1), (12_345, 50_000), (100_000, 0), (0, 0)] {
        let mut buffer = vec![0; length];
        object.read_exact_at(offset as u64, &mut buffer).unwrap();
        assert!(buffer == content[offset..offset + length], "{length} bytes at {offset} differ");
    }
    for (offset, length) in [(0, 100_001), (99_999, 2), (100_000, 1), (u64::MAX, 1), (u64::MAX - 5, 100), (1 << 40, 1)]
    {
        let short = object.read_exact_at(offset, &mut vec![0; length]).unwrap_err();
        assert!(matches!(short, StorageError::StorageShort { size_bytes: 100_000, .. }), "{short:?}");
    }
}

fn listings_are_sorted_and_cut_by_prefix(storage: &Arc<dyn Storage>) {
    let all =
        ["a", "a.b", "ac/b/c", "ab/c", "full/1.backup", "full/1.json", "full/10.json", "full/2/x", "fuller/1", "z"];
    for key in all.iter().rev() {
        storage.put(key, key.as_bytes()).unwrap();
    }
    let mut sorted = all;
    sorted.sort_unstable();
    assert_eq!(keys(storage, ""), sorted);
    for prefix in ["a", "a/", "ac/", "ac/b", "full/", "full/1", "full/1.", "full", "nothing", "full/2/", "z", "z/"] {
        let wanted: Vec<_> = sorted.iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(keys(storage, prefix).iter().collect::<Vec<_>>(), wanted, "prefix {prefix:?}");
    }
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    for object in storage.list("").unwrap() {
        assert_eq!(object.size_bytes, object.key.len() as u64);
        assert!((object.modified_seconds - now).abs() < 3600, "{object:?}");
    }
}

fn a_folder_is_no_object(storage: &Arc<dyn Storage>) {
    storage.put("folder/a", b"x").unwrap();
    assert_eq!(storage.get("folder").unwrap(), None);
    assert_eq!(storage.size_bytes("folder").unwrap(), None);
    assert!(matches!(storage.open("folder"), Err(StorageError::StorageMissing { .. })));
    assert_eq!(storage.get("folder/a/b").unwrap(), None);
}

fn deleting_twice_is_no_error(storage: &Arc<dyn Storage>) {
    storage.put("folder/a", b"x").unwrap();
    storage.put("folder/ab", b"x").unwrap();
    storage.delete("folder/a").unwrap();
    storage.delete("folder/a").unwrap();
    storage.delete("nowhere/a").unwrap();
    assert_eq!(keys(storage, ""), ["folder/ab"]);
}

fn hostile_keys_are_refused(storage: &Arc<dyn Storage>) {
    fn refused<T>(what: &str, key: &str, result: Result<T, StorageError>) {
        assert!(matches!(result, Err(StorageError::StorageKey { .. })), "{what} took {key:?}");
    }
    for key in ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "./a", "a//b", "a/", "a\\b", "C:\\x", "a\0b"]
    {
        refused("put_stream", key, storage.put_stream(key));
        refused("put", key, storage.put(key, b""));
        refused("put_if_absent", key, storage.put_if_absent(key, b""));
        refused("get", key, storage.get(key));
        refused("open", key, storage.open(key));
        refused("open_append", key, storage.open_append(key));
        refused("size_bytes", key, storage.size_bytes(key));
        refused("delete", key, storage.delete(key));
        refused("sweep", key, storage.sweep(key));
        refused("sweep_folder", key, storage.sweep_folder(key));
        refused("settle", key, storage.settle(key));
        refused("try_lock", key, storage.try_lock(key, &|_| Vec::new()));
        refused("lock_holder", key, storage.lock_holder(key));
    }
    for prefix in ["/", "../", "..", "a/../", "//", "a//b", "/etc/"] {
        refused("list", prefix, storage.list(prefix));
    }
    assert_eq!(keys(storage, ""), Vec::<String>::new());
}

fn an_appended_object_grows(storage: &Arc<dyn Storage>) {
    let mut object = storage.open_append("wal/1/a.partial").unwrap();
    assert_eq!(object.size_bytes(), 0);
    object.sync().unwrap();
    assert_eq!(storage.get("wal/1/a.partial").unwrap().unwrap(), b"");
    object.write_at(0, b"first").unwrap();
    object.write_at(5, b", second").unwrap();
    object.write_at(0, b"F").unwrap();
    object.write_at(13, b"").unwrap();
    assert_eq!(object.size_bytes(), 13);
    object.sync().unwrap();
    drop(object);
    let mut object = storage.open_append("wal/1/a.partial").unwrap();
    assert_eq!(object.size_bytes(), 13);
    object.write_at(7, b"SECOND, third").unwrap();
    object.sync().unwrap();
    object.sync().unwrap();
    assert_eq!(object.size_bytes(), 20);
    assert_eq!(storage.get("wal/1/a.partial").unwrap().unwrap(), b"First, SECOND, third");
    // What a stream or a small write made can be gone on with, too.
    storage.put("b", b"put").unwrap();
    let mut object = storage.open_append("b").unwrap();
    object.write_at(3, b", appended").unwrap();
    object.sync().unwrap();
    assert_eq!(storage.get("b").unwrap().unwrap(), b"put, appended");
}

fn an_appended_object_is_like_any(storage: &Arc<dyn Storage>) {
    let mut object = storage.open_append("wal/a").unwrap();
    object.write_at(0, &[7; 10_000]).unwrap();
    object.sync().unwrap();
    drop(object);
    assert_eq!(keys(storage, "wal/"), ["wal/a"]);
    assert_eq!(storage.list("wal/").unwrap()[0].size_bytes, 10_000);
    assert_eq!(storage.size_bytes("wal/a").unwrap(), Some(10_000));
    let mut tail = [0; 100];
    storage.open("wal/a").unwrap().read_exact_at(9900, &mut tail).unwrap();
    assert_eq!(tail, [7; 100]);
    assert!(matches!(storage.put_if_absent("wal/a", b"x"), Err(StorageError::StorageExists { .. })));
    assert!(matches!(put_streamed(storage.as_ref(), "wal/a", b"x"), Err(StorageError::StorageExists { .. })));
    storage.sweep("wal/a").unwrap();
    assert_eq!(storage.size_bytes("wal/a").unwrap(), Some(10_000));
    storage.put("wal/a", b"replaced").unwrap();
    assert_eq!(storage.get("wal/a").unwrap().unwrap(), b"replaced");
    storage.delete("wal/a").unwrap();
    assert_eq!(storage.get("wal/a").unwrap(), None);
    assert_eq!(keys(storage, ""), Vec::<String>::new());
    // A name that a folder has is no object's, and stays a folder's.
    storage.put("folder/a", b"x").unwrap();
    assert!(storage.open_append("folder").is_err());
    assert_eq!(keys(storage, ""), ["folder/a"]);
}

fn an_appended_object_has_no_holes(storage: &Arc<dyn Storage>) {
    let mut object = storage.open_append("a").unwrap();
    object.write_at(0, b"0123456789").unwrap();
    for offset in [11, 1 << 20, u64::MAX] {
        let refusal = object.write_at(offset, b"x").unwrap_err();
        assert!(matches!(refusal, StorageError::StorageShort { size_bytes: 10, .. }), "{refusal:?}");
    }
    object.sync().unwrap();
    assert_eq!(storage.get("a").unwrap().unwrap(), b"0123456789");
    let mut buffer = [0; 4];
    object.read_exact_at(6, &mut buffer).unwrap();
    assert_eq!(&buffer, b"6789");
    for offset in [7, 10, u64::MAX] {
        let short = object.read_exact_at(offset, &mut buffer).unwrap_err();
        assert!(matches!(short, StorageError::StorageShort { size_bytes: 10, .. }), "{short:?}");
    }
}

fn readers_see_an_object_grow(storage: &Arc<dyn Storage>) {
    let mut object = storage.open_append("a").unwrap();
    for round in 0..5_u8 {
        object.write_at(u64::from(round) * 1000, &[round; 1000]).unwrap();
        object.sync().unwrap();
        let seen = storage.get("a").unwrap().unwrap();
        assert_eq!(seen.len(), 1000 * (usize::from(round) + 1));
        assert!(seen.chunks(1000).enumerate().all(|(at, piece)| piece == [at as u8; 1000]));
    }
}

fn no_update_is_lost(storage: &Arc<dyn Storage>) {
    // Where the kernel keeps others out, a lock of the caller's makes it one step.
    let is_alone = std::sync::Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let _alone = (storage.exclusion() == Exclusion::Kernel).then(|| is_alone.lock().unwrap());
                    storage.update("count", &mut |there| Some([there.unwrap_or_default(), b"x"].concat())).unwrap();
                }
            });
        }
    });
    assert_eq!(storage.get("count").unwrap().unwrap(), [b'x'; 20]);
    storage.update("count", &mut |there| there.is_none().then(Vec::new)).unwrap();
    assert_eq!(storage.size_bytes("count").unwrap(), Some(20));
}

fn an_upload_is_whole(storage: &Arc<dyn Storage>) {
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at * 11 % 249) as u8).collect();
    put_streamed(storage.as_ref(), "from", &content).unwrap();
    let object = storage.open("from").unwrap();
    storage.upload("full/to", object.as_ref()).unwrap();
    assert!(storage.get("full/to").unwrap().unwrap() == content, "the content differs");
    let refusal = storage.upload("full/to", object.as_ref()).unwrap_err();
    assert!(matches!(&refusal, StorageError::StorageExists { object, .. } if object == "full/to"), "{refusal:?}");
}

fn a_lock_is_confirmed(storage: &Arc<dyn Storage>) {
    let (mut guard, _) = take_lock(storage.as_ref(), "lock", "holder");
    guard.confirm().unwrap();
    guard.update_holder(b"later").unwrap();
    guard.confirm().unwrap();
    assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Alive(b"later".to_vec()));
    guard.release().unwrap();
}

fn published_objects_are_whole(storage: &Arc<dyn Storage>) {
    for key in ["wal/1/a", "wal/1/b"] {
        let mut stream = storage.put_stream(key).unwrap();
        stream.write_all(&vec![5; 700_000]).unwrap();
        assert_eq!(storage.get(key).unwrap(), None);
        stream.publish().unwrap();
        assert_eq!(storage.get(key).unwrap().unwrap(), vec![5; 700_000]);
    }
    let mut stream = storage.put_stream("wal/1/a").unwrap();
    stream.write_all(b"another").unwrap();
    assert!(matches!(stream.publish(), Err(StorageError::StorageExists { object, .. }) if object == "wal/1/a"));
    storage.settle("wal/1/a").unwrap();
    assert_eq!(storage.get("wal/1/a").unwrap().unwrap(), vec![5; 700_000]);
    assert_eq!(keys(storage, ""), ["wal/1/a", "wal/1/b"]);
}

fn a_sweep_of_a_folder_spares_objects_and_running_streams(storage: &Arc<dyn Storage>) {
    storage.put("full/a", b"object").unwrap();
    let mut stream = storage.put_stream("full/b").unwrap();
    stream.write_all(&vec![1; 500_000]).unwrap();
    stream.flush().unwrap();
    storage.sweep_folder("full/c").unwrap();
    stream.commit().unwrap();
    assert_eq!(storage.get("full/a").unwrap().unwrap(), b"object");
    assert_eq!(storage.size_bytes("full/b").unwrap(), Some(500_000));
}

fn a_sweep_spares_objects_and_running_streams(storage: &Arc<dyn Storage>) {
    storage.put("full/a", b"object").unwrap();
    let mut stream = storage.put_stream("full/b").unwrap();
    stream.write_all(&vec![1; 500_000]).unwrap();
    stream.flush().unwrap();
    storage.sweep("full/a").unwrap();
    storage.sweep("full/b").unwrap();
    stream.commit().unwrap();
    assert_eq!(storage.get("full/a").unwrap().unwrap(), b"object");
    assert_eq!(storage.size_bytes("full/b").unwrap(), Some(500_000));
}

fn a_lock_is_held_by_one(storage: &Arc<dyn Storage>) {
    let (mut guard, left) = take_lock(storage.as_ref(), "lock", "first");
    assert_eq!(left, None);
    assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Alive(b"first".to_vec()));
    let asked = AtomicUsize::new(0);
    let attempt = storage.try_lock("lock", &|_| {
        asked.fetch_add(1, Ordering::Relaxed);
        b"second".to_vec()
    });
    match attempt.unwrap() {
        LockAttempt::Held { holder } => assert_eq!(holder, b"first"),
        LockAttempt::Acquired { .. } => panic!("two hold one lock"),
    }
    assert_eq!(asked.into_inner(), 0, "the text was asked for without the lock");
    guard.update_holder(b"first, later").unwrap();
    assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Alive(b"first, later".to_vec()));
    assert!(
        matches!(storage.try_lock("lock", &|_| vec![]).unwrap(), LockAttempt::Held { holder } if holder == b"first, later")
    );
}

fn a_released_lock_leaves_no_holder(storage: &Arc<dyn Storage>) {
    for _ in 0..3 {
        let (mut guard, left) = take_lock(storage.as_ref(), "lock", "holder");
        assert_eq!(left, None);
        guard.update_holder(b"later").unwrap();
        guard.release().unwrap();
        assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Nobody);
    }
}

fn a_dropped_lock_leaves_its_text(storage: &Arc<dyn Storage>) {
    drop(take_lock(storage.as_ref(), "lock", "first"));
    assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Dead(b"first".to_vec()));
    // The next text is made from the dead one's, and replaces it in one step.
    let attempt = storage.try_lock("lock", &|left| [left.unwrap_or(b"nobody"), b" and second"].concat());
    match attempt.unwrap() {
        LockAttempt::Acquired { left_by_dead_holder, .. } => assert_eq!(left_by_dead_holder.unwrap(), b"first"),
        LockAttempt::Held { .. } => panic!("a dead holder holds"),
    }
    assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Dead(b"first and second".to_vec()));
    let (guard, left) = take_lock(storage.as_ref(), "lock", "third");
    assert_eq!(left.unwrap(), b"first and second");
    guard.release().unwrap();
    let (_guard, left) = take_lock(storage.as_ref(), "lock", "fourth");
    assert_eq!(left, None);
}

fn locks_of_different_keys_do_not_meet(storage: &Arc<dyn Storage>) {
    let (_one, _) = take_lock(storage.as_ref(), "lock", "one");
    let (_other, _) = take_lock(storage.as_ref(), "folder/lock", "other");
    assert_eq!(storage.lock_holder("folder/lock").unwrap(), LockHolder::Alive(b"other".to_vec()));
}

fn locks_are_not_listed(storage: &Arc<dyn Storage>) {
    let (guard, _) = take_lock(storage.as_ref(), "lock", "holder");
    assert_eq!(keys(storage, ""), Vec::<String>::new());
    assert_eq!(storage.get("lock").unwrap(), None);
    guard.release().unwrap();
    assert_eq!(keys(storage, ""), Vec::<String>::new());
}

fn one_taker_gets_the_lock(storage: &Arc<dyn Storage>) {
    for _ in 0..10 {
        let barrier = std::sync::Barrier::new(8);
        let guards: Vec<_> = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..8)
                .map(|taker| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let text = format!("taker {taker}");
                        barrier.wait();
                        match storage.try_lock("lock", &|_| text.clone().into_bytes()).unwrap() {
                            LockAttempt::Acquired { guard, .. } => Some(guard),
                            LockAttempt::Held { .. } => None,
                        }
                    })
                })
                .collect();
            takers.into_iter().filter_map(|taker| taker.join().unwrap()).collect()
        });
        assert_eq!(guards.len(), 1);
        for guard in guards {
            guard.release().unwrap();
        }
    }
}

fn readers_never_keep_a_taker_out(storage: &Arc<dyn Storage>) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    match storage.lock_holder("lock").unwrap() {
                        LockHolder::Nobody => {}
                        LockHolder::Alive(text) => assert!(text == b"taken" || text == b"later", "{text:?}"),
                        // Every holder here releases: none may be taken for dead.
                        LockHolder::Dead(text) => panic!("{:?} is alive", String::from_utf8_lossy(&text)),
                    }
                }
            });
        }
        let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..60 {
                let (mut guard, left) = take_lock(storage.as_ref(), "lock", "taken");
                assert_eq!(left, None);
                guard.update_holder(b"later").unwrap();
                guard.release().unwrap();
            }
        }));
        done.store(true, Ordering::Relaxed);
        if let Err(panic) = taken {
            std::panic::resume_unwind(panic);
        }
    });
}

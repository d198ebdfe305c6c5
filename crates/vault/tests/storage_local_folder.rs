//! What is particular to the local folder: modes, links, names of others, full disks.
#![cfg(unix)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // how often faults struck, seeds, what was skipped

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use vault::storage::conformance::{put_streamed, take_lock};
use vault::storage::{LocalFolder, Storage, StorageError};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_and_folders_are_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a/b");
    let storage = LocalFolder::new(&root);
    put_streamed(&storage, "full/x.backup", b"x").unwrap();
    storage.put("full/x.json", b"x").unwrap();
    storage.put_if_absent("wal/1/y", b"y").unwrap();
    storage.open_append("wal/1/z.partial").unwrap().write_at(0, b"z").unwrap();
    let (_guard, _) = take_lock(&storage, "lock", "holder");
    let stream = storage.put_stream("full/z.backup").unwrap();
    for made in ["..", ".", "full", "wal", "wal/1"] {
        assert_eq!(mode(&root.join(made)), 0o700, "{made}");
    }
    for folder in ["full", "wal/1", "."] {
        for name in names(&root.join(folder)) {
            let path = root.join(folder).join(&name);
            if path.is_file() {
                assert_eq!(mode(&path), 0o600, "{folder}/{name}");
            }
        }
    }
    assert_eq!(names(&root.join("full")).len(), 3, "the partial file is beside the others");
    drop(stream);
}

#[test]
fn the_modes_of_folders_that_were_there_stay() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["root", "root/full"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o750)).unwrap();
    }
    LocalFolder::new(&folder.path().join("root")).put("full/x", b"x").unwrap();
    assert_eq!((mode(&folder.path().join("root")), mode(&folder.path().join("root/full"))), (0o750, 0o750));
}

#[test]
fn the_partial_file_is_hidden_and_unmistakably_ours() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    let mut stream = storage.put_stream("full/x.backup").unwrap();
    stream.write_all(&[1; 300_000]).unwrap();
    let name = names(&folder.path().join("full")).pop().unwrap();
    assert!(name.starts_with(".x.backup.") && name.ends_with(".cadena-partial"), "{name}");
    stream.commit().unwrap();
    assert_eq!(names(&folder.path().join("full")), ["x.backup"]);
}

#[test]
fn a_stream_whose_process_died_is_swept_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    storage.put("full/x.backup", b"whole").unwrap();
    let left_overs = [".x.backup.0123456789abcdef.cadena-partial", ".x.backup.fedcba9876543210.cadena-partial"];
    let others =
        [".xx.backup.0123456789abcdef.cadena-partial", ".x.backup.swp", "x.backup.0123456789abcdef.cadena-partial"];
    for name in left_overs.iter().chain(&others) {
        fs::write(folder.path().join("full").join(name), "half").unwrap();
    }
    storage.sweep("full/x.backup").unwrap();
    let mut wanted = vec!["x.backup"];
    wanted.extend(others);
    wanted.sort_unstable();
    assert_eq!(names(&folder.path().join("full")), wanted);
}

#[test]
fn writes_and_deletes_never_follow_a_link_out_of_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir(&root).unwrap();
    fs::create_dir_all(outside.join("deep")).unwrap();
    for file in ["x", "deep/x", ".x.0123456789abcdef.cadena-partial"] {
        fs::write(outside.join(file), "outside").unwrap();
    }
    symlink("../outside", root.join("full")).unwrap();
    let storage = LocalFolder::new(&root);
    fn link<T>(what: &str, result: Result<T, StorageError>) {
        match result {
            Err(StorageError::StorageLink { link, .. }) => assert_eq!(link, "full"),
            Err(other) => panic!("{what}: {other:?}"),
            Ok(_) => panic!("{what} followed the link"),
        }
    }
    for key in ["full/x", "full/new", "full/deep/x"] {
        link("put", storage.put(key, b"inside"));
        link("put_if_absent", storage.put_if_absent(key, b"inside"));
        link("put_stream", storage.put_stream(key));
        link("open_append", storage.open_append(key));
        link("delete", storage.delete(key));
        link("sweep", storage.sweep(key));
        link("try_lock", storage.try_lock(key, &|_| Vec::new()));
    }
    assert_eq!(names(&outside), [".x.0123456789abcdef.cadena-partial", "deep", "x"]);
    assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "outside");
    // Reads follow it: archives that were moved to another disk still restore.
    assert_eq!(storage.get("full/x").unwrap().unwrap(), b"outside");
    assert_eq!(storage.size_bytes("full/deep/x").unwrap(), Some(7));
    let keys: Vec<_> = storage.list("full/").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["full/deep/x", "full/x"]);
}

#[test]
fn a_link_in_the_place_of_an_object_is_replaced_or_removed_and_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir(&root).unwrap();
    fs::write(&outside, "outside").unwrap();
    let storage = LocalFolder::new(&root);
    symlink("../outside", root.join("x")).unwrap();
    assert_eq!(storage.get("x").unwrap().unwrap(), b"outside");
    assert!(matches!(storage.put_if_absent("x", b"new"), Err(StorageError::StorageExists { .. })));
    assert!(matches!(put_streamed(&storage, "x", b"new"), Err(StorageError::StorageExists { .. })));
    assert!(matches!(storage.open_append("x").map(drop), Err(StorageError::StorageLink { .. })));
    storage.put("x", b"new").unwrap();
    assert_eq!(storage.get("x").unwrap().unwrap(), b"new");
    symlink("../outside", root.join("y")).unwrap();
    storage.delete("y").unwrap();
    // The lock's own files are no way out either.
    symlink("../outside", root.join(".lock.cadena-lock")).unwrap();
    assert!(matches!(storage.try_lock("lock", &|_| vec![]), Err(StorageError::StorageLink { .. })));
    assert_eq!(names(&root), [".lock.cadena-lock", "x"]);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "outside");
}

#[test]
fn a_folder_that_links_back_to_itself_is_listed_once() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    storage.put("full/x", b"x").unwrap();
    symlink("..", folder.path().join("full/back")).unwrap();
    symlink(".", folder.path().join("self")).unwrap();
    let keys = |prefix| storage.list(prefix).unwrap().into_iter().map(|object| object.key).collect::<Vec<_>>();
    assert_eq!(keys(""), ["full/x"]);
    assert!(keys("full/").contains(&"full/x".to_owned()));
}

#[test]
fn what_is_no_regular_file_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("fifo")).status().unwrap();
    assert!(made.success());
    symlink("nowhere", folder.path().join("dangling")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    for key in ["fifo", "dangling"] {
        // A FIFO that nobody writes to would stop a careless reader for ever.
        assert_eq!(storage.get(key).unwrap(), None, "{key}");
        assert_eq!(storage.size_bytes(key).unwrap(), None, "{key}");
        assert!(matches!(storage.open(key), Err(StorageError::StorageMissing { .. })), "{key}");
    }
    // Nor is it written into, or made where a dangling link points.
    for key in ["fifo", "dangling", "socket"] {
        assert!(storage.open_append(key).is_err(), "{key}");
    }
    assert!(!folder.path().join("nowhere").exists());
    assert_eq!(storage.list("").unwrap(), []);
}

#[test]
fn names_that_no_key_can_have_are_not_listed() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    for name in [&b"not \xff utf-8"[..], b"back\\slash", b"new\nline", b"c:olon", b".x.cadena-lock"] {
        fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    fs::write(folder.path().join("año ☃"), "x").unwrap();
    let keys: Vec<_> = storage.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["año ☃"]);
    assert_eq!(storage.get("año ☃").unwrap().unwrap(), b"x");
}

#[test]
fn a_listing_tolerates_files_that_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    storage.put("a/kept", b"x").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..400 {
                let (path, inner) = (folder.path().join(format!("a/{round}")), folder.path().join(format!("f{round}")));
                fs::write(&path, "x").unwrap();
                fs::create_dir(&inner).unwrap();
                fs::write(inner.join("x"), "x").unwrap();
                fs::remove_file(path).unwrap();
                fs::remove_dir_all(inner).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            assert!(storage.list("").unwrap().iter().any(|object| object.key == "a/kept"));
        }
    });
}

#[test]
fn a_folder_that_can_not_be_read_is_an_error_and_not_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    storage.put("full/x", b"x").unwrap();
    as_nobody(folder.path(), |storage| {
        assert!(matches!(storage.list(""), Err(StorageError::StorageDenied { .. })));
        assert!(matches!(storage.get("full/x"), Err(StorageError::StorageDenied { .. })));
        assert!(matches!(storage.put("full/y", b"y"), Err(StorageError::StorageDenied { .. })));
        assert!(matches!(storage.put_stream("z").err(), Some(StorageError::StorageDenied { .. })));
        assert!(matches!(storage.delete("full/x"), Err(StorageError::StorageDenied { .. })));
        assert!(matches!(storage.try_lock("lock", &|_| vec![]).err(), Some(StorageError::StorageDenied { .. })));
    });
    assert_eq!(storage.get("full/x").unwrap().unwrap(), b"x");
}

/// Runs `check` in a process of another user than root, from whom modes keep nothing.
fn as_nobody(root: &Path, check: impl Fn(&LocalFolder)) {
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    if !runs_as_root() {
        fs::set_permissions(root.join("full"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(root, fs::Permissions::from_mode(0o555)).unwrap();
        check(&LocalFolder::new(root));
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(root.join("full"), fs::Permissions::from_mode(0o700)).unwrap();
        return;
    }
    // SAFETY: the child of this fork is single-threaded, runs only `check`, and ends without returning.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: plain system calls of the child.
            unsafe {
                libc::setgid(65_534);
                libc::setuid(65_534);
            }
            let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&LocalFolder::new(root))));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(i32::from(passed.is_err())) };
        }
        child if child > 0 => {
            let mut status = 0;
            // SAFETY: waits for our own child.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child failed: status {status}");
        }
        error => panic!("fork: {error}"),
    }
}

fn runs_as_root() -> bool {
    // SAFETY: a plain system call.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn a_write_to_a_full_device_is_told_as_such_and_never_committed() {
    // /dev/full's own answer, through the same conversion that every write of ours takes.
    let error = fs::OpenOptions::new().write(true).open("/dev/full").unwrap().write_all(b"x").unwrap_err();
    let error = StorageError::from_io("here", "x", "write", &error);
    assert!(matches!(error, StorageError::StorageFull { .. }), "{error:?}");
    assert_eq!(serde_json::to_value(&error).unwrap()["key"], "storage-full");
    // Wrapped for io::Write, it is found again as it was.
    let wrapped = error.into_io();
    assert_eq!(wrapped.kind(), std::io::ErrorKind::StorageFull);
    assert!(
        matches!(StorageError::from_io("there", "y", "z", &wrapped), StorageError::StorageFull { object, .. } if object == "x")
    );
}

#[test]
fn a_root_that_is_a_file_is_an_error_for_writers() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("file");
    fs::write(&root, "mine").unwrap();
    let storage = LocalFolder::new(&root);
    assert!(matches!(storage.put("x", b"x"), Err(StorageError::StorageIo { .. })));
    assert_eq!(fs::read_to_string(&root).unwrap(), "mine");
}

#[test]
fn a_lock_file_that_was_removed_by_hand_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    let (guard, _) = take_lock(&storage, "lock", "first");
    guard.release().unwrap();
    fs::remove_file(folder.path().join(".lock.cadena-lock")).unwrap();
    let (_guard, left) = take_lock(&storage, "lock", "second");
    assert_eq!(left, None);
}

/// Not a test of right or wrong: prints how long 600 MB take to become durable, with our early write-back and without.
#[test]
#[ignore = "a measurement: run it alone, in release mode, with CADENA_TEST_MEASURE_FOLDER on the disk in question"]
fn measure_how_long_a_large_stream_takes() {
    let place = std::env::var_os("CADENA_TEST_MEASURE_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(place).unwrap();
    let piece: Vec<u8> = (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for round in 0..3 {
        let storage = LocalFolder::new(folder.path());
        let key = format!("stream{round}");
        let begin = std::time::Instant::now();
        let mut stream = storage.put_stream(&key).unwrap();
        for _ in 0..6000 {
            stream.write_all(&piece).unwrap();
        }
        let written = begin.elapsed();
        stream.commit().unwrap();
        println!("stream: written {written:?}, durable {:?}", begin.elapsed());
        storage.delete(&key).unwrap();

        let begin = std::time::Instant::now();
        let mut file = fs::File::create(folder.path().join("naive")).unwrap();
        for _ in 0..6000 {
            file.write_all(&piece).unwrap();
        }
        let written = begin.elapsed();
        file.sync_all().unwrap();
        println!("naive:  written {written:?}, durable {:?}", begin.elapsed());
        fs::remove_file(folder.path().join("naive")).unwrap();
    }
}

#[test]
fn readers_of_the_local_folder_see_an_object_grow_before_it_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::new(folder.path());
    let mut object = storage.open_append("a").unwrap();
    for round in 0..5_u8 {
        object.write_at(u64::from(round) * 1000, &[round; 1000]).unwrap();
        let seen = storage.get("a").unwrap().unwrap();
        assert_eq!(seen.len(), 1000 * (usize::from(round) + 1));
        assert!(seen.chunks(1000).enumerate().all(|(at, piece)| piece == [at as u8; 1000]));
    }
}

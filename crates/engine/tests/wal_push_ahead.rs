//! Segments that are archived before they are asked for: the same bytes, no error but their own, and nothing lost when a call dies.

mod wal_support;

use engine::wal::{PushOptions, PushOutcome, Pushed, push};
use pgformat::MajorVersion;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use testkit::{ClusterOptions, TestCluster};
use vault::repository::Repository;
use vault::storage::LocalFolder;
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::wal::SealOutcome;
use wal_support::{archive, assert_same_as_pg_wal, fill_segments, listed, repository_for};

fn options(ahead: usize) -> PushOptions<'static> {
    PushOptions { level: 1, jobs: 2, ahead, tool_version: "test" }
}

fn pushed(repository: &Repository, file: &Path, ahead: usize) -> Pushed {
    push(repository, file, &options(ahead)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn push_error(repository: &Repository, file: &Path) -> String {
    push(repository, file, &options(8)).unwrap_err().key()
}

fn new(ahead: usize) -> Pushed {
    Pushed { outcome: PushOutcome::Wal(SealOutcome::Archived), ahead }
}

const KNOWN: Pushed = Pushed { outcome: PushOutcome::Wal(SealOutcome::AlreadyThere), ahead: 0 };

/// A folder in memory where there is such a place: what these tests show does not hang on a disk.
fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A cluster that wants its segments archived, by a command that never does it, and the files that wait.
fn waiting(version: MajorVersion, segments: usize) -> (TestCluster, Vec<PathBuf>) {
    let options = ClusterOptions::default()
        .wal_segment_mb(1)
        .set("archive_mode", "on")
        .set("archive_command", "false")
        .set("max_wal_size", "512MB")
        .set("wal_keep_size", "512MB");
    let cluster = TestCluster::new(version, &options);
    fill_segments(&cluster, segments);
    let files = ready(&cluster.pg_wal());
    assert!(files.len() >= segments, "{files:?}");
    (cluster, files)
}

/// The segments that `archive_status` says wait, the oldest first.
fn ready(pg_wal: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(pg_wal.join("archive_status")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| name.strip_suffix(".ready").map(str::to_owned)).filter(|name| name.len() == 24);
    let mut files: Vec<_> = names.map(|name| pg_wal.join(name)).collect();
    files.sort();
    files
}

/// Some of the files, and what says that they wait, where a test may change them.
fn copied(files: &[PathBuf], folder: &Path) -> Vec<PathBuf> {
    let status = folder.join("archive_status");
    fs::create_dir_all(&status).unwrap();
    let copy = |file: &PathBuf| {
        let copy = folder.join(file.file_name().unwrap());
        fs::copy(file, &copy).unwrap();
        fs::write(status.join(format!("{}.ready", file.file_name().unwrap().to_str().unwrap())), "").unwrap();
        copy
    };
    files.iter().map(copy).collect()
}

/// Every file of the archive, hidden ones too, with its bytes.
fn stored(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let timelines = fs::read_dir(folder.join("wal")).unwrap().map(|entry| entry.unwrap().path());
    let files = timelines.filter(|path| path.is_dir()).flat_map(|path| fs::read_dir(path).unwrap());
    let mut stored: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    stored.sort();
    stored
}

/// Asserts that what is sealed under a file's name has its bytes.
fn assert_archived(repository: &Repository, file: &Path) {
    let archive = archive(repository);
    let size = archive.geometry().segment_size;
    let segment = pgformat::WalSegment::parse(file.file_name().unwrap().to_str().unwrap(), size).unwrap();
    let mut bytes = Vec::new();
    archive.read_sealed(segment, &mut bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(bytes == fs::read(file).unwrap(), "{} differs", file.display());
}

testkit::on_each_version!(one_call_archives_what_waits_behind_it_as_calls_one_by_one_do, |version| {
    let (cluster, files) = waiting(version, 12);
    let (one, many) = (fast_folder(), fast_folder());
    let (one_by_one, at_once) = (repository_for(&cluster, one.path()), repository_for(&cluster, many.path()));
    for file in &files {
        assert_eq!(pushed(&one_by_one, file, 0), new(0));
    }
    for (number, file) in files.iter().enumerate() {
        let left = files.len() - number - 1;
        let wanted = if number % 5 == 0 { new(left.min(4)) } else { KNOWN };
        assert_eq!(pushed(&at_once, file, 4), wanted, "{}", file.display());
        let sealed = (number - number % 5 + 5).min(files.len());
        assert_eq!(listed(&at_once).len(), sealed);
        assert_archived(&at_once, file);
    }
    assert!(stored(one.path()) == stored(many.path()), "the archives differ");
    assert_eq!(assert_same_as_pg_wal(&cluster, &at_once), files.len());
});

#[test]
fn nothing_is_archived_ahead_that_no_server_has_marked() {
    let (cluster, files) = waiting(MajorVersion::V16, 6);
    let folder = fast_folder();
    // Not pg_wal.
    let plain = folder.path().join("plain");
    let copies = copied(&files, &plain);
    fs::remove_dir_all(plain.join("archive_status")).unwrap();
    let repository = repository_for(&cluster, &folder.path().join("1"));
    assert_eq!(pushed(&repository, &copies[0], 8), new(0));
    // The third is not marked: what is behind it was marked before it was.
    let gap = folder.path().join("gap");
    let copies = copied(&files, &gap);
    let mark = |file: &Path, suffix: &str| {
        gap.join("archive_status").join(format!("{}.{suffix}", file.file_name().unwrap().to_str().unwrap()))
    };
    fs::rename(mark(&copies[2], "ready"), mark(&copies[2], "done")).unwrap();
    let repository = repository_for(&cluster, &folder.path().join("2"));
    assert_eq!(pushed(&repository, &copies[0], 8), new(1));
    assert_eq!(listed(&repository).len(), 2);
    // The end of a timeline.
    let partial = gap.join(format!("{}.partial", copies[3].file_name().unwrap().to_str().unwrap()));
    fs::copy(&copies[3], &partial).unwrap();
    let repository = repository_for(&cluster, &folder.path().join("3"));
    assert_eq!(pushed(&repository, &partial, 8), new(0));
    // Switched off.
    assert_eq!(pushed(&repository, &copies[3], 0), new(0));
    assert_eq!(pushed(&repository, &copies[4], 8), new(copies.len() - 5));
}

#[test]
fn what_is_wrong_with_a_segment_is_told_when_it_is_asked_for_and_not_before() {
    let (cluster, files) = waiting(MajorVersion::V17, 8);
    let (other, foreign) = waiting(MajorVersion::V17, 8);
    let folder = fast_folder();
    let bad_record = |file: &Path| {
        let mut bytes = fs::read(file).unwrap();
        bytes[1000] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    let same_name = |file: &Path| foreign.iter().find(|other| other.file_name() == file.file_name()).unwrap().clone();
    let half = |file: &Path| fs::write(file, &fs::read(file).unwrap()[..500_000]).unwrap();
    type Spoil<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Spoil<'_>); 5] = [
        ("wal-invalid", &bad_record),
        ("wal-invalid", &half),
        ("wal-invalid", &|file| fs::write(file, "").unwrap()),
        ("wal-file", &|file| fs::remove_file(file).unwrap()),
        ("wal-foreign", &|file| fs::copy(same_name(file), file).map(|_| ()).unwrap()),
    ];
    for (number, (key, spoil)) in cases.into_iter().enumerate() {
        for place in 1..4 {
            let place_folder = folder.path().join(format!("{number}-{place}"));
            let copies = copied(&files[1..7], &place_folder);
            let repository = repository_for(&cluster, &place_folder.join("repository"));
            spoil(&copies[place]);
            let first = pushed(&repository, &copies[0], 8);
            assert_eq!(first.outcome, new(0).outcome, "{key} {place}");
            for (at, copy) in copies.iter().enumerate() {
                if at == place {
                    assert_eq!(push_error(&repository, copy), key, "{key} {place}");
                } else {
                    pushed(&repository, copy, 8);
                    assert_archived(&repository, copy);
                }
            }
            assert_eq!(stored(&place_folder.join("repository")).len(), copies.len() - 1, "{key} {place}: left-overs");
        }
    }
    // One that was archived with other bytes before.
    let copies = copied(&files[..4], &folder.path().join("conflict"));
    let repository = repository_for(&cluster, &folder.path().join("conflict").join("repository"));
    let original = fs::read(&copies[2]).unwrap();
    // The last byte of the unused rest, which no checksum of a record covers.
    let mut bytes = original.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&copies[2], &bytes).unwrap();
    pushed(&repository, &copies[2], 0);
    fs::write(&copies[2], &original).unwrap();
    assert_eq!(pushed(&repository, &copies[0], 8), new(2));
    assert_eq!(pushed(&repository, &copies[1], 8), KNOWN);
    assert_eq!(push_error(&repository, &copies[2]), "wal-conflict");
    assert_eq!(pushed(&repository, &copies[3], 8), KNOWN);
    drop(other);
}

#[test]
fn a_fault_at_any_step_fails_the_one_that_is_asked_for_only_when_it_is_its_own() {
    let (cluster, files) = waiting(MajorVersion::V18, 3);
    let files = &files[..3];
    let asked = files[0].file_name().unwrap().to_str().unwrap();
    let run = |folder: &Path, at: usize, mode: FaultMode| {
        drop(repository_for(&cluster, folder));
        let storage = Arc::new(FaultyStorage::new(Arc::new(LocalFolder::new(folder)), at, mode));
        let pushed = Repository::open(storage.clone())
            .map_err(engine::Error::from)
            .and_then(|repository| push(&repository, &files[0], &options(8)));
        (storage.calls(), pushed)
    };
    let folder = fast_folder();
    let (calls, outcome) = run(&folder.path().join("none"), 0, FaultMode::Fail);
    assert_eq!(outcome.unwrap(), new(2));
    assert!(calls.len() > 15, "{calls:?}");
    let mut spared = 0;
    for mode in FaultMode::ALL {
        for at in 1..=calls.len() {
            let folder = folder.path().join(format!("{mode:?}-{at}"));
            let (made, outcome) = run(&folder, at, mode);
            let when = format!("{mode:?} at call {at}, {}", made[at - 1]);
            let is_single = matches!(mode, FaultMode::Fail | FaultMode::FailAfterwards | FaultMode::Full);
            let is_anothers =
                files[1..].iter().any(|file| made[at - 1].contains(file.file_name().unwrap().to_str().unwrap()));
            if is_single && is_anothers {
                assert!(outcome.is_ok(), "{when}: {outcome:?}");
                spared += 1;
            }
            let repository = Repository::open(Arc::new(LocalFolder::new(&folder))).unwrap();
            if outcome.is_ok() {
                assert_archived(&repository, &files[0]);
            }
            // What is visible is right, whatever happened; and everything goes on from there.
            for (name, _) in if folder.join("wal").exists() { stored(&folder) } else { Vec::new() } {
                let name = name.file_name().unwrap().to_str().unwrap().to_owned();
                if let Some(file) =
                    files.iter().find(|file| name.starts_with(file.file_name().unwrap().to_str().unwrap()))
                {
                    assert_archived(&repository, file);
                }
            }
            for file in files {
                pushed(&repository, file, 8);
                assert_archived(&repository, file);
            }
            assert_eq!(listed(&repository).len(), files.len(), "{when}");
            assert!(stored(&folder).iter().any(|(name, _)| name.to_str().unwrap().contains(asked)), "{when}");
            fs::remove_dir_all(&folder).unwrap();
        }
    }
    assert!(spared >= 15, "{spared}");
}

#[test]
fn calls_at_once_archive_each_segment_once_and_all_are_told_the_same() {
    let (cluster, files) = waiting(MajorVersion::V17, 10);
    let reference = fast_folder();
    let repository = repository_for(&cluster, reference.path());
    for file in &files {
        pushed(&repository, file, 0);
    }
    for round in 0..15 {
        let folder = fast_folder();
        let repository = repository_for(&cluster, folder.path());
        let barrier = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for from in [0, 0, round % 6] {
                let (repository, files, barrier) = (&repository, &files, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for file in &files[from..] {
                        pushed(repository, file, 8);
                        assert_archived(repository, file);
                    }
                });
            }
        });
        assert!(stored(folder.path()) == stored(reference.path()), "round {round}");
    }
}

#[test]
fn what_killed_calls_left_is_removed_once_in_sixty_four_segments() {
    let (cluster, files) = waiting(MajorVersion::V15, 66);
    let folder = fast_folder();
    let repository = repository_for(&cluster, folder.path());
    pushed(&repository, &files[0], 0);
    let left = folder.path().join("wal/00000001").join(".000000010000000000000003.zst.0123456789abcdef.cadena-partial");
    fs::write(&left, "half").unwrap();
    for file in &files[1..] {
        pushed(&repository, file, 8);
        // Of one segment of 1 MiB to the next, the number goes up by one.
        if file.file_name().unwrap().to_str().unwrap() >= "000000010000000000000040" {
            assert!(!left.exists());
        } else if file.file_name().unwrap().to_str().unwrap() < "000000010000000000000038" {
            assert!(left.exists(), "{}", file.display());
        }
    }
    assert!(!left.exists());
    assert_eq!(stored(folder.path()).len(), files.len());
}

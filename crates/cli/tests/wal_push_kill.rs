//! `wal-push` killed in the middle of archiving ahead: what was told to the server as done is there, and whole; nothing half is
//! ever visible; and what was not told is brought again.

#![cfg(unix)]

mod common;

use cadena::repository::Repository;
use cadena::storage::LocalFolder;
use cadena::wal_archive::WalArchive;
use common::Cadena;
use pgformat::{MajorVersion, WalSegment};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::{ClusterOptions, TestCluster, is_available};

const KILLS: u32 = 30;

/// The segments that a server wants archived, the oldest first.
fn waiting(cluster: &TestCluster) -> Vec<PathBuf> {
    let names = fs::read_dir(cluster.pg_wal().join("archive_status")).expect("archive_status");
    let names =
        names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".ready").map(str::to_owned));
    let mut files: Vec<_> = names.map(|name| cluster.pg_wal().join(name)).collect();
    files.sort();
    files
}

/// Asserts that every visible segment is whole and right, and returns how many of `files` are there.
fn assert_what_is_visible_is_right(repository: &Path, files: &[PathBuf]) -> Vec<bool> {
    let repository = Repository::open(Arc::new(LocalFolder::new(repository))).expect("a repository");
    let Some(archive) = WalArchive::open(&repository).expect("an archive") else { return vec![false; files.len()] };
    let size = archive.geometry().segment_size;
    let mut bytes = Vec::new();
    let is_there = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let segment = WalSegment::parse(name, size).expect("a segment");
        if !archive.is_sealed(segment).expect("an answer") {
            return false;
        }
        archive.read_sealed(segment, &mut bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(bytes == fs::read(file).expect("the segment"), "{name} differs");
        true
    };
    files.iter().map(is_there).collect()
}

#[test]
fn a_call_that_is_killed_while_it_archives_ahead_loses_nothing() {
    if !is_available(MajorVersion::V17) {
        return;
    }
    let options = ClusterOptions::default()
        .wal_segment_mb(1)
        .set("archive_mode", "on")
        .set("archive_command", "false")
        .set("wal_keep_size", "256MB");
    let cluster = TestCluster::new(MajorVersion::V17, &options);
    let cadena = Cadena::new()
        .variable("DB_HOST", &cluster.socket_folder().display().to_string())
        .variable("DB_PORT", &cluster.port().to_string())
        .variable("DB_USER", cluster.user());
    assert_eq!(cadena.run(&["init"]).code, 0);
    // Full of rows, so that compressing them takes a while.
    cluster
        .sql("CREATE TABLE item AS SELECT g, md5(g::text) FROM generate_series(1, 150000) g; SELECT pg_switch_wal()");
    let files = waiting(&cluster);
    assert!(files.len() > 9, "{files:?}");
    let repository = cadena.path("backups_incrementales");
    let wal = repository.join("wal/00000001");

    // How long a call takes that is left alone, to kill within it.
    let whole = {
        let begin = Instant::now();
        assert_eq!(cadena.run(&["wal-push", &files[0].display().to_string()]).code, 0);
        begin.elapsed()
    };
    fs::remove_dir_all(&wal).expect("the archive");

    let (mut killed, mut done, mut in_the_middle) = (0, 0, 0);
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let deadline = Instant::now() + Duration::from_secs(240);
    while killed < KILLS {
        assert!(Instant::now() < deadline, "{killed} kills only");
        if done == files.len() {
            // Begin anew.
            fs::remove_dir_all(&wal).expect("the archive");
            done = 0;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let patience = whole.mul_f64((random >> 40) as f64 / f64::from(1 << 24));
        let mut call = cadena
            .command(&["wal-push", &files[done].display().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        std::thread::sleep(patience);
        let ended = call.try_wait().expect("a process");
        if ended.is_none() {
            call.kill().expect("a process");
        }
        // A kill may come too late for what has ended meanwhile.
        let status = call.wait().expect("a process");
        if status.success() {
            done += 1;
        } else {
            assert_eq!(status.code(), None, "it failed by itself");
            killed += 1;
        }
        let there = assert_what_is_visible_is_right(&repository, &files);
        assert!(there[..done].iter().all(|there| *there), "{done} were done: {there:?}");
        in_the_middle += u32::from(!status.success() && there[done..].iter().any(|there| *there));
    }
    // Not all of them were killed before the first or after the last was visible.
    assert!(in_the_middle > 0, "no call was killed in the middle");
    for file in &files {
        let answer = cadena.run(&["wal-push", &file.display().to_string(), "--json"]);
        assert_eq!(answer.code, 0, "{answer:?}");
    }
    assert!(assert_what_is_visible_is_right(&repository, &files).iter().all(|there| *there));
}

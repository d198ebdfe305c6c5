//! A restore that is killed at any point leaves a directory that can't be started, and the next restore puts it right.

#![allow(clippy::print_stdout, reason = "how often the kills came in time is worth reading")]

mod restore_support;

use engine::restore::{MARKER_FILE, RestoreRequest, RestoreSelector, apply, plan};
use engine::{Cancel, SilentProgress};
use restore_support::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vault::repository::Repository;
use vault::storage::LocalFolder;

const FOLDER: &str = "CADENA_TEST_RESTORE_FOLDER";

fn request(folder: &Path) -> RestoreRequest {
    RestoreRequest {
        selector: RestoreSelector::Latest,
        target: Some(folder.join("parent/data")),
        tablespaces: vec![("fast".to_owned(), folder.join("tablespace"))],
        owner: None,
        jobs: 2,
        over: false,
        recovery: Default::default(),
    }
}

/// Run by the tests below in a process of its own.
#[test]
#[ignore = "the victim of the tests in this file"]
fn victim() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("started by another test"));
    let repository = Repository::open(Arc::new(LocalFolder::new(&folder.join("repository")))).unwrap();
    let plan = plan(&repository, &request(&folder)).unwrap();
    apply(&repository, &plan, &SilentProgress, &Cancel::new()).unwrap();
}

fn start_victim(folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn sandbox() -> (Sandbox, Members) {
    let sandbox = Sandbox::new();
    let mut members = cluster_members();
    members.insert(6, directory("pg_tblspc/16400"));
    members.insert(7, file("pg_tblspc/16400/rows", relation(700, 0)));
    for number in 0..600 {
        members.insert(8, file(&format!("base/1/{}", 20_000 + number), relation(number % 3, 0)));
    }
    members.insert(8, file("base/1/19999", relation(3000, 0)));
    seal(&sandbox.repository, &members, &Sealing::default(), |record| {
        record.tablespaces = vec![tablespace(16400, "fast", Path::new("/nonexistent/old"))];
    });
    (sandbox, members)
}

fn has_control_file(target: &Path) -> bool {
    target.join("global/pg_control").exists()
}

#[test]
fn killed_at_any_point_it_is_never_startable_and_runs_again() {
    let (sandbox, members) = sandbox();
    let folder = sandbox.folder.path();
    let target = folder.join("parent/data");
    let started = Instant::now();
    assert!(start_victim(folder).wait().unwrap().success());
    let whole = started.elapsed();
    assert_whole(folder, &members);

    let rounds = 12;
    let (mut killed_while_writing, mut ended) = (0, 0);
    for round in 0..rounds {
        std::fs::remove_dir_all(folder.join("parent")).unwrap();
        std::fs::remove_dir_all(folder.join("tablespace")).unwrap();
        // Kill it again and again on its own remains, then let it end.
        for attempt in 0..2 {
            let mut victim = start_victim(folder);
            let delay = whole.mul_f64(f64::from((round * 2 + attempt) * 7 % 24) / 24.0);
            std::thread::sleep(delay);
            let ended_by_itself = victim.try_wait().unwrap().is_some();
            victim.kill().unwrap();
            let status = victim.wait().unwrap();
            if ended_by_itself || status.success() {
                ended += 1;
                break;
            }
            if target.join(MARKER_FILE).exists() && !has_control_file(&target) {
                killed_while_writing += 1;
            }
            if has_control_file(&target) {
                // The very end: everything was durable before the control file was.
                break;
            }
        }
        if !has_control_file(&target) {
            let repository = &sandbox.repository;
            let plan = plan(repository, &request(folder)).unwrap();
            apply(repository, &plan, &SilentProgress, &Cancel::new()).unwrap();
        }
        assert_whole(folder, &members);
    }
    println!(
        "{rounds} rounds: {killed_while_writing} kills while writing, {ended} came too late; one restore takes {whole:?}"
    );
    assert!(killed_while_writing > 0, "no kill came while files were written");
}

/// Everything is there, byte for byte, but for files that a kill at the very end may have left: the markers.
fn assert_whole(folder: &Path, members: &Members) {
    for (path, content) in members {
        let path = String::from_utf8(path.clone()).unwrap();
        if path == "postgresql.auto.conf" {
            continue;
        }
        let place = folder.join("parent/data").join(&path);
        match content {
            Some(content) => assert!(std::fs::read(&place).unwrap() == *content, "{path}"),
            None => assert!(place.is_dir(), "{path}"),
        }
    }
}

#[test]
fn two_restores_into_one_target_do_not_mix() {
    let (sandbox, members) = sandbox();
    let folder = sandbox.folder.path();
    let mut victims: Vec<_> = (0..4).map(|_| start_victim(folder)).collect();
    let deadline = Instant::now() + Duration::from_secs(120);
    while victims.iter_mut().any(|victim| victim.try_wait().unwrap().is_none()) {
        assert!(Instant::now() < deadline, "a restore hangs");
        std::thread::sleep(Duration::from_millis(20));
    }
    let successes = victims.iter_mut().map(|victim| victim.wait().unwrap()).filter(|status| status.success()).count();
    assert_eq!(successes, 1);
    assert_whole(folder, &members);
    assert!(
        !folder.join("parent/data").join(MARKER_FILE).exists() && !folder.join("tablespace").join(MARKER_FILE).exists()
    );
}

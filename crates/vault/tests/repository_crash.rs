//! Processes that race, and processes that are killed: the test binary runs itself again as the child.
#![cfg(unix)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // how often faults struck, seeds, what was skipped

mod repository_common;

use repository_common::*;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use vault::repository::*;
use vault::storage::{LocalFolder, LockHolder, Storage};

const FOLDER_VARIABLE: &str = "CADENA_TEST_CHILD_FOLDER";
const NOON: &str = "2026-11-24T12:00:00";

/// A child of ours; killed at the latest when the test ends, however it ends.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts this binary again with one of the `child_…` functions below.
    fn start(role: &str, folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", role, "--ignored", "--nocapture", "--test-threads=1"])
            .env(FOLDER_VARIABLE, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Running { child, output }
    }

    /// Waits until the child has said a line.
    fn wait_for(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim() != wanted {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the child ended before it said {wanted:?}");
        }
    }

    /// Waits for the child's end and returns what else it had said, whole lines only.
    fn rest(mut self) -> (ExitStatus, Vec<String>) {
        drop(self.child.stdin.take());
        let mut output = String::new();
        self.output.read_to_string(&mut output).unwrap();
        let lines =
            output.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect();
        (self.child.wait().unwrap(), lines)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn after(lines: &[String], prefix: &str) -> Vec<String> {
    lines.iter().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
}

/// Runs in a child only.
fn child_folder() -> PathBuf {
    PathBuf::from(std::env::var_os(FOLDER_VARIABLE).expect("run by the tests of this file only"))
}

fn say(line: &str) {
    // One write, so that a line is whole or not there when we are killed.
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// A generator whose seed is printed, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
#[ignore = "a child of another test"]
fn child_commits_until_it_is_killed() {
    let repository = reopen(&child_folder());
    say("ready");
    for round in 0_u64.. {
        let most = if round % 3 == 0 { 2_000_000 } else { 60_000 };
        let content = vec![round as u8; 1000 + (round as usize * 790_190) % most];
        let id = match round % 4 {
            0 => {
                let mut slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
                let record = failed(&slot);
                drop(write_archive(&mut slot, &content).unwrap());
                slot.fail(&record).unwrap();
                continue;
            }
            1 => back_up(&repository, BackupKind::Incremental, &at(NOON), &content),
            _ => back_up(&repository, BackupKind::Full, &at(NOON), &content),
        };
        say(&format!("committed {}", id.unwrap()));
    }
}

#[test]
fn a_process_killed_at_any_point_leaves_a_consistent_repository() {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut folder = fast_folder();
    let mut repository = create(folder.path());
    let mut committed = BTreeSet::new();
    let mut seen_ids = BTreeSet::new();
    let (mut commits, mut interrupted, mut partial) = (0, 0, 0);
    for round in 0..600 {
        // How many kills strike a running backup depends on the machine: it goes on until enough have.
        if round >= 120 && interrupted > 10 && partial > 0 {
            break;
        }
        let when = format!("seed {seed}, round {round}");
        if round % 10 == 0 {
            // Reading many old records would take most of a backup's time, and most of the kills.
            folder = fast_folder();
            repository = create(folder.path());
            committed.clear();
            seen_ids.clear();
        }
        let mut child = Running::start("child_commits_until_it_is_killed", folder.path());
        child.wait_for("ready");
        std::thread::sleep(Duration::from_micros(dice.below(40_000)));
        child.child.kill().unwrap();
        let ids = after(&child.rest().1, "committed ");
        commits += ids.len();
        committed.extend(ids.iter().map(|id| BackupId(id.parse().unwrap())));

        let contents = assert_consistent(folder.path(), &when);
        assert_eq!(contents.running, None, "{when}");
        partial += usize::from(!partials(folder.path()).is_empty());
        for id in &committed {
            let record = contents.records.iter().find(|record| record.id == *id);
            assert_eq!(record.map(|record| record.state), Some(BackupState::Completed), "{when}: {id} was committed");
        }
        let newest_id = contents.records.iter().map(|record| record.id).max();
        if let Some(dead) = &contents.interrupted {
            interrupted += 1;
            assert!(seen_ids.iter().all(|seen| *seen < dead.id), "{when}: id {} was used again", dead.id);
        }

        // Every other time the next child sweeps up, and may be killed while it does.
        if dice.below(2) == 0 {
            let id = back_up(&repository, BackupKind::Full, &at(NOON), b"next").unwrap();
            assert!(newest_id.is_none_or(|newest| newest < id), "{when}: {id} is not above {newest_id:?}");
            committed.insert(id);
            assert_swept(folder.path(), &when);
            let after = repository.contents().unwrap();
            seen_ids.extend(after.records.iter().map(|record| record.id));
            if let Some(dead) = contents.interrupted {
                let record = after.records.iter().find(|record| record.id == dead.id).unwrap();
                assert_eq!(record.error.as_ref().unwrap()["key"], "backup-interrupted", "{when}");
            }
        }
    }
    println!("{commits} commits, {interrupted} interrupted backups, {partial} with partial files");
    assert!(interrupted > 10, "only {interrupted} kills struck a running backup");
    assert!(partial > 0, "no kill left a partial file");
}

#[test]
#[ignore = "a child of another test"]
fn child_races_for_the_lock() {
    let repository = reopen(&child_folder());
    say("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    match repository.begin_backup(BackupKind::Full, &at(NOON)) {
        Ok(slot) => {
            say(&format!("won {}", slot.id()));
            // Holds it until the parent has heard from all.
            std::io::stdin().read_line(&mut line).unwrap();
            drop(slot);
        }
        Err(RepositoryError::RepositoryBusy { pid, .. }) => say(&format!("busy {pid}")),
        Err(error) => say(&format!("error {error}")),
    }
    say("done");
}

#[test]
fn of_eight_processes_that_race_exactly_one_begins() {
    let folder = fast_folder();
    create(folder.path());
    for round in 1..=5_u64 {
        let mut children: Vec<_> = (0..8).map(|_| Running::start("child_races_for_the_lock", folder.path())).collect();
        for child in &mut children {
            child.wait_for("ready");
        }
        for child in &mut children {
            writeln!(child.child.stdin.as_ref().unwrap(), "go").unwrap();
        }
        // Everybody who loses ends by itself; the winner waits for us.
        let deadline = Instant::now() + Duration::from_secs(60);
        while children.iter_mut().filter_map(|child| child.child.try_wait().unwrap()).count() < 7 {
            assert!(Instant::now() < deadline, "more than one holds the lock, or nobody answers");
            std::thread::sleep(Duration::from_millis(5));
        }
        let winner = children.iter_mut().position(|child| child.child.try_wait().unwrap().is_none());
        let winner = &mut children[winner.expect("nobody won")];
        let winner_pid = winner.child.id();
        winner.wait_for(&format!("won {round}"));
        let contents = reopen(folder.path()).contents().unwrap();
        assert_eq!(contents.running.as_ref().map(|running| running.pid), Some(winner_pid));
        let mut busy = Vec::new();
        for child in children {
            let (status, lines) = child.rest();
            assert!(status.success(), "{lines:?}");
            assert!(after(&lines, "won ").is_empty(), "a second one won: {lines:?}");
            busy.extend(after(&lines, "busy "));
        }
        assert_eq!(busy, vec![winner_pid.to_string(); 7], "the losers are told who won");
    }
    assert_swept(folder.path(), "after the races");
}

#[test]
#[ignore = "a child of another test"]
fn child_commits_ten_as_often_as_it_may() {
    let repository = reopen(&child_folder());
    let mut left = 10;
    let deadline = Instant::now() + Duration::from_secs(120);
    while left > 0 {
        assert!(Instant::now() < deadline, "starved");
        match back_up(&repository, BackupKind::Full, &at(NOON), &[left; 3000]) {
            Ok(id) => {
                left -= 1;
                say(&format!("committed {id}"));
            }
            Err(RepositoryError::RepositoryBusy { .. }) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn ids_and_names_are_unique_among_processes() {
    let folder = fast_folder();
    create(folder.path());
    let children: Vec<_> =
        (0..4).map(|_| Running::start("child_commits_ten_as_often_as_it_may", folder.path())).collect();
    let mut ids: Vec<u64> = children
        .into_iter()
        .flat_map(|child| after(&child.rest().1, "committed "))
        .map(|id| id.parse().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
    assert_swept(folder.path(), "after forty backups of four processes");
}

#[test]
#[ignore = "a child of another test"]
fn child_holds_the_lock() {
    let storage = LocalFolder::new(&child_folder());
    let attempt = storage.try_lock("lock", &|_| b"child".to_vec()).unwrap();
    say("ready");
    // Until it is killed.
    std::thread::park();
    drop(attempt);
}

#[test]
fn a_killed_holder_is_dead_at_once_and_its_text_remains() {
    let folder = fast_folder();
    let storage = LocalFolder::new(folder.path());
    for _ in 0..5 {
        let mut child = Running::start("child_holds_the_lock", folder.path());
        child.wait_for("ready");
        assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Alive(b"child".to_vec()));
        drop(child);
        assert_eq!(storage.lock_holder("lock").unwrap(), LockHolder::Dead(b"child".to_vec()));
    }
}

#[test]
fn a_child_between_fork_and_exec_does_not_keep_a_lock_that_was_released() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let slot = repository.begin_backup(BackupKind::Full, &at(NOON)).unwrap();
    // It has our descriptors, and with them our kernel locks, until it executes another program, which it never does.
    // SAFETY: the child only waits for its end.
    let child = unsafe { libc::fork() };
    if child == 0 {
        loop {
            // SAFETY: a plain system call.
            unsafe { libc::pause() };
        }
    }
    assert!(child > 0, "fork failed");
    drop(slot);
    let next = repository.begin_backup(BackupKind::Full, &at(NOON));
    // SAFETY: ends and awaits our own child.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    drop(next.unwrap());
}

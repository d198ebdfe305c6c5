//! The daemon as a process, and a client that writes a row every so often and remembers what the server acknowledged.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::common::{Answer, Cadena};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use testkit::{ClusterOptions, TestCluster};

/// How long anything may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Returns the settings of a cluster whose WAL is streamed: commit times are kept, as the oracle of what was when.
pub fn streamed_options() -> ClusterOptions {
    ClusterOptions::default()
        .set("track_commit_timestamp", "on")
        .set("wal_keep_size", "1GB")
        .set("max_wal_senders", "10")
        .set("max_replication_slots", "10")
        .set("autovacuum_naptime", "1s")
}

/// Waits until `done` says so.
#[track_caller]
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// `cadena start`, running. Dropped, it is killed.
pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// The receiver alone: a test that takes its own backups wants no others.
    pub fn start(cadena: &Cadena) -> Self {
        Self::start_with(cadena, &["--no-schedule"])
    }

    /// The daemon with options of its own.
    pub fn start_with(cadena: &Cadena, options: &[&str]) -> Self {
        let arguments = [&["start", "--quiet"], options].concat();
        let mut command = cadena.command(&arguments);
        if std::env::var_os("CADENA_TEST_BLIND_DAEMON").is_some() {
            // In an encrypted repository: it writes what it can't read.
            command.env_remove("CADENA_IDENTITY");
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Daemon { child: child.unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap_or_else(|error| panic!("{error}"));
        self.child.wait().unwrap_or_else(|error| panic!("{error}"));
    }

    /// SIGTERM, and its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap_or_else(|error| panic!("{error}"));
        self.child.wait().unwrap_or_else(|error| panic!("{error}")).code()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Resident memory in KiB, as the kernel counts its high-water mark.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The daemon's log.
pub fn daemon_log(cadena: &Cadena) -> String {
    std::fs::read_to_string(cadena.path("backups_incrementales/backup_scheduler.log")).unwrap_or_default()
}

/// Writes rows into `clock` until it is stopped; when the server goes away it connects again to whoever is named now.
pub struct Clock {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<u64>>>,
    server: Arc<Mutex<Option<Arc<TestCluster>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    /// Begins with row 1 after the last one there.
    pub fn start(server: Arc<TestCluster>, pause: Duration) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let server = Arc::new(Mutex::new(Some(server)));
        let thread = std::thread::spawn({
            let (stop, acknowledged, server) = (stop.clone(), acknowledged.clone(), server.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let target = server.lock().expect("no panic").clone();
                    if let Some(target) = target {
                        write_rows(&target, &stop, &acknowledged, &server, pause);
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Clock { stop, acknowledged, server, thread: Some(thread) }
    }

    /// The number of the last row whose commit the server acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.rows().last().copied().unwrap_or(0)
    }

    /// Every row whose commit the server acknowledged.
    pub fn rows(&self) -> Vec<u64> {
        self.acknowledged.lock().expect("no panic").clone()
    }

    /// Waits until so many more rows were acknowledged.
    pub fn wait_for_rows(&self, more: u64) {
        let count = || self.acknowledged.lock().expect("no panic").len() as u64;
        let wanted = count() + more;
        wait_for("the clock", || count() >= wanted);
    }

    /// Writes to another server from now on, or to none.
    pub fn turn_to(&self, server: Option<Arc<TestCluster>>) {
        *self.server.lock().expect("no panic") = server;
    }

    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the clock did not panic");
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_rows(
    target: &Arc<TestCluster>,
    stop: &AtomicBool,
    acknowledged: &Mutex<Vec<u64>>,
    server: &Mutex<Option<Arc<TestCluster>>>,
    pause: Duration,
) {
    if !target.is_running() {
        return;
    }
    let Ok(mut session) = target.try_session("postgres") else { return };
    let is_current = || server.lock().expect("no panic").as_ref().is_some_and(|now| Arc::ptr_eq(now, target));
    while !stop.load(Ordering::Relaxed) && is_current() {
        let Ok(row) = session.run("INSERT INTO clock DEFAULT VALUES RETURNING n") else { return };
        acknowledged.lock().expect("no panic").push(row.trim().parse().expect("a number"));
        std::thread::sleep(pause);
    }
}

/// The table of the clock. `padding` makes WAL.
pub fn make_clock(server: &TestCluster, padding_bytes: u32) {
    // No cache: after a crash a sequence may skip numbers, which is no loss.
    server.sql(&format!(
        "CREATE TABLE clock (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
         padding text DEFAULT repeat('x', {padding_bytes}))"
    ));
}

/// Files of the WAL archive: name and path.
pub fn archived(repository: &Path, timeline: u32, ending: &str) -> Vec<(String, PathBuf)> {
    let folder = repository.join(format!("wal/{timeline:08X}"));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    // Whole tests may run against encrypted repositories: see `Cadena`.
    let encrypted = match ending {
        _ if std::env::var_os("CADENA_TEST_IDENTITY").is_none() => "\0",
        ".zst" => ".zst.age",
        ".partial" => ".partial.pieces",
        _ => "\0",
    };
    let mut found: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = name.strip_suffix(encrypted).map_or(name.clone(), |plain| plain.to_owned() + ending);
            let stem = name.strip_suffix(ending)?.to_owned();
            (stem.len() == 24).then(|| (stem, entry.path()))
        })
        .collect();
    found.sort();
    found
}

/// Unpacks an archived segment by public tools.
pub fn unpacked(path: &Path) -> Output {
    let Ok(identity) = std::env::var("CADENA_TEST_IDENTITY") else {
        return Command::new("zstd").args(["-dcq"]).arg(path).output().expect("zstd");
    };
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), identity).expect("written");
    let script = "set -o pipefail; age -d -i \"$1\" \"$2\" | zstd -dcq";
    Command::new("bash").args(["-c", script, "bash"]).arg(key.path()).arg(path).output().expect("age, zstd")
}

/// Runs a command that must succeed, warnings allowed.
#[track_caller]
pub fn ok(cadena: &Cadena, arguments: &[&str]) -> Answer {
    let answer = cadena.run(arguments);
    assert!(answer.code == 0 || answer.code == 3, "{arguments:?}: {answer:?}");
    answer
}

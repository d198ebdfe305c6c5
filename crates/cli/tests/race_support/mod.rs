//! Hosts that share a bucket, each faked by a folder, a configuration and a name of its own; and what goes wrong with them.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::common::Cadena;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::TestCluster;
use testkit::stores::S3Server;

/// How long hosts race: `CADENA_RACE_SECONDS`, or `default`.
pub fn race_seconds(default: u64) -> u64 {
    std::env::var("CADENA_RACE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numbers that look random, the same in every run.
pub struct Dice(AtomicU64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(AtomicU64::new(seed))
    }

    pub fn throw(&self, sides: u64) -> u64 {
        let mixed = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)) % sides
    }
}

/// To one that has ended already it can't be sent.
pub fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).ok();
}

/// The command on a host of this name, for a cluster, with a repository at a prefix of the bucket.
pub fn host(server: &S3Server, cluster: &TestCluster, prefix: &str, name: &str, lease_seconds: u32) -> Cadena {
    let url = format!(
        "s3://{}/{prefix}?lease_seconds={lease_seconds}&give_up_seconds=10&sync_seconds=1&lease_host={name}",
        S3Server::BUCKET
    );
    Cadena::new()
        .variable("BACKUP_DIR", &url)
        .variable("AWS_ENDPOINT_URL", &server.endpoint())
        .variable("AWS_REGION", "us-east-1")
        .variable("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY)
        .variable("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY)
        .variable("CADENA_TIME_ZONE", "UTC")
        .variable("DB_HOST", &cluster.socket_folder().display().to_string())
        .variable("DB_PORT", &cluster.port().to_string())
        .variable("DB_USER", cluster.user())
        .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string())
}

/// A daemon whose events go into a file. Dropped, it is killed.
pub struct RacingDaemon {
    child: Child,
    log: PathBuf,
}

impl RacingDaemon {
    /// Starts one on a host; its events are appended to those of its predecessors there.
    pub fn start(cadena: &Cadena, arguments: &[&str]) -> Self {
        let log = cadena.path("events.jsonl");
        let file = File::options().create(true).append(true).open(&log).expect("a log");
        let arguments = [&["start", "--json"], arguments].concat();
        let child = cadena.command(&arguments).stdout(file).stderr(Stdio::null()).spawn().expect("cadena");
        RacingDaemon { child, log }
    }

    pub fn signal(&self, what: Signal) {
        signal(&self.child, what);
    }

    /// kill -9, and waits for its end.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Waits for its end.
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("ended").code()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// The keys of what daemons of this host have told.
    pub fn told(&self) -> Vec<String> {
        told(&self.log)
    }

    pub fn count(&self, key: &str) -> usize {
        self.told().iter().filter(|told| *told == key).count()
    }
}

impl Drop for RacingDaemon {
    fn drop(&mut self) {
        signal(&self.child, Signal::KILL);
        self.child.wait().ok();
    }
}

/// Reads the keys of the events in a file.
pub fn told(log: &Path) -> Vec<String> {
    events(log).iter().filter_map(|event| event["key"].as_str().map(str::to_owned)).collect()
}

/// Reads the events in a file; a line that is not whole yet is none.
pub fn events(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let event = |line: &str| serde_json::from_str::<Value>(line).ok().map(|mut line| line["event"].take());
    text.lines().filter_map(event).collect()
}

/// Ids of the completed backups in a listing.
pub fn completed(list: &Value) -> Vec<u64> {
    let backups = list["backups"].as_array().into_iter().flatten();
    backups.filter(|backup| backup["state"] == "COMPLETADO").filter_map(|backup| backup["id"].as_u64()).collect()
}

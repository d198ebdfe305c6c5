//! A cluster whose WAL is archived, chains of backups of it, and what each must give back.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod taken;

use crate::common::{Answer, Cadena};
use crate::stream_support::{Daemon, PATIENCE, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;
use taken::Taken;
use testkit::compare::Snapshot;
use testkit::random::{Changes, Kind, Meanwhile};
use testkit::{ClusterOptions, TestCluster};

/// A cluster, its repository, and the backups that were taken.
pub struct Chains {
    pub cluster: TestCluster,
    pub cadena: Cadena,
    pub taken: Vec<Taken>,
    daemon: Option<Daemon>,
}

impl Chains {
    /// Makes the cluster, the repository, and the slot that keeps all WAL for the archive.
    pub fn new(version: pgformat::MajorVersion, options: &ClusterOptions) -> Self {
        let chains = Self::without_slot(version, options);
        chains.ok(&["init", "--slot", "--no-catalog"]);
        chains
    }

    /// The same without a slot: no WAL is archived but what each backup holds.
    pub fn without_slot(version: pgformat::MajorVersion, options: &ClusterOptions) -> Self {
        let cluster = TestCluster::new(version, options);
        let cadena = Cadena::new()
            .variable("DB_HOST", &cluster.socket_folder().display().to_string())
            .variable("DB_PORT", &cluster.port().to_string())
            .variable("DB_USER", cluster.user())
            .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
        let chains = Chains { cluster, cadena, taken: Vec::new(), daemon: None };
        chains.ok(&["init", "--no-catalog"]);
        chains
    }

    /// Runs a command that must succeed, warnings allowed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Answer {
        crate::stream_support::ok(&self.cadena, arguments)
    }

    pub fn repository(&self) -> PathBuf {
        self.cadena.path("backups_incrementales")
    }

    /// Takes a backup and returns its record, after what every record must fulfil was checked.
    #[track_caller]
    pub fn back_up(&self, kind: Kind, changes: Changes, further: &[&str]) -> Value {
        let mut arguments = vec![kind.command(), "--json"];
        if kind != Kind::Full {
            arguments.extend(["--changes", changes.word()]);
        }
        arguments.extend(further);
        let answer = self.ok(&arguments);
        let record = answer.json()["backup"].clone();
        check_record(&record, kind, changes, &answer);
        record
    }

    /// Takes a backup while somebody writes, and marks what it must give back.
    #[track_caller]
    pub fn take(&mut self, kind: Kind, changes: Changes, further: &[&str], meanwhile: &[String]) -> &Taken {
        let writer = (!meanwhile.is_empty()).then(|| Meanwhile::start(&self.cluster, meanwhile));
        let record = self.back_up(kind, changes, further);
        writer.map(Meanwhile::stop);
        self.mark(record)
    }

    /// Writes a restore point after the backup, and keeps what the cluster holds there.
    #[track_caller]
    pub fn mark(&mut self, record: Value) -> &Taken {
        let name = format!("after_{}", record["id"]);
        let expected = Snapshot::at_restore_point(&self.cluster, &name);
        self.taken.push(Taken { record, mark: name, expected });
        self.taken.last().expect("one was pushed")
    }

    /// Gets what the server has into the archive. With the daemon at work, waits for it.
    #[track_caller]
    pub fn catch_up(&mut self) {
        if self.daemon.is_none() {
            self.start_once();
            return;
        }
        let end = self.cluster.current_lsn();
        wait_for("the daemon", || {
            let status = self.ok(&["status", "--json"]).json();
            let durable = status["wal"]["receiver"]["durable_lsn"].as_str().and_then(|text| text.parse().ok());
            durable.is_some_and(|lsn: pgformat::Lsn| lsn >= end)
        });
    }

    fn start_once(&self) {
        // The receiver before may not be gone yet, as the server sees it: then it is told that the slot is in use.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.cadena.run(&["start", "--once", "--json"]);
            match answer.code {
                0 | 3 => return,
                4 if Instant::now() < deadline => std::thread::sleep(std::time::Duration::from_millis(50)),
                _ => panic!("start --once: {answer:?}"),
            }
        }
    }

    /// Returns the ids of all backups that were completed.
    #[track_caller]
    pub fn completed(&self) -> Vec<u64> {
        let all = self.ok(&["list", "--json"]).json()["backups"].as_array().cloned().unwrap_or_default();
        let completed = all.iter().filter(|record| record["state"] == "COMPLETADO");
        completed.filter_map(|record| record["id"].as_u64()).collect()
    }

    /// Starts the daemon or stops it.
    #[track_caller]
    pub fn set_daemon(&mut self, runs: bool) {
        match (runs, self.daemon.take()) {
            (true, None) => {
                self.daemon = Some(Daemon::start(&self.cadena));
                wait_for("the daemon", || !self.ok(&["status", "--json"]).json()["wal"]["receiver"].is_null());
            }
            (false, Some(daemon)) => {
                assert_eq!(daemon.stop(), Some(0), "{}", crate::stream_support::daemon_log(&self.cadena))
            }
            (_, daemon) => self.daemon = daemon,
        }
    }

    /// Returns the path of a backup's archive.
    pub fn archive(&self, record: &Value) -> PathBuf {
        archive_path(&self.repository(), record)
    }

    /// Returns the path of a backup's record.
    pub fn record_file(&self, record: &Value) -> PathBuf {
        self.archive(record).with_extension("json")
    }

    /// Says for a panic's message which backups there are.
    pub fn summary(&self) -> String {
        self.taken.iter().map(|taken| format!("  {}\n", describe(&taken.record))).collect()
    }
}

/// Returns the path of a record's archive.
pub fn archive_path(repository: &Path, record: &Value) -> PathBuf {
    let folder = match record["kind"].as_str() {
        Some("DIFERENCIAL") => "differential",
        Some("INCREMENTAL") => "incremental",
        _ => "full",
    };
    repository.join(folder).join(record["archive_name"].as_str().expect("a name"))
}

/// A record in one line.
pub fn describe(record: &Value) -> String {
    format!(
        "{} {} on {}, found by {}, read by {}, {} bytes, {}..{}, warnings {}",
        record["id"],
        record["kind"],
        record["base_id"],
        record["changes_found_by"],
        record["reader"],
        record["archive_bytes"],
        record["start_lsn"],
        record["stop_lsn"],
        record["warnings"]
    )
}

/// Returns the keys of a record's warnings.
pub fn warning_keys(record: &Value) -> Vec<&str> {
    record["warnings"].as_array().into_iter().flatten().filter_map(|warning| warning["key"].as_str()).collect()
}

/// Tells whether a FULL was taken in the place of what was asked for.
pub fn is_full_instead(record: &Value) -> bool {
    warning_keys(record).iter().any(|key| key.starts_with("warning-full-instead"))
}

/// What was asked for was taken, or a FULL that says why.
#[track_caller]
fn check_record(record: &Value, kind: Kind, changes: Changes, answer: &Answer) {
    assert_eq!(record["state"], "COMPLETADO", "{answer:?}");
    if kind == Kind::Full || is_full_instead(record) {
        assert_eq!(record["kind"], "FULL", "{answer:?}");
        assert!(record["base_id"].is_null() && record["changes_found_by"].is_null(), "{answer:?}");
        return;
    }
    assert_eq!(record["kind"], kind.word(), "{answer:?}");
    assert!(record["base_id"].as_u64() < record["id"].as_u64() && record["base_id"].is_u64(), "{answer:?}");
    let way = record["changes_found_by"].as_str().unwrap_or_default();
    match changes {
        Changes::Auto => assert!(["wal", "server", "scan"].contains(&way), "{answer:?}"),
        _ => assert_eq!(way, changes.word(), "{answer:?}"),
    }
}

//! A cluster with the seed's database, the command that backs it up, and the catalog's rows as text.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::common::{Answer, Cadena};
use pgformat::MajorVersion;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use testkit::{ClusterOptions, TestCluster, available_versions, client_program};

/// The seed's database.
pub const DATABASE: &str = "nexoryn_tech";
/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// What comes from the repository; the policies do not.
pub const TABLES: [&str; 4] = ["backup_manifest", "backup_chain", "backup_validation", "backup_event"];

/// The newest server that this machine has.
pub fn newest() -> Option<MajorVersion> {
    available_versions().pop()
}

/// The migration as users have it.
pub fn migration() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/002_add_incremental_backup_system.sql")
}

pub struct Scene {
    pub cluster: TestCluster,
    pub cadena: Cadena,
}

impl Scene {
    /// Makes the cluster with a table in the seed's database; no repository and no catalog yet.
    pub fn new(version: MajorVersion) -> Self {
        let cluster = TestCluster::new(version, &ClusterOptions::default());
        cluster.sql(&format!("CREATE DATABASE {DATABASE}"));
        cluster.sql_in(
            DATABASE,
            "CREATE TABLE item AS SELECT id, md5(id::text) AS body FROM generate_series(1, 20000) id",
        );
        let cadena = Cadena::new()
            .variable("DB_HOST", &cluster.socket_folder().display().to_string())
            .variable("DB_PORT", &cluster.port().to_string())
            .variable("DB_USER", cluster.user())
            .variable("DB_NAME", DATABASE)
            .variable("CADENA_TIME_ZONE", "UTC")
            .variable("USER", "copia")
            .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
        Scene { cluster, cadena }
    }

    pub fn repository(&self) -> PathBuf {
        self.cadena.path("backups_incrementales")
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.cadena.run(arguments)
    }

    /// Runs a command that must succeed; warnings are allowed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Answer {
        let answer = self.run(arguments);
        assert!(matches!(answer.code, 0 | 3), "{arguments:?}: {answer:?}");
        answer
    }

    /// Takes a backup and returns its record.
    #[track_caller]
    pub fn back_up(&self, kind: &str) -> Value {
        self.cluster.sql_in(DATABASE, "UPDATE item SET body = body || 'x' WHERE id % 1000 = 0");
        self.ok(&[kind, "--json"]).json()["backup"].clone()
    }

    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql_in(DATABASE, sql)
    }

    /// Begins a FULL that takes its time, and waits until the repository says that it runs.
    pub fn begin_slow_full(&self) -> Child {
        let mut command = self.cadena.command(&["full", "--max-rate", "1MB"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{error}"));
        wait_for("the backup to begin", || !self.ok(&["list", "--json"]).json()["running"].is_null());
        child
    }

    /// Runs psql as the seed says, with nothing of ours set.
    pub fn psql(&self, dbname: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(client_program("psql"));
        command.args(["-X", "-U", self.cluster.user(), "-d", dbname, "-p", &self.cluster.port().to_string(), "-h"]);
        command.arg(self.cluster.socket_folder()).args(arguments).stdin(Stdio::null());
        command.output().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns every row of the tables that come from the repository, as text.
    pub fn rows(&self) -> String {
        self.rows_in(DATABASE)
    }

    pub fn rows_in(&self, dbname: &str) -> String {
        let of = |table: &str| {
            let sql = format!("SELECT '{table}' || t::text FROM seguridad.{table} AS t ORDER BY t.id");
            self.cluster.sql_in(dbname, &sql)
        };
        TABLES.map(of).join("\n")
    }
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

/// Interrupts a command and waits for its end.
pub fn interrupt(child: Child) -> Output {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap_or_else(|error| panic!("{error}"));
    child.wait_with_output().unwrap_or_else(|error| panic!("{error}"))
}

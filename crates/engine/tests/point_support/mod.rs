//! A server that writes one row after another, a repository with its backups, and its WAL archived segment by segment.

#![allow(dead_code, reason = "each test binary uses its own part")]

use engine::backup::run_full;
use engine::cluster::BinarySearch;
use engine::reader::ReaderChoice;
use engine::restore::{
    RecoveryPlan, RecoveryRequest, RecoveryTarget, RestoreOutcome, RestorePlan, RestoreRequest, RestoreSelector,
    StartRequest, StartedServer, WalDelivery, apply, plan, start,
};
use engine::wal::{PushOptions, push};
use engine::{Cancel, Error, SilentProgress};
use jiff::Timestamp;
use pgformat::{Lsn, MajorVersion};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{ClusterOptions, TestCluster, TestFolder, backup_options, repository_for};
use vault::repository::{BackupRecord, Repository};

const PUSH: PushOptions<'static> = PushOptions { level: 1, jobs: 2, ahead: 0, tool_version: "test" };

pub const SEGMENT_BYTES: u64 = 1 << 20;

/// A row, and when PostgreSQL says that it was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub n: u64,
    pub committed_at: Timestamp,
}

pub struct World {
    pub source: TestCluster,
    pub repository: Repository,
    pub folder: TestFolder,
}

impl World {
    pub fn new(version: MajorVersion) -> Self {
        let options = ClusterOptions::default().wal_segment_mb(1).set("track_commit_timestamp", "on");
        let source = TestCluster::new(version, &options);
        source.sql("CREATE TABLE clock (n bigint PRIMARY KEY)");
        let folder = TestFolder::new();
        let repository = repository_for(&source, &folder.path().join("repository"));
        World { source, repository, folder }
    }

    /// The same with WAL archived from before any backup.
    pub fn archiving(version: MajorVersion) -> Self {
        let world = World::new(version);
        world.archive();
        world
    }

    pub fn back_up(&self) -> BackupRecord {
        let options = backup_options(ReaderChoice::Local, None);
        let settings = self.source.connection_settings("postgres");
        run_full(&settings, &self.repository, &options, &SilentProgress, &Cancel::new()).unwrap().record
    }

    /// Where an archived segment lies.
    pub fn segment_path(&self, name: &str) -> PathBuf {
        let timeline = &name[..8];
        self.folder.path().join(format!("repository/wal/{timeline}/{name}.zst"))
    }

    /// Restores and starts; returns the copy and what was planned.
    pub fn restore(&self, name: &str, recovery: RecoveryRequest) -> (TestCluster, RestorePlan, StartedServer) {
        let plan = self.plan(name, recovery).unwrap();
        self.apply(&plan).unwrap();
        let copy = TestCluster::adopt(self.source.version(), plan.target.as_deref().unwrap());
        let started = start_as(&copy, plan.recovery.clone()).unwrap();
        (copy, plan, started)
    }

    pub fn plan(&self, name: &str, recovery: RecoveryRequest) -> Result<RestorePlan, Error> {
        plan(&self.repository, &self.request(name, recovery))
    }

    pub fn apply(&self, plan: &RestorePlan) -> Result<RestoreOutcome, Error> {
        apply(&self.repository, plan, &SilentProgress, &Cancel::new())
    }

    pub fn target(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn request(&self, name: &str, recovery: RecoveryRequest) -> RestoreRequest {
        RestoreRequest {
            selector: RestoreSelector::Latest,
            target: Some(self.target(name)),
            tablespaces: vec![],
            owner: None,
            jobs: 2,
            over: false,
            recovery,
        }
    }

    pub fn archive(&self) -> usize {
        archive_wal_of(&self.source, &self.repository)
    }
}

/// Writes one row in a transaction of its own.
pub fn tick(cluster: &TestCluster) -> Row {
    cluster.sql("INSERT INTO clock SELECT COALESCE(max(n), 0) + 1 FROM clock");
    *rows(cluster).last().unwrap()
}

/// Every row in order.
pub fn rows(cluster: &TestCluster) -> Vec<Row> {
    let sql = "SELECT n, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM clock ORDER BY n";
    let text = cluster.sql(sql);
    let row = |line: &str| {
        let (n, time) = line.split_once('|').unwrap();
        Row { n: n.parse().unwrap(), committed_at: Timestamp::from_microsecond(time.parse().unwrap()).unwrap() }
    };
    text.lines().map(row).collect()
}

/// The numbers of the rows.
pub fn numbers(cluster: &TestCluster) -> Vec<u64> {
    cluster.sql("SELECT n FROM clock ORDER BY n").lines().map(|line| line.parse().unwrap()).collect()
}

/// Ends the current segment and archives all whole ones, as archive_command would, and the histories. Returns how many files.
pub fn archive_wal_of(cluster: &TestCluster, repository: &Repository) -> usize {
    cluster.sql("SELECT pg_switch_wal()");
    // The switch does nothing on a fresh segment: what is before the insert position is whole in any case.
    let current = cluster.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    let mut names: Vec<String> = std::fs::read_dir(cluster.pg_wal())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".history") || (name.len() == 24 && *name < current))
        .collect();
    names.sort();
    // A segment of the older timeline that the switch cut off is not whole.
    names.retain(|name| name.ends_with(".history") || name[..8] == current[..8]);
    for name in &names {
        push(repository, &cluster.pg_wal().join(name), &PUSH).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    names.len()
}

/// Archives the segment that is being written, as far as it is.
pub fn archive_partial_of(cluster: &TestCluster, repository: &Repository, folder: &Path) {
    let name = cluster.sql("SELECT pg_walfile_name(pg_current_wal_flush_lsn())");
    let copy = folder.join(format!("{name}.partial"));
    std::fs::copy(cluster.pg_wal().join(name), &copy).unwrap();
    push(repository, &copy, &PUSH).unwrap();
}

pub fn to(target: RecoveryTarget) -> RecoveryRequest {
    RecoveryRequest { target, delivery: WalDelivery::Stage, ..RecoveryRequest::default() }
}

pub fn at(time: Timestamp) -> RecoveryRequest {
    to(RecoveryTarget::Time(time))
}

/// Starts a restored directory so that `copy` can talk to it.
pub fn start_as(copy: &TestCluster, recovery: Option<RecoveryPlan>) -> Result<StartedServer, Error> {
    let request = StartRequest {
        data_directory: copy.data_directory().to_owned(),
        port: copy.port(),
        socket_folder: Some(copy.socket_folder().to_owned()),
        owner: None,
        search: BinarySearch { configured: Some(copy.binaries().folder.clone()), path_folders: vec![] },
        wait: Duration::from_secs(120),
        recovery,
    };
    start(&request, &SilentProgress, &Cancel::new())
}

pub fn lsn(text: &str) -> Lsn {
    text.parse().unwrap()
}

pub fn micros(count: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_micros(count)
}

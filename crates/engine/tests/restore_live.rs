//! Real backups of real servers, restored and started: the data is the same, and the copy is a cluster of its own.

use engine::backup::run_full;
use engine::cluster::{BinarySearch, Connection, probe};
use engine::reader::ReaderChoice;
use engine::restore::{
    RestoreNote, RestoreOutcome, RestoreRequest, RestoreSelector, StartRequest, StartedServer, apply, plan, start,
};
use engine::verify::{ValidationLevel, ValidationRequest, validate};
use engine::{Cancel, Error, SilentProgress};
use pgformat::MajorVersion;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::compare::Snapshot;
use testkit::{
    ClusterOptions, TestCluster, TestFolder, available_versions, backup_options, is_available, oracle, own_program,
    repository_for,
};
use vault::repository::{BackupRecord, Repository};

/// A repository with one FULL of a cluster.
struct Backup {
    repository: Repository,
    record: BackupRecord,
    folder: TestFolder,
}

fn back_up(source: &TestCluster) -> Backup {
    let folder = TestFolder::new();
    let settings = source.connection_settings("postgres");
    let repository = repository_for(source, &folder.path().join("repository"));
    let options = backup_options(ReaderChoice::Local, None);
    let record = run_full(&settings, &repository, &options, &SilentProgress, &Cancel::new()).unwrap().record;
    Backup { repository, record, folder }
}

impl Backup {
    fn restore(&self, name: &str, tablespaces: &[(&str, &Path)]) -> (PathBuf, RestoreOutcome) {
        let target = self.folder.path().join(name);
        let request = RestoreRequest {
            selector: RestoreSelector::Latest,
            target: Some(target.clone()),
            tablespaces: tablespaces.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect(),
            owner: None,
            jobs: 2,
            over: false,
            recovery: Default::default(),
        };
        let plan = plan(&self.repository, &request).unwrap();
        let outcome = apply(&self.repository, &plan, &SilentProgress, &Cancel::new()).unwrap();
        (target, outcome)
    }
}

/// Starts a restored directory so that `copy` can talk to it.
fn start_as(copy: &TestCluster, socket_folder: Option<&Path>) -> Result<StartedServer, Error> {
    let request = StartRequest {
        data_directory: copy.data_directory().to_owned(),
        port: copy.port(),
        socket_folder: socket_folder.map(Path::to_owned),
        owner: None,
        search: BinarySearch { configured: Some(copy.binaries().folder.clone()), path_folders: vec![] },
        wait: Duration::from_secs(120),
        recovery: None,
    };
    start(&request, &SilentProgress, &Cancel::new())
}

fn assert_own_cluster(copy: &TestCluster) {
    assert_eq!(copy.sql("SELECT pg_is_in_recovery()"), "f");
    let wal_file = copy.sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
    assert!(wal_file.starts_with("00000002"), "{wal_file}");
    copy.sql("CREATE TABLE written_after_restore AS SELECT 1 AS one");
}

#[test]
fn a_cluster_of_every_version_comes_back_on_a_new_timeline_with_the_same_data() {
    for version in available_versions() {
        let source = TestCluster::new(version, &ClusterOptions::default().tablespace("fast").wal_segment_mb(4));
        source.sql("CREATE TABLE here AS SELECT n, repeat(md5(n::text), 9) AS text FROM generate_series(1, 20000) n");
        source.sql("CREATE TABLE there (n int PRIMARY KEY) TABLESPACE fast");
        source.sql("INSERT INTO there SELECT generate_series(1, 5000)");
        source.sql("CREATE DATABASE other TABLESPACE fast");
        // An earlier recovery's settings, which would stop this one.
        source.sql("ALTER SYSTEM SET recovery_target_name = 'long_ago'");
        source.sql("ALTER SYSTEM SET recovery_target_action = 'shutdown'");
        source.sql("ALTER SYSTEM SET recovery_end_command = 'exit 77'");
        let before = Snapshot::of(&source);
        let backup = back_up(&source);
        source.stop();

        let report = validate(
            &backup.repository,
            &backup.record,
            &ValidationRequest::new(ValidationLevel::Deep, 2),
            &SilentProgress,
            &Cancel::new(),
        )
        .unwrap();
        assert!(report.findings.is_empty(), "{version}: {:?}", report.findings);
        assert!(report.pages > 500 && report.files > 900, "{version}: {} pages, {} files", report.pages, report.files);

        let tablespace = backup.folder.path().join("new-fast");
        let (target, outcome) = backup.restore("data", &[("fast", &tablespace)]);
        assert_eq!(outcome.notes, []);
        if own_program(version, "pg_verifybackup").is_some() {
            oracle::pg_verifybackup(&target).unwrap();
        }
        let copy = TestCluster::adopt(version, &target);
        start_as(&copy, Some(copy.socket_folder())).unwrap();
        // The dump names where the tablespace is; all else must be equal.
        let moved = copy.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'");
        assert_eq!(moved, tablespace.display().to_string());
        assert_eq!(copy.sql("SELECT count(*), sum(n) FROM there"), source_sum(5000));
        let after = Snapshot::of(&copy);
        assert!(after.dump_bytes().abs_diff(before.dump_bytes()) < 200, "{version}");
        assert_own_cluster(&copy);
        copy.restart();
        assert_eq!(copy.sql("SELECT one FROM written_after_restore"), "1");
        copy.stop();
        // The packages of 14 and 16 lack the program, and another version's does not find their tablespaces.
        if own_program(version, "pg_checksums").is_some() {
            oracle::check_all_pages(&target).unwrap();
        }
    }
}

fn source_sum(rows: u64) -> String {
    format!("{rows}|{}", rows * (rows + 1) / 2)
}

#[test]
fn without_moved_tablespaces_the_whole_dump_is_the_same() {
    if !is_available(MajorVersion::V15) {
        return;
    }
    let source = TestCluster::new(MajorVersion::V15, &ClusterOptions::default());
    source.sql("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 30000) n");
    source.sql("BEGIN; INSERT INTO t VALUES (0, 'prepared'); PREPARE TRANSACTION 'p1'");
    let before = Snapshot::of(&source);
    let backup = back_up(&source);
    let (target, _) = backup.restore("data", &[]);
    let copy = TestCluster::adopt(MajorVersion::V15, &target);
    // The source goes on beside its copy.
    start_as(&copy, Some(copy.socket_folder())).unwrap();
    before.assert_equals(&copy);
    assert_own_cluster(&copy);
    assert_eq!(source.sql("SELECT count(*) FROM t"), "30000");
}

#[test]
fn a_backup_of_a_standby_becomes_a_cluster_of_its_own() {
    for version in [MajorVersion::V17, MajorVersion::V18] {
        if !is_available(version) {
            continue;
        }
        let primary = TestCluster::new(version, &ClusterOptions::default());
        primary.sql("CREATE TABLE t AS SELECT n FROM generate_series(1, 10000) n");
        let standby = TestCluster::standby_of(&primary);
        standby.wait_for_replay(primary.current_lsn());
        // A backup of a standby waits for a restart point after one of the primary's checkpoints.
        primary.sql("CHECKPOINT");
        let backup = back_up(&standby);
        let (target, outcome) = backup.restore("data", &[]);
        assert_eq!(outcome.notes, [RestoreNote::RestoreDroppedSignal { file: "standby.signal".to_owned() }]);
        let copy = TestCluster::adopt(version, &target);
        start_as(&copy, Some(copy.socket_folder())).unwrap();
        assert_eq!(copy.sql("SELECT count(*) FROM t"), "10000");
        assert_own_cluster(&copy);
    }
}

#[test]
fn a_cluster_whose_configuration_lies_elsewhere_starts_with_the_source_s_limits() {
    if !is_available(MajorVersion::V15) {
        return;
    }
    let source = TestCluster::new(MajorVersion::V15, &ClusterOptions::default().set("max_connections", "173"));
    source.sql("BEGIN; CREATE TABLE t (n int); PREPARE TRANSACTION 'p1'");
    source.stop();
    let elsewhere = source.folder().make("etc");
    for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
        std::fs::rename(source.data_directory().join(name), elsewhere.join(name)).unwrap();
    }
    let place = |name: &str| elsewhere.join(name).display().to_string();
    let (conf, hba, ident) = (place("postgresql.conf"), place("pg_hba.conf"), place("pg_ident.conf"));
    source.start_with(&[("config_file", &conf), ("hba_file", &hba), ("ident_file", &ident)]);
    let backup = back_up(&source);
    let (target, outcome) = backup.restore("data", &[]);
    let wrote: Vec<_> = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"]
        .map(|file| RestoreNote::RestoreWroteConfig { file: file.to_owned() })
        .into_iter()
        .chain([RestoreNote::RestoreKeptConfig { folder: target.join("cadena_external_config").display().to_string() }])
        .collect();
    assert_eq!(outcome.notes, wrote);
    let kept = std::fs::read_to_string(target.join("cadena_external_config/postgresql.conf")).unwrap();
    assert!(kept.contains("max_connections = '173'"));
    let copy = TestCluster::adopt(MajorVersion::V15, &target);
    start_as(&copy, Some(copy.socket_folder())).unwrap();
    copy.stop();
    // The minimal pg_hba.conf lets in local users by their own name only.
    std::fs::write(target.join("pg_hba.conf"), "local all all trust\n").unwrap();
    copy.start();
    assert_eq!(copy.sql("SHOW max_connections"), "173");
    assert_eq!(copy.sql("SELECT gid FROM pg_prepared_xacts"), "p1");
}

#[test]
fn a_configuration_that_names_the_source_does_not_start_the_source() {
    if !is_available(MajorVersion::V15) {
        return;
    }
    let source = TestCluster::new(MajorVersion::V15, &ClusterOptions::default());
    let source_directory = source.data_directory().display().to_string();
    source.stop();
    let conf = source.data_directory().join("postgresql.conf");
    let mut text = std::fs::read_to_string(&conf).unwrap();
    text.push_str(&format!(
        "data_directory = '{source_directory}'\nunix_socket_directories = '/nonexistent/sockets'\n"
    ));
    std::fs::write(&conf, text).unwrap();
    source.start();
    let backup = back_up(&source);
    source.stop();
    let (target, _) = backup.restore("data", &[]);
    let copy = TestCluster::adopt(MajorVersion::V15, &target);
    let started = start_as(&copy, None).unwrap();
    assert!(!source.is_running());
    assert!(target.join("postmaster.pid").exists());
    // The configured folder is not there, so PostgreSQL's own default serves.
    assert_eq!(started.server.socket_folder.as_deref(), Some(Path::new("/tmp")));
    let mut settings = started.server.connection_settings("postgres");
    settings.keywords.push(("user".to_owned(), copy.user().to_owned()));
    let info = probe(&mut Connection::connect(&settings).unwrap()).unwrap();
    assert_eq!(info.data_directory, target.display().to_string());
    assert!(!info.in_recovery);
    copy.stop();
}

#[test]
fn a_server_that_can_not_start_says_why() {
    if !is_available(MajorVersion::V15) {
        return;
    }
    let source = TestCluster::new(MajorVersion::V15, &ClusterOptions::default());
    let backup = back_up(&source);
    let (target, _) = backup.restore("data", &[]);
    let copy = TestCluster::adopt(MajorVersion::V15, &target);
    let conf = target.join("postgresql.conf");
    let good = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, format!("{good}\nshared_preload_libraries = 'no_such_library'\n")).unwrap();
    let error = start_as(&copy, Some(copy.socket_folder())).unwrap_err();
    assert_eq!(error.key(), "cluster-start");
    assert!(error.to_string().contains("no_such_library"), "{error}");
    std::fs::write(&conf, good).unwrap();

    let cancel = Cancel::new();
    cancel.cancel();
    let request = StartRequest {
        data_directory: target,
        port: copy.port(),
        socket_folder: Some(copy.socket_folder().to_owned()),
        owner: None,
        search: BinarySearch { configured: Some(copy.binaries().folder.clone()), path_folders: vec![] },
        wait: Duration::from_secs(120),
        recovery: None,
    };
    assert!(start(&request, &SilentProgress, &cancel).unwrap_err().is_cancelled());
    assert!(!copy.is_running());
    start_as(&copy, Some(copy.socket_folder())).unwrap();
    assert_own_cluster(&copy);
}

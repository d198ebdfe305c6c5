//! A FULL backup of a busy cluster, of every version and by both readers, comes back the same at the same LSN.

mod backup_support;

use backup_support::{RATE_BYTES, full, options, repository_for, restore};
use engine::cluster::{BinarySearch, Connection};
use engine::reader::ReaderChoice;
use engine::restore::{StartRequest, start};
use engine::verify::{ValidationLevel, ValidationRequest, validate};
use engine::{Cancel, SilentProgress};
use pgformat::MajorVersion;
use std::time::Duration;
use testkit::compare::{Snapshot, recover_to_restore_point};
use testkit::oracle::{check_all_pages, extract_with_public_tools, pg_amcheck, pg_verifybackup, sha256sum};
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions, binaries, is_available};
use vault::repository::BackupState;

/// The whole journey for one version and one reader.
fn comes_back_the_same(version: MajorVersion, reader: ReaderChoice) {
    if !is_available(version) {
        return;
    }
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &ClusterOptions::default().tablespace("aside").set("wal_keep_size", "4GB"));
    let repository_folder = folder.path().join("repository");
    let repository = repository_for(&source, &repository_folder);

    let workload = Workload::start(&source, &WorkloadOptions::default());
    workload.wait_for_rounds(2);
    let record = full(&source, &repository, &options(reader, Some(RATE_BYTES))).record;
    workload.wait_for_rounds(1);
    workload.stop();
    let snapshot = Snapshot::at_restore_point(&source, "after");

    // The record tells the truth about the file.
    let archive = repository_folder.join("full").join(&record.archive_name);
    assert_eq!(record.state, BackupState::Completed);
    assert_eq!(record.reader, if reader == ReaderChoice::Sql { "sql" } else { "local" });
    assert_eq!(record.sha256.as_deref(), Some(sha256sum(&archive).as_str()));
    assert_eq!(record.archive_bytes, archive.metadata().unwrap().len());
    assert_eq!((record.corrupt_pages_total, record.warnings.as_slice()), (0, [].as_slice()));
    let deep = validate(
        &repository,
        &record,
        &ValidationRequest::new(ValidationLevel::Deep, 2),
        &SilentProgress,
        &Cancel::new(),
    )
    .unwrap();
    assert!(deep.findings.is_empty(), "{:?}", deep.findings);
    assert!(deep.pages > 1_000);

    // Public tools open it; PostgreSQL's own verifier accepts it; it starts by itself.
    let extracted = folder.path().join("extracted");
    extract_with_public_tools(&archive, &extracted).unwrap();
    pg_verifybackup(&extracted).unwrap();
    let standing_alone = TestCluster::adopt(version, &extracted);
    // The tablespace is a plain folder now, which a server takes only when told to.
    standing_alone.start_with(&[("archive_mode", "off"), ("allow_in_place_tablespaces", "on")]);
    standing_alone.wait_until("SELECT NOT pg_is_in_recovery()");
    pg_amcheck(&standing_alone).unwrap();
    standing_alone.stop();
    assert!(check_all_pages(&extracted).unwrap() > 1_000);

    // Restored with its tablespace moved, and recovered to the restore point, it is what the source was.
    let (target, aside) = (folder.path().join("restored"), folder.path().join("aside"));
    restore(&repository, &target, &[("aside", &aside)]);
    let restored = recover_to_restore_point(&target, version, &source.pg_wal(), "after");
    snapshot.assert_equals(&restored);
    restored.stop();
    assert!(check_all_pages(&target).unwrap() > 1_000);

    // Started by us, it is consistent, writable, and on a timeline of its own.
    let (target, aside) = (folder.path().join("started"), folder.path().join("aside2"));
    restore(&repository, &target, &[("aside", &aside)]);
    let request = StartRequest {
        data_directory: target.clone(),
        port: free_port(),
        socket_folder: Some(folder.make("socket")),
        owner: Some(testkit::server_owner().name),
        search: BinarySearch { configured: binaries(version).map(|found| found.folder), path_folders: Vec::new() },
        wait: Duration::from_secs(120),
        recovery: None,
    };
    let started = start(&request, &SilentProgress, &Cancel::new()).unwrap();
    let mut connection = Connection::connect(&started.server.connection_settings("postgres")).unwrap();
    let sql = "SELECT pg_is_in_recovery()::text, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
    let answer = connection.query("look", sql, &[]).unwrap();
    assert_eq!((answer.text(0, 0).unwrap(), answer.text(0, 1).unwrap()), ("false", "00000002"));
    connection.query("write", "CREATE TABLE public.written_after_restore (x int)", &[]).unwrap();
    drop(connection);
    started.server.stop(false).unwrap();
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

macro_rules! journeys {
    ($($module:ident: $version:ident),*) => {$(
        mod $module {
            use super::*;

            #[test]
            fn a_busy_cluster_read_from_its_files_comes_back_the_same() {
                comes_back_the_same(MajorVersion::$version, ReaderChoice::Auto);
            }

            #[test]
            fn a_busy_cluster_read_over_sql_comes_back_the_same() {
                comes_back_the_same(MajorVersion::$version, ReaderChoice::Sql);
            }
        }
    )*};
}

journeys!(version_14: V14, version_15: V15, version_16: V16, version_17: V17, version_18: V18);

#[test]
fn clusters_with_small_and_large_wal_segments_come_back() {
    let Some(version) = testkit::available_versions().pop() else { return };
    for megabytes in [1, 64] {
        let folder = TestFolder::new();
        let source = TestCluster::new(version, &ClusterOptions::default().wal_segment_mb(megabytes));
        source.sql("CREATE TABLE kept AS SELECT generate_series(1, 50000) AS n");
        let repository = repository_for(&source, &folder.path().join("repository"));
        let record = full(&source, &repository, &options(ReaderChoice::Auto, None)).record;
        assert_eq!(record.wal_segment_size.unwrap().bytes(), u64::from(megabytes) << 20);
        let extracted = folder.path().join("extracted");
        extract_with_public_tools(&folder.path().join("repository/full").join(&record.archive_name), &extracted)
            .unwrap();
        pg_verifybackup(&extracted).unwrap();
        let target = folder.path().join("restored");
        restore(&repository, &target, &[]);
        let restored = TestCluster::adopt(version, &target);
        restored.start();
        restored.wait_until("SELECT NOT pg_is_in_recovery()");
        assert_eq!(restored.sql("SELECT count(*), sum(n) FROM kept"), "50000|1250025000");
    }
}

//! What happens to a logical FULL when its storage, its server or its disk fails in the middle: it is there and whole, or it is not there.

mod backup_support;

use backup_support::{options, repository_for};
use engine::backup::{BackupOutcome, LogicalRequest, run_logical};
use engine::cluster::BinarySearch;
use engine::reader::ReaderChoice;
use engine::verify::{ValidationLevel, ValidationRequest, validate};
use engine::{Cancel, Error, SilentProgress};
use pgformat::MajorVersion;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions};
use vault::repository::{BackupState, Repository};
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::storage::{LocalFolder, Storage};

fn newest() -> Option<MajorVersion> {
    available_versions().pop()
}

fn search(cluster: &TestCluster) -> BinarySearch {
    let clients = testkit::client_program("pg_dump");
    let path_folders = clients.parent().map(Path::to_owned).into_iter().collect();
    BinarySearch { configured: Some(cluster.binaries().folder.clone()), path_folders }
}

fn dump(cluster: &TestCluster, repository: &Repository, max_rate: Option<u64>) -> Result<BackupOutcome, Error> {
    let settings = cluster.connection_settings("postgres");
    let request = LogicalRequest { databases: Vec::new(), search: search(cluster) };
    let options = options(ReaderChoice::Auto, max_rate);
    run_logical(&settings, repository, &request, &options, &SilentProgress, &Cancel::new())
}

/// A table whose dump has two parts, so that the archive is written in several steps.
fn cluster_with_rows(version: MajorVersion) -> TestCluster {
    let cluster = TestCluster::new(version, &ClusterOptions::default());
    cluster.sql(
        "CREATE TABLE bulk AS SELECT n, md5(n::text) || md5((n * 7)::text) AS body FROM generate_series(1, 150000) n",
    );
    cluster
}

/// No dump goes on for a backup that has ended.
fn assert_no_dump_runs(cluster: &TestCluster) {
    let deadline = Instant::now() + Duration::from_secs(20);
    // pg_dump has the name that the connection gives it, and so have our own sessions.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cadena'";
    while cluster.sql(others) != "0" {
        assert!(Instant::now() < deadline, "{}", cluster.sql("SELECT query FROM pg_stat_activity"));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_whole(cluster: &TestCluster, repository: &Repository, outcome: &BackupOutcome) {
    let request = ValidationRequest { search: search(cluster), ..ValidationRequest::new(ValidationLevel::Deep, 2) };
    let report = validate(repository, &outcome.record, &request, &SilentProgress, &Cancel::new()).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[test]
fn whatever_its_storage_does_a_dump_is_whole_or_not_there_and_the_next_one_works() {
    let Some(version) = newest() else { return };
    let cluster = cluster_with_rows(version);
    let count = {
        let folder = TestFolder::new();
        let storage = Arc::new(FaultyStorage::new(Arc::new(LocalFolder::new(folder.path())), 0, FaultMode::Fail));
        repository_for(&cluster, folder.path());
        let repository = Repository::open(storage.clone()).unwrap();
        let before = storage.calls().len();
        dump(&cluster, &repository, None).unwrap();
        (before + 1, storage.calls().len())
    };
    for mode in FaultMode::ALL {
        // Each call of a run comes up in one mode or another.
        let offset = FaultMode::ALL.iter().position(|other| *other == mode).unwrap_or(0);
        for at in (count.0 + offset..=count.1).step_by(FaultMode::ALL.len()) {
            let folder = TestFolder::new();
            let inner: Arc<dyn Storage> = Arc::new(LocalFolder::new(folder.path()));
            repository_for(&cluster, folder.path());
            let repository = Repository::open(Arc::new(FaultyStorage::new(inner.clone(), at, mode))).unwrap();
            let ended = dump(&cluster, &repository, None);
            drop(repository);
            assert_no_dump_runs(&cluster);

            let clean = Repository::open(inner).unwrap();
            // Only the next one sweeps up after the dead; of a live one nothing is left.
            if !mode.is_death() {
                let contents = clean.contents().unwrap();
                assert!(
                    contents.orphan_archives.is_empty() && contents.running.is_none(),
                    "{mode:?} {at}: {contents:?}"
                );
            }
            let completed = |repository: &Repository| {
                let records = repository.contents().unwrap().records;
                records.into_iter().filter(|record| record.state == BackupState::Completed).count()
            };
            let found = completed(&clean);
            match &ended {
                Ok(outcome) => {
                    assert_eq!(found, 1, "{mode:?} {at}");
                    assert_whole(&cluster, &clean, outcome);
                }
                Err(_) if mode.is_death() => assert!(found <= 1, "{mode:?} {at}"),
                Err(error) => assert_eq!(found, 0, "{mode:?} {at}: {error}"),
            }
            let next = dump(&cluster, &clean, None).unwrap_or_else(|error| panic!("{mode:?} {at}: {error}"));
            assert_whole(&cluster, &clean, &next);
            let contents = clean.contents().unwrap();
            assert_eq!(completed(&clean), found + 1, "{mode:?} {at}");
            assert!(
                contents.orphan_archives.is_empty() && contents.interrupted.is_none(),
                "{mode:?} {at}: {contents:?}"
            );
        }
    }
}

#[test]
fn a_server_that_crashes_in_the_middle_of_a_dump_fails_it() {
    let Some(version) = newest() else { return };
    let cluster = cluster_with_rows(version);
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    std::thread::scope(|scope| {
        // Some ten seconds of it.
        let backup = scope.spawn(|| dump(&cluster, &repository, Some(1_000_000)).map(|_| ()));
        cluster.wait_until("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^COPY public.bulk')");
        cluster.crash();
        assert_eq!(backup.join().unwrap().unwrap_err().key(), "cluster-program");
    });
    let contents = repository.contents().unwrap();
    assert_eq!(contents.records.iter().map(|record| record.state).collect::<Vec<_>>(), [BackupState::Failed]);
    assert!(contents.orphan_archives.is_empty() && contents.interrupted.is_none());
    cluster.start();
    assert_whole(&cluster, &repository, &dump(&cluster, &repository, None).unwrap());
}

#[test]
fn a_standby_is_dumped_as_well() {
    for version in
        available_versions().into_iter().filter(|version| [MajorVersion::V15, MajorVersion::V18].contains(version))
    {
        let primary = cluster_with_rows(version);
        let standby = TestCluster::standby_of(&primary);
        standby.wait_for_replay(primary.current_lsn());
        let folder = TestFolder::new();
        let repository = repository_for(&standby, folder.path());
        let outcome = dump(&standby, &repository, None).unwrap();
        assert!(outcome.record.from_standby && outcome.record.warnings.is_empty(), "{:?}", outcome.record);
        assert_whole(&standby, &repository, &outcome);
    }
}

//! What happens to a backup when something happens to its cluster meanwhile: it works, or it fails clearly with nothing lost.

mod backup_support;

use backup_support::{full, options, repository_for, restore, try_full};
use engine::reader::ReaderChoice;
use engine::verify::{ValidationLevel, ValidationRequest, validate};
use engine::{Cancel, Error, SilentProgress};
use pgformat::MajorVersion;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions};
use vault::repository::{BackupState, Repository};

/// Some eight seconds for a cluster that was just made.
const SLOW: Option<u64> = Some(4_000_000);

/// The newest version: these faults are not a version's own.
fn newest() -> Option<MajorVersion> {
    available_versions().pop()
}

/// Runs a slow backup, does something to the cluster in the middle of it, and returns how it ended.
fn interfered(
    source: &TestCluster,
    repository: &Repository,
    reader: ReaderChoice,
    interfere: impl FnOnce(),
) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let backup = scope.spawn(|| try_full(source, repository, &options(reader, SLOW)).map(|_| ()));
        let deadline = Instant::now() + Duration::from_secs(60);
        while partial_bytes(repository) < 100_000 {
            assert!(Instant::now() < deadline && !backup.is_finished(), "the backup does not get into its middle");
            std::thread::sleep(Duration::from_millis(20));
        }
        interfere();
        backup.join().unwrap()
    })
}

/// How much of an archive that is not committed lies there.
fn partial_bytes(repository: &Repository) -> u64 {
    let folder = Path::new(&repository.storage().describe()).join("full");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().ends_with("partial"))
        .map(|entry| entry.metadata().map_or(0, |found| found.len()))
        .sum()
}

/// Nothing half-made is there, the failure is on record, and the next backup works.
fn assert_failed_cleanly(repository: &Repository, key: &str) {
    let contents = repository.contents().unwrap();
    let last = contents.records.last().unwrap();
    assert_eq!((last.state, last.sha256.as_ref()), (BackupState::Failed, None));
    assert_eq!(last.error.as_ref().unwrap()["key"], key);
    assert!(contents.orphan_archives.is_empty() && contents.interrupted.is_none() && contents.running.is_none());
    assert_eq!(partial_bytes(repository), 0);
}

fn assert_next_works(source: &TestCluster, repository: &Repository) {
    let record = full(source, repository, &options(ReaderChoice::Auto, None)).record;
    assert_eq!(repository.latest().unwrap().id, record.id);
    let report = validate(
        repository,
        &record,
        &ValidationRequest::new(ValidationLevel::Deep, 2),
        &SilentProgress,
        &Cancel::new(),
    )
    .unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[test]
fn a_server_that_crashes_or_ends_the_session_fails_the_backup_and_the_next_one_works() {
    let Some(version) = newest() else { return };
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &ClusterOptions::default());
    let repository = repository_for(&source, &folder.path().join("repository"));
    for reader in [ReaderChoice::Local, ReaderChoice::Sql] {
        let ended = interfered(&source, &repository, reader, || {
            source.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cadena'");
        });
        assert_eq!(ended.unwrap_err().key(), "cluster-connection-lost", "{reader:?}");
        assert_failed_cleanly(&repository, "cluster-connection-lost");

        let ended = interfered(&source, &repository, reader, || source.crash());
        assert_eq!(ended.unwrap_err().key(), "cluster-connection-lost", "{reader:?}");
        assert_failed_cleanly(&repository, "cluster-connection-lost");
        source.start();
    }
    assert_next_works(&source, &repository);
}

#[test]
fn a_standby_that_is_promoted_fails_the_backup_and_the_next_one_works() {
    let Some(version) = newest() else { return };
    let folder = TestFolder::new();
    let primary = TestCluster::new(version, &ClusterOptions::default());
    let standby = TestCluster::standby_of(&primary);
    let repository = repository_for(&standby, &folder.path().join("repository"));
    let ended = interfered(&standby, &repository, ReaderChoice::Auto, || standby.promote());
    assert_eq!(ended.unwrap_err().key(), "cluster-promoted");
    assert_failed_cleanly(&repository, "cluster-promoted");
    assert_next_works(&standby, &repository);
}

#[test]
fn a_second_backup_is_refused_while_one_runs_and_names_it() {
    let Some(version) = newest() else { return };
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &ClusterOptions::default());
    let repository = repository_for(&source, &folder.path().join("repository"));
    let ended = interfered(&source, &repository, ReaderChoice::Auto, || {
        let refused = try_full(&source, &repository, &options(ReaderChoice::Auto, None)).unwrap_err();
        assert_eq!(refused.key(), "repository-busy");
        // Readers are never blocked.
        assert!(repository.contents().unwrap().running.is_some());
    });
    ended.unwrap();
    assert_eq!(repository.contents().unwrap().records.len(), 1);
}

#[test]
fn a_cluster_without_free_slots_is_backed_up_with_a_warning() {
    let Some(version) = newest() else { return };
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &ClusterOptions::default().set("max_replication_slots", "0"));
    let repository = repository_for(&source, &folder.path().join("repository"));
    let record = full(&source, &repository, &options(ReaderChoice::Auto, None)).record;
    let keys: Vec<_> = record.warnings.iter().map(|warning| warning["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["warning-no-slot"]);
}

#[test]
fn a_cluster_at_wal_level_minimal_is_refused() {
    let Some(version) = newest() else { return };
    let folder = TestFolder::new();
    let minimal = ClusterOptions::default().set("wal_level", "minimal").set("max_wal_senders", "0");
    let source = TestCluster::new(version, &minimal);
    let repository = repository_for(&source, &folder.path().join("repository"));
    let refused = try_full(&source, &repository, &options(ReaderChoice::Auto, None)).unwrap_err();
    assert_eq!(refused.key(), "cluster-wal-level");
}

#[test]
fn a_page_that_is_corrupt_in_the_cluster_is_named_and_the_backup_is_whole() {
    let Some(version) = newest() else { return };
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &ClusterOptions::default());
    source.sql(
        "CREATE TABLE damaged AS SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 20000) n; CHECKPOINT",
    );
    let file = source.sql("SELECT pg_relation_filepath('damaged')");
    // Block 700 lies in a run of a large file, block 3 of the small one in a shared frame.
    source.sql(
        "CREATE TABLE damaged_too AS SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 100) n; CHECKPOINT",
    );
    let small_file = source.sql("SELECT pg_relation_filepath('damaged_too')");
    for (name, block) in [(&file, 700), (&small_file, 3)] {
        let path = source.data_directory().join(name);
        let handle = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        handle.write_all_at(b"damage", block * 8192 + 4000).unwrap();
    }
    let repository = repository_for(&source, &folder.path().join("repository"));
    for reader in [ReaderChoice::Local, ReaderChoice::Sql] {
        let record = full(&source, &repository, &options(reader, None)).record;
        assert_eq!(record.state, BackupState::Completed);
        let mut named: Vec<_> = record.corrupt_pages.iter().map(|page| (page.file.clone(), page.block)).collect();
        named.sort();
        let mut expected = vec![(file.clone(), 700), (small_file.clone(), 3)];
        expected.sort();
        assert_eq!((record.corrupt_pages_total, named), (2, expected));
        assert_eq!(record.warnings[0]["key"], "warning-corrupt-pages");
        // It restores as it was: what is corrupt in the cluster is not the backup's fault.
        let target = folder.path().join(format!("restored-{}", record.id));
        restore(&repository, &target, &[]);
        for (name, block) in [(&file, 700), (&small_file, 3)] {
            let restored = std::fs::read(target.join(name)).unwrap();
            assert_eq!(&restored[block * 8192 + 4000..][..6], b"damage", "{name}");
        }
    }
}

#[test]
fn another_cluster_s_repository_is_refused() {
    let Some(version) = newest() else { return };
    let folder = TestFolder::new();
    let (one, other) =
        (TestCluster::new(version, &ClusterOptions::default()), TestCluster::new(version, &ClusterOptions::default()));
    let repository = repository_for(&one, &folder.path().join("repository"));
    let refused = try_full(&other, &repository, &options(ReaderChoice::Auto, None)).unwrap_err();
    assert_eq!(refused.key(), "repository-foreign");
}

#[test]
fn a_standby_s_files_are_not_taken_for_its_primary_s() {
    let Some(version) = newest() else { return };
    let folder = TestFolder::new();
    let primary = TestCluster::new(version, &ClusterOptions::default());
    let standby = TestCluster::standby_of(&primary);
    // The primary believes that its data directory is where the standby's is, as it would on two hosts with one path.
    primary.stop();
    let real = primary.data_directory().with_extension("real");
    std::fs::rename(primary.data_directory(), &real).unwrap();
    std::os::unix::fs::symlink(&real, primary.data_directory()).unwrap();
    primary.start();
    std::fs::remove_file(primary.data_directory()).unwrap();
    std::os::unix::fs::symlink(standby.data_directory(), primary.data_directory()).unwrap();

    let repository = repository_for(&primary, &folder.path().join("repository"));
    let refused = try_full(&primary, &repository, &options(ReaderChoice::Local, None)).unwrap_err();
    assert_eq!(refused.key(), "read-not-local");
    let record = full(&primary, &repository, &options(ReaderChoice::Auto, None)).record;
    assert_eq!(record.reader, "sql");

    std::fs::remove_file(primary.data_directory()).unwrap();
    std::os::unix::fs::symlink(&real, primary.data_directory()).unwrap();
}

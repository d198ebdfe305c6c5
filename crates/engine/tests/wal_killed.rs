//! Receivers that are killed at any moment: the next one goes on without a gap.

mod wal_support;

use engine::wal::{StopWhen, receive};
use engine::{Cancel, cluster::ConnectionSettings};
use pgformat::MajorVersion;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions};
use vault::repository::Repository;
use vault::storage::LocalFolder;
use wal_support::{
    Recorder, archive, assert_no_hole, assert_same_as_pg_wal, catch_up, fill_segments, options, repository_for,
};

const CONNECTION: &str = "CADENA_TEST_CONNECTION";
const FOLDER: &str = "CADENA_TEST_FOLDER";

/// The receiver that is to be killed: this very program, started by the test below.
#[test]
fn a_receiver_in_a_process_of_its_own() {
    let (Ok(conninfo), Ok(folder)) = (std::env::var(CONNECTION), std::env::var(FOLDER)) else { return };
    let repository = Repository::open(Arc::new(LocalFolder::new(Path::new(&folder)))).unwrap();
    let settings = ConnectionSettings { conninfo: Some(conninfo), keywords: Vec::new() };
    let outcome = receive(&settings, &repository, &options(StopWhen::Never), &Recorder::default(), &Cancel::new());
    panic!("it was to be killed: {outcome:?}");
}

fn start(cluster: &TestCluster, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_receiver_in_a_process_of_its_own"]).stdout(std::process::Stdio::null());
    command.env(CONNECTION, cluster.conninfo("postgres")).env(FOLDER, folder).spawn().unwrap()
}

#[test]
fn a_receiver_that_is_killed_at_any_moment_leaves_an_archive_that_the_next_goes_on_with() {
    // Small segments, so that many of the moments lie within sealing.
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default().wal_segment_mb(1));
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    let workload = Workload::start(&cluster, &WorkloadOptions::default());
    let mut sealed = 0;
    for round in 0..25_u64 {
        let mut child = start(&cluster, folder.path());
        // Some are killed while they connect, some while they catch up, some while they stream.
        fill_segments(&cluster, (round % 4) as usize);
        std::thread::sleep(Duration::from_millis(37 * round % 400));
        child.kill().unwrap();
        child.wait().unwrap();
        let contents = archive(&repository).contents().unwrap();
        assert!(contents.gaps.is_empty(), "{:?}", contents.gaps);
        let now = contents.timelines.values().map(|timeline| timeline.segments.len()).sum();
        assert!(now >= sealed);
        sealed = now;
    }
    workload.stop();
    let outcome = catch_up(&cluster, &repository);
    assert!(outcome.gaps.is_empty(), "{outcome:?}");
    assert_no_hole(&repository, 1);
    assert!(assert_same_as_pg_wal(&cluster, &repository) > 25);
    // Nothing half-made is left beside the archive.
    let leftovers = std::fs::read_dir(folder.path().join("wal/00000001")).unwrap();
    let leftovers = leftovers.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        !name.ends_with(".zst") && !name.ends_with(".partial")
    });
    assert_eq!(leftovers.map(|entry| entry.file_name()).collect::<Vec<_>>(), Vec::<std::ffi::OsString>::new());
}

//! The kit's clusters and workloads: they do what they say, and clear up after themselves.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{ClusterOptions, Pgbench, TestCluster, TestFolder, Workload, WorkloadOptions};

/// Waits until something is so, a minute at most.
#[track_caller]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

testkit::on_each_version!(a_standby_follows_its_primary_and_is_promoted, |version| {
    let primary = TestCluster::new(version, &ClusterOptions::default().tablespace("ts_one"));
    primary.sql("CREATE TABLE t (n int) TABLESPACE ts_one; INSERT INTO t VALUES (1)");
    let standby = TestCluster::standby_of(&primary);
    primary.sql("INSERT INTO t VALUES (2)");
    standby.wait_for_replay(primary.current_lsn());
    assert_eq!(standby.sql("SELECT pg_is_in_recovery(), sum(n) FROM t"), "t|3");
    assert_ne!(standby.tablespaces(), primary.tablespaces());
    standby.promote();
    standby.sql("INSERT INTO t VALUES (3)");
    assert_eq!(standby.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"), "00000002");
    assert_eq!(primary.sql("SELECT sum(n) FROM t"), "3");
});

testkit::on_each_version!(pgbench_of_the_newest_version_drives_every_server, |version| {
    let cluster = TestCluster::new(version, &ClusterOptions::default());
    Pgbench::initialize(&cluster, "bench", 1);
    let pgbench = Pgbench::start(&cluster, "bench", 2);
    wait_for("transactions", || Pgbench::transactions(&cluster, "bench") >= 20);
    pgbench.stop();
});

#[test]
#[should_panic(expected = "aborted")]
fn pgbench_that_loses_its_table_fails_the_test() {
    let Some(version) = testkit::available_versions().pop() else { panic!("aborted (not tried: no server)") };
    let cluster = TestCluster::new(version, &ClusterOptions::default());
    Pgbench::initialize(&cluster, "bench", 1);
    let mut pgbench = Pgbench::start(&cluster, "bench", 1);
    cluster.sql_in("bench", "DROP TABLE pgbench_history");
    wait_for("the end of pgbench", || pgbench.has_ended());
    pgbench.stop();
}

#[test]
#[should_panic(expected = "\"steady\" does not exist")]
fn a_workload_whose_statement_fails_fails_the_test() {
    let Some(version) = testkit::available_versions().pop() else { panic!("\"steady\" does not exist (not tried)") };
    let cluster = TestCluster::new(version, &ClusterOptions::default());
    let workload = Workload::start(&cluster, &WorkloadOptions { databases: false, ..WorkloadOptions::default() });
    workload.wait_for_rounds(1);
    cluster.sql_in("workload", "DROP TABLE steady");
    workload.wait_for_rounds(1000);
}

testkit::on_each_version!(options_reach_the_server, |version| {
    for (megabytes, bytes) in [(1, "1048576"), (64, "67108864")] {
        let options = ClusterOptions::default().wal_segment_mb(megabytes).checksums(false).set("work_mem", "5MB");
        let cluster = TestCluster::new(version, &options);
        assert_eq!(cluster.sql("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"), bytes);
        assert_eq!(cluster.sql("SHOW data_checksums"), "off");
        assert_eq!(cluster.sql("SHOW work_mem"), "5MB");
        assert_eq!(cluster.sql("SHOW listen_addresses"), "");
        assert_eq!(cluster.sql_scalar::<u32>("SELECT count(*) FROM pg_prepared_xacts"), 0);
    }
});

#[test]
fn a_session_keeps_its_transaction_and_tells_what_failed() {
    let Some(version) = testkit::available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &ClusterOptions::default());
    let mut session = cluster.session("postgres");
    assert_eq!(session.run("BEGIN; CREATE TABLE t (n int)").unwrap(), "");
    assert_eq!(
        session.run("INSERT INTO t SELECT generate_series(1, 3); SELECT n, n * 2 FROM t").unwrap(),
        "1|2\n2|4\n3|6"
    );
    assert_eq!(cluster.sql("SELECT count(*) FROM pg_tables WHERE tablename = 't'"), "0");
    session.run("COMMIT;").unwrap();
    assert_eq!(cluster.sql("SELECT count(*) FROM t"), "3");
    let failure = session.run("SELECT 1 / 0").unwrap_err();
    assert!(failure.message.contains("22012"), "{failure}");
    session.run("SELECT 1").unwrap_err();
}

#[test]
fn a_folder_stops_the_servers_in_it() {
    let Some(version) = testkit::available_versions().pop() else { return };
    let folder = TestFolder::new();
    let outside = TestCluster::new(version, &ClusterOptions::default());
    outside.stop();
    let moved = folder.path().join("a/b/data");
    std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
    std::fs::rename(outside.data_directory(), &moved).unwrap();
    let cluster = TestCluster::adopt(version, &moved);
    cluster.start();
    let pid = std::fs::read_to_string(moved.join("postmaster.pid")).unwrap();
    let server = PathBuf::from(format!("/proc/{}", pid.lines().next().unwrap()));
    assert!(server.exists());
    drop(folder);
    assert!(!moved.exists() && !server.exists());
}

/// Not a test: what the next one runs as another process and kills.
#[test]
#[ignore = "helper of leaves_nothing_behind_even_when_killed"]
fn helper_that_makes_a_cluster_and_waits() {
    let cluster =
        testkit::available_versions().pop().map(|version| TestCluster::new(version, &ClusterOptions::default()));
    let cluster = cluster.expect("a server");
    let pid = std::fs::read_to_string(cluster.data_directory().join("postmaster.pid")).unwrap();
    println_flushed(&format!("\nmade {} {}", pid.lines().next().unwrap(), cluster.folder().path().display()));
    std::thread::sleep(Duration::from_secs(600));
}

/// Not a test either.
#[test]
#[ignore = "helper of leaves_nothing_behind_even_when_killed"]
fn helper_that_starts_a_test_run() {
    drop(TestFolder::new());
}

fn println_flushed(line: &str) {
    use std::io::Write;
    let mut output = std::io::stdout();
    writeln!(output, "{line}").and_then(|()| output.flush()).unwrap();
}

fn helper(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    command
}

#[test]
fn leaves_nothing_behind_even_when_killed() {
    if testkit::available_versions().is_empty() {
        return;
    }
    let mut child = helper("helper_that_makes_a_cluster_and_waits").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let made = lines.map(Result::unwrap).find(|line| line.starts_with("made ")).expect("a cluster");
    child.kill().unwrap();
    child.wait().unwrap();
    let (server, folder) = made["made ".len()..].split_once(' ').unwrap();
    let (server, folder) = (PathBuf::from(format!("/proc/{server}")), PathBuf::from(folder));
    assert!(helper("helper_that_starts_a_test_run").status().unwrap().success());
    // Another test process may be clearing up the same at this moment.
    wait_for("the end of the server and its folder", || !folder.exists() && !server.exists());
}

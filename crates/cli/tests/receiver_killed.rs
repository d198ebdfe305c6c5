//! kill -9 of the receiver, of the server, and of both, at moments spread over their work: the archive has no gap, and nothing
//! that was acknowledged to the server, or by the server to its client, is lost.
//!
//! The server waits for `cadena` before it acknowledges a commit (`synchronous_standby_names`), so both are the same promise.
//! `CADENA_KILLS` sets how often each version is hit; five versions make fifty kills by default.

#![cfg(unix)]

mod common;
mod stream_support;

use common::Cadena;
use pgformat::{Lsn, MajorVersion, WalSegment, WalSegmentSize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stream_support::{Clock, Daemon, archived, daemon_log, make_clock, ok, streamed_options, unpacked};
use testkit::{TestCluster, TestFolder};

fn kills() -> u64 {
    std::env::var("CADENA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

testkit::on_each_version!(no_acknowledged_byte_is_lost_by_kills_of_receiver_and_server, |version| {
    let cluster = Arc::new(TestCluster::new(version, &streamed_options().set("max_wal_size", "64MB")));
    make_clock(&cluster, 300_000);
    cluster.sql("ALTER TABLE clock ALTER padding SET STORAGE EXTERNAL");
    let cadena = Cadena::new()
        .variable("DB_HOST", &cluster.socket_folder().display().to_string())
        .variable("DB_PORT", &cluster.port().to_string())
        .variable("DB_USER", cluster.user())
        .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
    let repository = cadena.path("backups_incrementales");
    ok(&cadena, &["init", "--no-catalog"]);
    let mut daemon = Daemon::start(&cadena);
    wait_for_stream(&cluster);
    ok(&cadena, &["full"]);
    cluster.reconfigure(&[("synchronous_standby_names", "cadena")]);
    let clock = Clock::start(cluster.clone(), Duration::ZERO);

    for round in 0..kills() {
        clock.wait_for_rows(20);
        // A linear congruence spreads the moments, the same in every run.
        std::thread::sleep(Duration::from_millis((round * 7919) % 211));
        let acknowledged_lsn = acknowledged(&cluster);
        let (kill_server, kill_receiver) = [(false, true), (true, false), (true, true)][(round % 3) as usize];
        if kill_server {
            cluster.kill();
        }
        if kill_receiver {
            daemon.kill();
            let end = archive_end(&repository);
            assert!(end >= acknowledged_lsn, "round {round}: {end} is archived, {acknowledged_lsn} was acknowledged");
            daemon = Daemon::start(&cadena);
        }
        if kill_server {
            cluster.start();
        }
        wait_for_stream(&cluster);
        assert!(daemon.is_running(), "{}", daemon_log(&cadena));
    }
    clock.wait_for_rows(20);

    // The end: the server is lost with commits in flight, whole; then the receiver dies, too.
    cluster.kill();
    let acknowledged_rows = clock.rows();
    clock.turn_to(None);
    daemon.kill();
    clock.stop();
    compare_with_pg_wal(&cluster, &repository, version);
    let windows = ok(&cadena, &["windows", "--json"]).json();
    assert_eq!(
        (windows["gaps"].as_array().map(Vec::len), windows["windows"].as_array().map(Vec::len)),
        (Some(0), Some(1)),
        "{windows}"
    );

    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let restored = TestCluster::adopt(version, &target);
    let (port, socket) = (restored.port().to_string(), restored.socket_folder().display().to_string());
    let to = target.display().to_string();
    let owner = restored.owner().name.clone();
    let arguments =
        ["restore", "--latest", "--to", &to, "--start", "--port", &port, "--socket-dir", &socket, "--owner", &owner];
    let answer = cadena.run(&arguments);
    assert_eq!(answer.code, 0, "{answer:?}");
    let found: std::collections::BTreeSet<u64> =
        restored.sql("SELECT n FROM clock").lines().map(|n| n.parse().expect("a number")).collect();
    let lost: Vec<&u64> = acknowledged_rows.iter().filter(|n| !found.contains(n)).collect();
    assert!(lost.is_empty(), "of {} acknowledged rows {lost:?} are lost", acknowledged_rows.len());
    // A commit that the client never heard of may be there, or not.
    assert!(found.len() <= acknowledged_rows.len() + 1 + kills() as usize, "{} rows", found.len());
    restored.stop();
});

fn wait_for_stream(cluster: &TestCluster) {
    cluster.wait_until(
        "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'cadena' AND state = 'streaming'",
    );
}

/// What the server remembers as acknowledged by us.
fn acknowledged(cluster: &TestCluster) -> Lsn {
    cluster.sql_scalar("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'cadena'")
}

/// Where the archive ends, byte for byte: sealed segments are whole, a partial one is as long as its file.
fn archive_end(repository: &Path) -> Lsn {
    let size = WalSegmentSize::new(16 << 20).expect("a segment size");
    let segment = |name: &str| WalSegment::parse(name, size).expect("a segment's name");
    let sealed = archived(repository, 1, ".zst").into_iter().map(|(name, _)| segment(&name).end_lsn(size));
    let partial = archived(repository, 1, ".partial").into_iter().map(|(name, path)| {
        let length = path.metadata().map_or(0, |metadata| metadata.len());
        Lsn(segment(&name).start_lsn(size).0 + length)
    });
    sealed.chain(partial).max().unwrap_or_default()
}

/// Holds every archived byte against the server's own file.
fn compare_with_pg_wal(cluster: &TestCluster, repository: &Path, version: MajorVersion) {
    let sealed = archived(repository, 1, ".zst");
    assert!(sealed.len() > 2, "{version}: only {} segments", sealed.len());
    let size = WalSegmentSize::new(16 << 20).expect("a segment size");
    for pair in sealed.windows(2) {
        let number = |name: &str| WalSegment::parse(name, size).expect("a segment's name").number;
        assert_eq!(number(&pair[0].0) + 1, number(&pair[1].0), "no segment is missing");
    }
    for (name, path) in &sealed {
        let unpacked = unpacked(path);
        let own = std::fs::read(cluster.pg_wal().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(unpacked.status.success() && unpacked.stdout == own, "{name} differs from the server's file");
    }
}

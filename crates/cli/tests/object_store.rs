//! A repository in a bucket, with no local copy: every command works on it, and from the bucket alone, on a machine with only the
//! binary and PostgreSQL, a cluster comes back to a given second.
//!
//! The server is moto behind a gate (see testkit): not Amazon's.

#![cfg(unix)]

mod common;
mod stream_support;

use common::{Answer, Cadena};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stream_support::{Clock, Daemon, make_clock, streamed_options, wait_for};
use testkit::stores::S3Server;
use testkit::{TestCluster, TestFolder, available_versions};

/// The command with the bucket and its credentials, and nothing else.
fn bucket_only(server: &S3Server, prefix: &str) -> Cadena {
    Cadena::new()
        .variable(
            "BACKUP_DIR",
            &format!("s3://{}/{prefix}?lease_seconds=4&sync_seconds=1&give_up_seconds=20", S3Server::BUCKET),
        )
        .variable("AWS_ENDPOINT_URL", &server.endpoint())
        .variable("AWS_REGION", "us-east-1")
        .variable("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY)
        .variable("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY)
        .variable("CADENA_TIME_ZONE", "UTC")
}

fn with_cluster(cadena: Cadena, cluster: &TestCluster) -> Cadena {
    cadena
        .variable("DB_HOST", &cluster.socket_folder().display().to_string())
        .variable("DB_PORT", &cluster.port().to_string())
        .variable("DB_USER", cluster.user())
        .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string())
}

#[track_caller]
fn ok(cadena: &Cadena, arguments: &[&str]) -> Answer {
    let answer = cadena.run(arguments);
    assert!(answer.code == 0, "{arguments:?}: {answer:?}");
    answer
}

fn json(cadena: &Cadena, arguments: &[&str]) -> Value {
    ok(cadena, &[arguments, &["--json"]].concat()).json()
}

#[test]
fn a_bucket_alone_is_a_repository() {
    let Some(version) = available_versions().pop() else { return };
    let Some(server) = S3Server::start() else { return };
    let cluster = Arc::new(TestCluster::new(version, &streamed_options()));
    make_clock(&cluster, 200);
    let cadena = with_cluster(bucket_only(&server, "clusters/one"), &cluster);

    ok(&cadena, &["init"]);
    ok(&cadena, &["check"]);
    let daemon = Daemon::start(&cadena);
    let clock = Clock::start(cluster.clone(), Duration::from_millis(50));
    clock.wait_for_rows(5);
    assert_eq!(json(&cadena, &["full"])["backup"]["kind"], "FULL");
    clock.wait_for_rows(5);
    cluster
        .sql("CREATE TABLE filler AS SELECT g, md5(g::text) FROM generate_series(1, 200000) g; SELECT pg_switch_wal()");
    assert_eq!(json(&cadena, &["diferencial"])["backup"]["kind"], "DIFERENCIAL");
    clock.wait_for_rows(5);
    assert_eq!(json(&cadena, &["incremental"])["backup"]["kind"], "INCREMENTAL");
    clock.wait_for_rows(20);
    let target_time = cluster.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')");
    let wanted =
        cluster.sql(&format!("SELECT count(*) FROM clock WHERE pg_xact_commit_timestamp(xmin) <= '{target_time}+00'"));
    clock.wait_for_rows(5);
    clock.stop();
    let end = cluster.current_lsn();
    // The partial segment follows every second: nobody has to switch it.
    wait_for("the stream to be in the bucket", || restorable_until(&cadena).is_some_and(|lsn| lsn >= end));
    assert_eq!(daemon.stop(), Some(0));

    assert_eq!(json(&cadena, &["list"])["backups"].as_array().map(Vec::len), Some(3));
    ok(&cadena, &["windows"]);
    assert_eq!(json(&cadena, &["validate", "--level", "deep"])["valid"], true);
    ok(&cadena, &["cleanup", "--dry-run"]);
    ok(&cadena, &["cleanup"]);
    ok(&cadena, &["catalog", "rebuild"]);
    let place = cluster.sql("SELECT archivo_ruta FROM seguridad.backup_manifest ORDER BY id LIMIT 1");
    assert!(place.starts_with("s3://copias/clusters/one/full/full_"), "{place}");
    assert!(cadena.files().is_empty(), "nothing is kept here: {:?}", cadena.files());

    // Another cluster has the same bucket, and neither sees the other.
    let other = TestCluster::new(version, &streamed_options());
    let beside = with_cluster(bucket_only(&server, "clusters/other"), &other);
    ok(&beside, &["init"]);
    assert_eq!(json(&beside, &["list"])["backups"].as_array().map(Vec::len), Some(0));
    let foreign = with_cluster(bucket_only(&server, "clusters/one"), &other).run(&["full", "--json"]);
    assert_ne!(foreign.code, 0, "{foreign:?}");

    // The machine is lost: another folder, no configuration, no cluster.
    drop(cadena);
    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let restored = TestCluster::adopt(version, &target);
    let saviour =
        bucket_only(&server, "clusters/one").variable("PG_BIN_PATH", &restored.binaries().folder.display().to_string());
    let (port, socket) = (restored.port().to_string(), restored.socket_folder().display().to_string());
    let (to, owner) = (target.display().to_string(), restored.owner().name.clone());
    let mut arguments =
        vec!["restore", "--to", &to, "--start", "--port", &port, "--socket-dir", &socket, "--owner", &owner];
    arguments.extend(["--at", &target_time]);
    ok(&saviour, &arguments);
    assert_eq!(restored.sql("SELECT count(*) FROM clock"), wanted);
    assert_eq!(restored.sql("SELECT count(*) FROM filler"), "200000");
    restored.stop();
}

fn restorable_until(cadena: &Cadena) -> Option<pgformat::Lsn> {
    let windows = json(cadena, &["windows"]);
    let ends = windows["windows"].as_array()?.iter().filter_map(|window| window["last_lsn"].as_str()?.parse().ok());
    ends.max()
}

//! kill -9 of the daemon and of the server, at moments spread over their work, while a schedule runs that is due every few seconds: no
//! run is done twice, none that was due last is lost, the repository is whole, and the catalog says the same as it.
//!
//! `CADENA_SCHEDULE_SECONDS` says for how long each version is tormented.

#![cfg(unix)]

mod common;
mod daemon_support;
mod stream_support;

use common::Cadena;
use daemon_support::{cadena_for, completed, memory, options, records, schedule_file};
use jiff::Timestamp;
use pgformat::MajorVersion;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use stream_support::{Daemon, daemon_log, ok, wait_for};
use testkit::{TestCluster, available_versions};

/// The jobs, and how many seconds lie between two of their due times.
const JOBS: [(&str, &str, i64); 3] =
    [("FULL", "0 * * * * *", 60), ("DIFERENCIAL", "*/15 * * * * *", 15), ("INCREMENTAL", "*/3 * * * * *", 3)];

fn torment() -> Duration {
    let seconds = std::env::var("CADENA_SCHEDULE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(|text| text.parse().ok())
}

#[test]
fn no_run_is_lost_or_doubled_by_kills_of_daemon_and_server_15() {
    torment_version(MajorVersion::V15);
}

#[test]
fn no_run_is_lost_or_doubled_by_kills_of_daemon_and_server_18() {
    torment_version(MajorVersion::V18);
}

fn torment_version(version: MajorVersion) {
    if !available_versions().contains(&version) {
        return;
    }
    let cluster = TestCluster::new(version, &options());
    cluster.sql("CREATE TABLE item AS SELECT id, md5(id::text) AS body FROM generate_series(1, 20000) id");
    let cadena = cadena_for(&cluster);
    let jobs =
        [("full", JOBS[0].1), ("diferencial", JOBS[1].1), ("incremental", JOBS[2].1), ("validate", "*/20 * * * * *")];
    schedule_file(&cadena, &jobs, "[backup]\njobs = 1\n");

    let begin = Instant::now();
    let mut daemon = Daemon::start_with(&cadena, &[]);
    let mut kills = 0_u64;
    while begin.elapsed() < torment() {
        // A linear congruence spreads the moments, the same in every run.
        std::thread::sleep(Duration::from_millis(600 + (kills * 7919) % 3001));
        assert!(daemon.is_running(), "{}", daemon_log(&cadena));
        let (kill_daemon, kill_server) =
            [(true, false), (false, true), (true, true), (true, false)][(kills % 4) as usize];
        if kill_server {
            cluster.kill();
        }
        if kill_daemon {
            daemon.kill();
            daemon = Daemon::start_with(&cadena, &[]);
        }
        if kill_server {
            cluster.start();
        }
        if !kill_server {
            cluster.sql(&format!("UPDATE item SET body = md5(body) WHERE id % 97 = {}", kills % 97));
        }
        kills += 1;
    }
    assert!(kills >= 8, "only {kills} kills");

    // Nothing that was due last is lost: each kind has a backup of that time, or of a later one.
    let end = Timestamp::now().as_second();
    for (kind, _, period) in JOBS {
        let last = end - end.rem_euclid(period);
        let is_there = || {
            let taken = completed(&cadena);
            taken.iter().filter(|record| record["kind"] == kind).any(|record| {
                let first_start = time(&memory(&cadena)["first_start"]).map_or(i64::MAX, Timestamp::as_second);
                last <= first_start || time(&record["scheduled_for"]).is_some_and(|due| due.as_second() >= last)
            })
        };
        wait_for(&format!("the {kind} of {last} on {version}"), is_there);
    }
    // A daemon that was killed between a backup and its row left the row to the next one.
    let agrees = || difference(&cluster, &cadena) == (Vec::new(), Vec::new());
    wait_for("the catalog", agrees);
    assert_eq!(daemon.stop(), Some(0));
    assert_nothing_doubled(&cadena);
    assert_catalog_agrees(&cluster, &cadena);
    assert_whole(&cadena);
}

/// What the repository has and the catalog lacks, and the other way round.
fn difference(cluster: &TestCluster, cadena: &Cadena) -> (Vec<String>, Vec<String>) {
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let line = |record: &Value| format!("{}|{}|{}", record["id"], text(record, "kind"), text(record, "state"));
    let asked = cluster.sql("SELECT id, tipo_backup, estado FROM seguridad.backup_manifest ORDER BY id");
    let listed: Vec<String> = records(cadena).iter().map(line).collect();
    let asked: Vec<String> = asked.lines().map(str::to_owned).collect();
    let lacks = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    (lacks(&listed, &asked), lacks(&asked, &listed))
}

/// Every backup stands in the catalog as it ended; and a catalog that is made anew has the same rows.
fn assert_catalog_agrees(cluster: &TestCluster, cadena: &Cadena) {
    let (missing, surplus) = difference(cluster, cadena);
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing {missing:?}, surplus {surplus:?}, {}",
        daemon_log(cadena)
    );
    ok(cadena, &["catalog", "sync"]);
    let rows = || {
        ["backup_manifest", "backup_chain", "backup_validation", "backup_event"]
            .map(|table| cluster.sql(&format!("SELECT t::text FROM seguridad.{table} AS t ORDER BY t.id")))
    };
    let kept = rows();
    ok(cadena, &["catalog", "rebuild"]);
    assert_eq!(rows(), kept);
    assert!(kept.iter().all(|table| !table.is_empty()));
}

/// One completed backup a due time and kind, and every due time is one of the schedule's.
fn assert_nothing_doubled(cadena: &Cadena) {
    let first_start = time(&memory(cadena)["first_start"]).expect("a first start");
    let mut seen = BTreeSet::new();
    for record in completed(cadena) {
        let kind = record["kind"].as_str().expect("a kind").to_owned();
        let due = time(&record["scheduled_for"]).expect("a due time");
        // While there was no FULL to stand on, the other jobs took one instead.
        let is_of =
            |(word, _, period): &(&str, &str, i64)| (*word == kind || kind == "FULL") && due.as_second() % period == 0;
        assert!(due == first_start || JOBS.iter().any(is_of), "{kind} of {due}");
        assert!(time(&record["started_at"]).is_some_and(|started| started >= due), "{record}");
        assert!(seen.insert((kind.clone(), due)), "{kind} of {due} was taken twice");
    }
    assert!(seen.len() >= 5, "{seen:?}");
}

/// Everything that is listed is valid, nothing is left over, and every failed backup says why.
fn assert_whole(cadena: &Cadena) {
    let list = ok(cadena, &["list", "--json"]).json();
    for key in ["unreadable", "orphan_archives", "without_archive"] {
        assert_eq!(list[key].as_array().map(Vec::len), Some(0), "{key}: {list}");
    }
    assert!(list["running"].is_null() && list["interrupted"].is_null(), "{list}");
    assert!(
        records(cadena).iter().filter(|record| record["state"] == "FALLIDO").all(|record| record["error"].is_object())
    );
    let validation = cadena.run(&["validate", "--json"]);
    assert!(validation.code == 0 && validation.json()["valid"] == true, "{validation:?}");
}

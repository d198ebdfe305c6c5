//! Any instant comes back with nothing lost: rows are written all the time, through backups, segment switches, a crash, a
//! promotion and a second timeline, while the daemon streams. Then instants, LSNs and restore points are restored, each by the
//! command and on a real server, and hold exactly the rows that were committed by then.
//!
//! The oracle is PostgreSQL's own `pg_xact_commit_timestamp`. `CADENA_INSTANTS` sets how many instants each version restores.

#![cfg(unix)]

mod common;
mod stream_support;

use common::Cadena;
use jiff::Timestamp;
use pgformat::MajorVersion;
use std::sync::Arc;
use std::time::Duration;
use stream_support::{Clock, Daemon, archived, daemon_log, make_clock, ok, streamed_options, wait_for};
use testkit::{TestCluster, TestFolder};

/// One row as the surviving server knows it.
struct Row {
    n: u64,
    committed_at: Timestamp,
}

/// What was restored by LSN or by name, and what it must hold.
struct Mark {
    arguments: [String; 2],
    last_row: u64,
}

fn instants() -> usize {
    std::env::var("CADENA_INSTANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

testkit::on_each_version!(any_instant_lsn_and_restore_point_holds_exactly_what_was_committed_by_then, |version| {
    let first = Arc::new(TestCluster::new(version, &streamed_options()));
    make_clock(&first, 200);
    let second = Arc::new(TestCluster::standby_of(&first));
    let conninfo = format!(
        "host={},{} port={},{} user={} dbname=postgres target_session_attrs=read-write",
        first.socket_folder().display(),
        second.socket_folder().display(),
        first.port(),
        second.port(),
        first.user()
    );
    let cadena = Cadena::new()
        .variable("DATABASE_URL", &conninfo)
        .variable("CADENA_TIME_ZONE", "America/Argentina/Buenos_Aires")
        .variable("PG_BIN_PATH", &first.binaries().folder.display().to_string());
    ok(&cadena, &["init", "--no-catalog"]);
    let daemon = Daemon::start(&cadena);
    wait_for("the stream", || daemon_log(&cadena).contains("INFO") && has_receiver(&cadena));

    let clock = Clock::start(first.clone(), Duration::from_millis(100));
    clock.wait_for_rows(2);
    ok(&cadena, &["full", "--json"]);
    let mut marks = Vec::new();
    clock.wait_for_rows(5);
    marks.push(mark_name(&clock, &first, "before_the_crash"));
    first.sql("SELECT pg_switch_wal()");
    clock.wait_for_rows(5);
    first.crash();
    first.start();
    clock.wait_for_rows(5);
    marks.push(mark_lsn(&clock, &first));
    ok(&cadena, &["full", "--json"]);
    first.sql("CREATE TABLE other AS SELECT generate_series(1, 50000) id; SELECT pg_switch_wal()");
    clock.wait_for_rows(5);
    marks.push(mark_lsn(&clock, &first));

    // Another server takes over, with everything that the first had acknowledged.
    clock.turn_to(None);
    first.sql("SELECT 1");
    second.wait_for_replay(first.current_lsn());
    first.stop();
    second.promote();
    clock.turn_to(Some(second.clone()));
    clock.wait_for_rows(8);
    marks.push(mark_name(&clock, &second, "after_the_promotion"));
    clock.wait_for_rows(5);
    marks.push(mark_lsn(&clock, &second));
    ok(&cadena, &["full", "--json"]);
    clock.wait_for_rows(8);
    clock.stop();
    let rows = rows_of(&second);
    let end = second.current_lsn();
    second.sql("CHECKPOINT");
    wait_for("the archive", || restorable_until(&cadena).is_some_and(|lsn| lsn >= end));
    // Nothing is committed any more, and time goes on: such instants can be had as well, also when the daemon is gone.
    let idle = now_of(&second);
    wait_for("word of an idle server", || caught_up_at(&cadena).is_some_and(|at| at > idle));
    assert_eq!(daemon.stop(), Some(0), "{}", daemon_log(&cadena));
    assert!(
        !archived(&cadena.path("backups_incrementales"), 2, ".zst").is_empty()
            || !archived(&cadena.path("backups_incrementales"), 2, ".partial").is_empty()
    );

    let begin = window_begin(&cadena);
    let mut restorable: Vec<&Row> = rows.iter().filter(|row| row.committed_at >= begin).collect();
    // Instants after the last commit are another matter: nobody knows whether more was committed.
    restorable.pop();
    assert!(restorable.len() > 30, "{} rows of {} after {begin}", restorable.len(), rows.len());
    // Instants spread over the whole time, the same in every run as far as the rows are: between rows and exactly on them.
    for number in 0..instants() {
        let row = restorable[(number * 7919 + 3) % restorable.len()];
        let offset = if number % 3 == 0 { 0 } else { (number as i64 * 37) % 100 * 1000 };
        let instant = row.committed_at + jiff::SignedDuration::from_micros(offset);
        let expected = rows.iter().filter(|row| row.committed_at <= instant).map(|row| row.n).max().unwrap_or(0);
        let text = if number % 2 == 0 {
            instant.to_string()
        } else {
            // In the configured zone, without an offset.
            let zone = jiff::tz::TimeZone::get("America/Argentina/Buenos_Aires").unwrap();
            instant.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
        };
        let delivery = if number % 2 == 0 { "stage" } else { "auto" };
        restore_and_compare(&cadena, version, &["--at", &text, "--wal", delivery], &rows, expected);
    }
    for mark in &marks {
        let arguments: Vec<&str> = mark.arguments.iter().map(String::as_str).collect();
        restore_and_compare(&cadena, version, &arguments, &rows, mark.last_row);
    }
    let last = rows.last().map_or(0, |row| row.n);
    restore_and_compare(&cadena, version, &["--latest"], &rows, last);
    restore_and_compare(&cadena, version, &["--at", &idle.to_string()], &rows, last);
    let future = cadena.run(&["preview", "--at", "2099-01-01"]);
    assert_eq!(future.code, 6, "nobody knows what will be committed: {future:?}");
});

fn has_receiver(cadena: &Cadena) -> bool {
    let answer = cadena.run(&["status", "--json"]);
    answer.code != 1 && answer.json()["wal"]["receiver"]["streaming_since"].is_string()
}

/// The server's own clock.
fn now_of(server: &TestCluster) -> Timestamp {
    let microseconds: i64 = server.sql_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
    Timestamp::from_microsecond(microseconds).expect("a time")
}

fn caught_up_at(cadena: &Cadena) -> Option<Timestamp> {
    let status = cadena.run(&["status", "--json"]).json();
    status["wal"]["receiver"]["caught_up"]["at"].as_str()?.parse().ok()
}

fn restorable_until(cadena: &Cadena) -> Option<pgformat::Lsn> {
    let windows = ok(cadena, &["windows", "--json"]).json();
    let ends = windows["windows"].as_array()?.iter().filter_map(|window| window["last_lsn"].as_str()?.parse().ok());
    ends.max()
}

fn window_begin(cadena: &Cadena) -> Timestamp {
    let windows = ok(cadena, &["windows", "--json"]).json();
    assert_eq!(windows["gaps"].as_array().map(Vec::len), Some(0), "{windows}");
    let begins = windows["windows"].as_array().unwrap().iter().map(|window| window["first_time"].as_str().unwrap());
    begins.map(|text| text.parse::<Timestamp>().unwrap()).min().expect("a window")
}

/// Makes a restore point between two rows.
fn mark_name(clock: &Clock, server: &TestCluster, name: &str) -> Mark {
    let last_row = between_rows(clock, server, &format!("SELECT pg_create_restore_point('{name}')")).0;
    Mark { arguments: ["--name".to_owned(), name.to_owned()], last_row }
}

/// Takes the LSN between two rows.
fn mark_lsn(clock: &Clock, server: &TestCluster) -> Mark {
    let (last_row, lsn) = between_rows(clock, server, "SELECT pg_current_wal_insert_lsn()");
    Mark { arguments: ["--lsn".to_owned(), lsn], last_row }
}

/// Runs a statement while no row is being written, and returns the last row before it.
fn between_rows(clock: &Clock, server: &TestCluster, sql: &str) -> (u64, String) {
    clock.wait_for_rows(1);
    // The lock waits for the row that is being written and keeps the next one out.
    let text = server.sql(&format!("BEGIN; LOCK TABLE clock IN SHARE MODE; SELECT max(n) FROM clock; {sql}; COMMIT"));
    let mut lines = text.lines();
    let last_row = lines.next().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    (last_row, lines.next().unwrap_or_default().to_owned())
}

fn rows_of(server: &TestCluster) -> Vec<Row> {
    let text = server.sql(
        "SELECT n, to_char(pg_xact_commit_timestamp(xmin) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
         FROM clock ORDER BY n",
    );
    let row = |line: &str| {
        let (n, time) = line.split_once('|').unwrap_or_else(|| panic!("{line}"));
        Row { n: n.parse().unwrap(), committed_at: time.parse().unwrap_or_else(|error| panic!("{time}: {error}")) }
    };
    text.lines().map(row).collect()
}

/// Restores by the command, starts the server, and compares the rows.
fn restore_and_compare(cadena: &Cadena, version: MajorVersion, point: &[&str], rows: &[Row], last_row: u64) {
    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let restored = TestCluster::adopt(version, &target);
    let (port, socket) = (restored.port().to_string(), restored.socket_folder().display().to_string());
    let to = target.display().to_string();
    let mut arguments = vec!["restore", "--to", &to, "--start", "--port", &port, "--socket-dir", &socket, "--json"];
    arguments.extend(["--owner", &restored.owner().name]);
    arguments.extend(point);
    let answer = cadena.run(&arguments);
    assert_eq!(answer.code, 0, "{point:?} {answer:?}");
    let found: Vec<u64> = restored.sql("SELECT n FROM clock ORDER BY n").lines().map(|n| n.parse().unwrap()).collect();
    let expected: Vec<u64> = rows.iter().map(|row| row.n).filter(|n| *n <= last_row).collect();
    assert!(found == expected, "{point:?}: rows up to {:?} instead of {last_row}: {}", found.last(), answer.stdout);
    assert_eq!(restored.sql("SHOW archive_mode"), "off");
    // It lives: it takes new rows.
    restored.sql("INSERT INTO clock DEFAULT VALUES");
    restored.stop();
}

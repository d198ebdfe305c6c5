//! `cadena cleanup` beside a server that is streamed from: what stays restores to what its source held, the receiver goes on, and a
//! cleanup that is killed again and again leaves nothing half gone.

#![cfg(unix)]

mod chain_support;
mod common;
mod stream_support;

use chain_support::Chains;
use chain_support::taken::Taken;
use common::Cadena;
use pgformat::{Lsn, MajorVersion, TimelineId, WalSegment, WalSegmentSize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use stream_support::{archived, ok, streamed_options};
use testkit::random::{Changes, Kind};
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions};

/// How many cleanups are killed.
const ROUNDS: u64 = 20;
/// What is none of ours, some of it nearly.
const STRANGERS: [&str; 5] = [
    "backups/nexoryn_20251101.dump",
    "full/full_20250901_000000.backup.bak",
    "full/FULL_20250901_000000.json",
    "wal/00000001/000000010000000000000001.age",
    "notes.txt",
];

const POLICY: &str = "[retention]\nfull_months = 1\ndifferential_weeks = 1\nincremental_days = 1\nmin_chains = 1\n";

#[test]
fn what_stays_restores_and_the_receiver_goes_on_15() {
    what_stays_restores_and_the_receiver_goes_on(MajorVersion::V15);
}

#[test]
fn what_stays_restores_and_the_receiver_goes_on_18() {
    what_stays_restores_and_the_receiver_goes_on(MajorVersion::V18);
}

fn what_stays_restores_and_the_receiver_goes_on(version: MajorVersion) {
    if !available_versions().contains(&version) {
        panic!("PostgreSQL {version} is not installed");
    }
    let mut chains = Chains::new(version, &streamed_options().set("wal_keep_size", "0"));
    chains.cadena.write("cadena.toml", POLICY);
    chains.cluster.sql("CREATE TABLE item AS SELECT id, md5(id::text) AS body FROM generate_series(1, 20000) id");
    chains.set_daemon(true);
    // What each is, and how many days ago it will have been taken.
    let taken = [
        (Kind::Full, 100),
        (Kind::Incremental, 99),
        (Kind::Full, 20),
        (Kind::Differential, 12),
        (Kind::Incremental, 11),
        (Kind::Differential, 3),
        (Kind::Incremental, 0),
    ];
    for (number, (kind, days)) in taken.into_iter().enumerate() {
        chains
            .cluster
            .sql(&format!("UPDATE item SET body = body || '{number}' WHERE id % 7 = {number}; SELECT pg_switch_wal()"));
        let record = chains.take(kind, Changes::Auto, &[], &[]).record.clone();
        chains.cluster.sql("SELECT pg_switch_wal()");
        back_date(&chains.record_file(&record), days);
    }
    catch_up(&mut chains);
    let strangers = put_strangers(&chains.repository());

    let before = listing(&chains.repository());
    let shown = chains.ok(&["cleanup", "--dry-run", "--json"]).json();
    assert_eq!(going(&shown), [1, 2, 4, 5], "{shown}");
    assert_eq!((&shown["source"], &shown["policy"]["full_months"]), (&json!("file"), &json!(1)));
    assert_eq!(names_of(&before), names_of(&listing(&chains.repository())), "a dry run removes nothing");

    let done = chains.ok(&["cleanup", "--json"]).json();
    assert_eq!(going(&done), [1, 2, 4, 5], "{done}");
    assert!(done["wal"]["segments"].as_u64() >= Some(4), "{done}");
    assert_eq!(chains.completed(), [3, 6, 7]);
    assert_eq!(first_segment(&chains.repository()), segment_of(&chains.taken[2].record), "{done}");
    assert_eq!(put_strangers(&chains.repository()), strangers);
    assert_eq!(going(&chains.ok(&["cleanup", "--json"]).json()), [0; 0], "a second one finds nothing");

    // The receiver, which was not asked, goes on; so does one that begins anew.
    assert_one_window(&mut chains, 3);
    chains.set_daemon(false);
    chains.set_daemon(true);
    assert_one_window(&mut chains, 3);

    // What lies between is reached from what stays; what lies before is refused.
    restore_to_mark(&chains, &chains.taken[4]);
    let answer = chains.cadena.run(&["preview", "--name", &chains.taken[0].mark]);
    assert_eq!(answer.code, 6, "{answer:?}");

    // WAL of one day only: what is older restores to its own end.
    chains.cadena.write("cadena.toml", &format!("{POLICY}wal_days = 1\n"));
    let done = chains.ok(&["cleanup", "--json"]).json();
    assert_eq!(going(&done), [0; 0], "{done}");
    assert_eq!(first_segment(&chains.repository()), segment_of(&chains.taken[5].record), "{done}");
    let windows = assert_one_window(&mut chains, 6);
    assert_eq!(windows["isolated_backups"], json!([3]));
    let status = chains.cadena.run(&["status", "--json"]);
    let attention = status.json()["attention"].clone();
    let is_of_wal = |found: &Value| found["key"] == "attention-wal";
    assert!(!attention.as_array().unwrap().iter().any(is_of_wal), "{attention}");
    restore_alone(&chains, 3);

    // The next one stands on what is left, and finds its changes in the log.
    chains.cluster.sql("UPDATE item SET body = 'last' WHERE id < 100");
    let record = chains.take(Kind::Incremental, Changes::Wal, &[], &[]).record.clone();
    assert_eq!((&record["kind"], &record["base_id"]), (&json!("INCREMENTAL"), &json!(7)));
    catch_up(&mut chains);
    restore_to_mark(&chains, &chains.taken[7]);

    let events = std::fs::read_dir(chains.repository().join("events")).unwrap().flatten();
    let text: String = events.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect();
    for (event, count) in [("backup-removed", 4), ("wal-trimmed", 2), ("cleanup-finished", 3)] {
        assert_eq!(text.matches(&format!("\"event\":\"{event}\"")).count(), count, "{event}");
    }
}

/// Switches to another segment and waits until the archive has it. Nothing is flushed of an idle server's new segment for a while, so
/// something is written there.
#[track_caller]
fn catch_up(chains: &mut Chains) {
    chains.cluster.sql("SELECT pg_switch_wal()");
    chains.cluster.sql("UPDATE item SET body = 'x' || body WHERE id < 10");
    chains.catch_up();
}

/// Catches up, and demands a single window from a backup on, without a gap or a finding.
#[track_caller]
fn assert_one_window(chains: &mut Chains, first_backup: u64) -> Value {
    catch_up(chains);
    let windows = chains.ok(&["windows", "--json"]).json();
    let found: Vec<&Value> =
        windows["windows"].as_array().unwrap().iter().map(|window| &window["first_backup"]).collect();
    assert_eq!(found, [&json!(first_backup)], "{windows}");
    assert_eq!((&windows["gaps"], &windows["findings"]), (&json!([]), &json!([])), "{windows}");
    windows
}

/// Restores to a mark by whatever backup leads there, and compares.
#[track_caller]
fn restore_to_mark(chains: &Chains, taken: &Taken) {
    let (cluster, _folder) = restore(chains, &["--name", &taken.mark]);
    taken.compare(&cluster);
    cluster.stop();
}

/// Restores a backup to its own end: the rows are there.
fn restore_alone(chains: &Chains, id: u64) {
    let (cluster, _folder) = restore(chains, &["--backup", &id.to_string()]);
    assert_eq!(cluster.sql("SELECT count(*) FROM item"), "20000");
    cluster.stop();
}

#[track_caller]
fn restore(chains: &Chains, point: &[&str]) -> (TestCluster, TestFolder) {
    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let cluster = TestCluster::adopt(chains.cluster.version(), &target);
    let (to, port) = (target.display().to_string(), cluster.port().to_string());
    let sockets = cluster.socket_folder().display().to_string();
    let mut arguments = vec!["restore", "--to", &to, "--start", "--port", &port, "--socket-dir", &sockets, "--json"];
    arguments.extend(["--owner", &cluster.owner().name]);
    arguments.extend(point);
    let answer = chains.cadena.run(&arguments);
    assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
    (cluster, folder)
}

/// Moves a record's times back, as if the backup had been taken then.
fn back_date(record_file: &Path, days: i64) {
    let mut record: Value = serde_json::from_slice(&std::fs::read(record_file).unwrap()).unwrap();
    for name in ["started_at", "finished_at"] {
        let at: jiff::Timestamp = record[name].as_str().unwrap().parse().unwrap();
        record[name] = json!(at - jiff::SignedDuration::from_hours(24 * days));
    }
    std::fs::write(record_file, record.to_string()).unwrap();
}

fn put_strangers(repository: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let put = |name: &'static str| {
        let path = repository.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !path.exists() {
            std::fs::write(&path, format!("others' {name} {:?}", std::time::SystemTime::now())).unwrap();
        }
        (name, std::fs::read(path).unwrap())
    };
    STRANGERS.into_iter().map(put).collect()
}

/// The ids of the backups that a plan lets go.
fn going(plan: &Value) -> Vec<u64> {
    let all = plan["backups"].as_array().unwrap().iter();
    all.filter(|verdict| verdict["stays"] == false).map(|verdict| verdict["id"].as_u64().unwrap()).collect()
}

fn first_segment(repository: &Path) -> String {
    let sealed = archived(repository, 1, ".zst");
    sealed.first().map(|(name, _)| name.clone()).unwrap_or_default()
}

/// The segment in which a backup starts.
fn segment_of(record: &Value) -> String {
    let size = WalSegmentSize::new(record["wal_segment_size"].as_u64().unwrap()).unwrap();
    let start: Lsn = record["start_lsn"].as_str().unwrap().parse().unwrap();
    WalSegment::containing(TimelineId(1), start, size).file_name(size)
}

/// Every file of a repository but journal, log and locks, with its content.
fn listing(repository: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let is_other = name.starts_with("events") || name.contains(".cadena-") || name.ends_with(".log");
            match path.is_dir() {
                true => walk(root, &path, found),
                false if is_other => {}
                false => drop(std::fs::read(&path).map(|content| found.insert(name, content))),
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(repository, repository, &mut found);
    found
}

/// Without what the receiver writes meanwhile.
fn names_of(listing: &BTreeMap<String, Vec<u8>>) -> Vec<&String> {
    listing.keys().filter(|name| !name.starts_with("wal/")).collect()
}

/// A repository with one real backup.
fn one_backup() -> Option<(TestCluster, Cadena, tempfile::TempDir)> {
    let cluster = TestCluster::new(available_versions().pop()?, &ClusterOptions::default());
    let folder = scratch();
    let cadena = Cadena::new()
        .variable("DB_HOST", &cluster.socket_folder().display().to_string())
        .variable("DB_PORT", &cluster.port().to_string())
        .variable("DB_USER", cluster.user())
        .variable("BACKUP_DIR", &folder.path().display().to_string());
    ok(&cadena, &["init"]);
    ok(&cadena, &["full", "--checkpoint", "fast"]);
    Some((cluster, cadena, folder))
}

/// In memory where there is such a place: thousands of files go, each durably.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Puts twenty old chains of three beside the newest backup, and WAL from before all of them.
fn fill(repository: &Path, newest: &Value) {
    for chain in 0..20_u64 {
        let day: jiff::Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
        for (place, kind, folder, prefix) in [
            (0, "FULL", "full", "full"),
            (1, "DIFERENCIAL", "differential", "dif"),
            (2, "INCREMENTAL", "incremental", "inc"),
        ] {
            let mut record = newest.clone();
            let at = day + jiff::SignedDuration::from_hours(24 * chain as i64);
            let name = format!("{prefix}_{}", at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%d_%H%M%S"));
            let (id, base) = (100 + 3 * chain + place, 100 + 3 * chain + place.saturating_sub(1));
            record["id"] = json!(id);
            record["kind"] = json!(kind);
            record["archive_name"] = json!(format!("{name}.backup"));
            record["started_at"] = json!(at);
            record["finished_at"] = json!(at);
            record["archive_bytes"] = json!(7);
            if place > 0 {
                record["base_id"] = json!(base);
                record["base"] = json!({"start_lsn": record["start_lsn"], "timeline": record["timeline"], "sha256": record["sha256"]});
            }
            let path = repository.join(folder).join(&name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path.with_extension("backup"), "archive").unwrap();
            std::fs::write(path.with_extension("json"), record.to_string()).unwrap();
        }
    }
    // The newest has the highest id.
    let name = newest["archive_name"].as_str().unwrap().replace(".backup", ".json");
    let mut record = newest.clone();
    record["id"] = json!(1_000);
    record["start_lsn"] = json!("1/0");
    record["stop_lsn"] = json!("1/28");
    std::fs::write(repository.join("full").join(name), record.to_string()).unwrap();
    let geometry = json!({
        "version": newest["postgresql_version"], "system_identifier": newest["system_identifier"],
        "segment_size": 16 << 20, "block_size_bytes": 8192,
    });
    std::fs::create_dir_all(repository.join("wal/00000001")).unwrap();
    let description = json!({"format_version": 1, "geometry": geometry, "created_by": "test"});
    std::fs::write(repository.join("wal/wal.json"), description.to_string()).unwrap();
    for number in 1..60 {
        std::fs::write(repository.join(format!("wal/00000001/0000000100000000{number:08X}.zst")), "segment").unwrap();
    }
    std::fs::write(repository.join("wal/00000001/000000010000000100000000.zst"), "segment").unwrap();
}

#[test]
fn a_cleanup_killed_at_any_point_leaves_every_backup_whole_or_gone_and_the_next_one_finishes() {
    let Some((_cluster, cadena, folder)) = one_backup() else { return };
    cadena.write("cadena.toml", POLICY);
    let repository = folder.path().to_owned();
    let newest = ok(&cadena, &["list", "--json"]).json()["backups"][0].clone();
    let strangers = put_strangers(&repository);
    fill(&repository, &newest);
    let begin = std::time::Instant::now();
    assert_eq!(going(&ok(&cadena, &["cleanup", "--json"]).json()).len(), 60);
    let whole = begin.elapsed();
    let wanted = listing(&repository);
    let (mut within, mut unfinished) = (0, 0);
    for round in 0..ROUNDS {
        fill(&repository, &newest);
        let mut child = cadena.command(&["cleanup"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(((round * 7919) % 101) as f64 / 101.0));
        child.kill().unwrap();
        child.wait().unwrap();

        let list = ok(&cadena, &["list", "--json"]).json();
        for what in ["orphan_archives", "without_archive", "unreadable"] {
            assert_eq!(list[what], json!([]), "round {round}: {what}");
        }
        let backups = list["backups"].as_array().unwrap();
        for backup in backups {
            let base = &backup["base_id"];
            assert!(base.is_null() || backups.iter().any(|other| other["id"] == *base), "round {round}: {backup}");
        }
        within += u64::from(backups.len() > 1 && backups.len() < 61);
        unfinished += u64::from(repository.join("removals.json").exists());
        ok(&cadena, &["cleanup"]);
        // The note of the gap says when it was made.
        let (found, names) = (listing(&repository), wanted.keys().collect::<Vec<_>>());
        assert_eq!(found.keys().collect::<Vec<_>>(), names, "round {round}");
        for (name, content) in found.iter().filter(|(name, _)| !name.starts_with("wal/gaps/")) {
            assert_eq!(Some(content), wanted.get(name), "round {round}: {name}");
        }
    }
    assert!(within > 3 && unfinished > 3, "only {within} kills struck between backups, {unfinished} within");
    assert_eq!(put_strangers(&repository), strangers);
}

#[test]
fn a_cleanup_beside_a_backup_is_told_to_wait_and_speaks_the_users_language() {
    let Some((cluster, cadena, _folder)) = one_backup() else { return };
    cluster.sql("CREATE TABLE item AS SELECT id, md5(id::text) AS body FROM generate_series(1, 300000) id");
    let mut backup = cadena.command(&["full", "--checkpoint", "fast", "--max-rate", "8MB"]);
    let mut backup = backup.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    stream_support::wait_for("the backup", || !ok(&cadena, &["list", "--json"]).json()["running"].is_null());
    let answer = cadena.run(&["cleanup", "--json"]);
    assert_eq!(answer.code, 4, "{answer:?}");
    let error = answer.json()["error"].clone();
    assert_eq!((&error["key"], &error["work"]), (&json!("repository-busy"), &json!("backup")), "{error}");
    backup.kill().unwrap();
    backup.wait().unwrap();

    let spanish = ok(&cadena, &["cleanup", "--lang", "es", "--dry-run"]).stdout;
    assert!(spanish.contains("FULL 12 meses, DIFERENCIAL 8 semanas, INCREMENTAL 7 días"), "{spanish}");
    assert!(spanish.contains("No hay nada que eliminar."), "{spanish}");
    cadena.write("cadena.toml", "[retention]\nmin_chains = 0\n");
    let answer = cadena.run(&["cleanup"]);
    assert_eq!(answer.code, 2, "{answer:?}");
}

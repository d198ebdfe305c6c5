//! The daemon as its users meet it: one a repository, stopped in the middle, told otherwise while it runs, watched by systemd.

#![cfg(unix)]

mod common;
mod daemon_support;
mod stream_support;

use daemon_support::{cadena_for, completed, journal, memory, options, records, schedule_file};
use serde_json::Value;
use std::os::unix::net::UnixDatagram;
use stream_support::{Daemon, daemon_log, ok, wait_for};
use testkit::{TestCluster, available_versions};

fn cluster() -> Option<TestCluster> {
    let cluster = TestCluster::new(available_versions().pop()?, &options());
    cluster.sql("CREATE TABLE item AS SELECT id, md5(id::text) AS body FROM generate_series(1, 20000) id");
    Some(cluster)
}

#[test]
fn a_first_start_takes_a_full_and_a_second_daemon_is_refused() {
    let Some(cluster) = cluster() else { return };
    let cadena = cadena_for(&cluster);
    let mut daemon = Daemon::start_with(&cadena, &[]);
    wait_for("the first FULL", || !completed(&cadena).is_empty());
    let first = completed(&cadena).remove(0);
    assert_eq!((&first["kind"], &first["scheduled_for"]), (&"FULL".into(), &memory(&cadena)["first_start"]));

    let second = cadena.run(&["start", "--json"]);
    let error = &second.json()["error"];
    assert_eq!(
        (second.code, error["key"].as_str(), error["pid"].as_u64()),
        (4, Some("daemon-busy"), Some(daemon.pid().into()))
    );
    assert!(daemon.is_running());

    wait_for("the memory", || memory(&cadena)["jobs"]["FULL"]["last"]["note"]["key"] == "run-note-backup");
    let shown = ok(&cadena, &["schedule", "show", "--json"]).json();
    assert_eq!(shown["daemon"]["pid"], daemon.pid());
    let full = &shown["jobs"][0];
    assert_eq!((&full["job"], &full["source"], &full["rule"]["day"]), (&"FULL".into(), &"default".into(), &1.into()));
    assert_eq!(full["next"].as_array().map(Vec::len), Some(3), "{full}");
    let text = ok(&cadena, &["schedule", "show", "--lang", "es"]).stdout;
    assert!(text.contains("los domingos a las 23:30") && text.contains("backup 1, FULL"), "{text}");

    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(completed(&cadena).len(), 1, "nothing is made up at a first start, and nothing else is due");
    let events = journal(&cadena);
    for key in ["daemon-started", "run-started", "backup-completed", "run-finished", "daemon-stopped"] {
        assert!(events.iter().any(|event| event == key), "{key} of {events:?}");
    }
    let log = daemon_log(&cadena);
    let is_line =
        |line: &str| line.split(' ').nth(2).is_some_and(|level| ["INFO", "WARNING", "ERROR"].contains(&level));
    assert!(log.lines().all(is_line), "{log}");
}

#[test]
fn sigterm_in_the_middle_of_a_backup_leaves_nothing_half_made_and_the_run_is_made_up() {
    let Some(cluster) = cluster() else { return };
    let cadena = cadena_for(&cluster);
    schedule_file(&cadena, &[("full", "0 0 1 * *")], "[backup]\nmax_rate = \"1MB\"");
    let daemon = Daemon::start_with(&cadena, &[]);
    let list = || ok(&cadena, &["list", "--json"]).json();
    wait_for("a backup that runs", || list()["running"]["id"] == 1);
    assert_eq!(daemon.stop(), Some(0));

    let found = list();
    assert!(found["running"].is_null() && found["interrupted"].is_null(), "{found}");
    assert!(records(&cadena).iter().all(|record| record["state"] == "FALLIDO"), "{found}");
    let files = std::fs::read_dir(cadena.path("backups_incrementales/full")).expect("a folder").flatten();
    let left: Vec<_> =
        files.map(|entry| entry.file_name()).filter(|name| !name.to_string_lossy().ends_with(".json")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(journal(&cadena).contains(&"run-stopped".to_owned()));
    assert!(memory(&cadena)["running"].is_null());

    schedule_file(&cadena, &[("full", "0 0 1 * *")], "");
    let daemon = Daemon::start_with(&cadena, &[]);
    wait_for("the run that is made up", || !completed(&cadena).is_empty());
    assert_eq!(completed(&cadena)[0]["scheduled_for"], memory(&cadena)["first_start"]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_changed_schedule_is_taken_over_without_a_restart_and_a_broken_one_is_not() {
    let Some(cluster) = cluster() else { return };
    let cadena = cadena_for(&cluster);
    ok(&cadena, &["full"]);
    cadena.write("cadena.toml", "[schedule]\nfull = \"off\"\nvalidate = \"off\"\n");
    for job in ["incremental", "Diferencial", "LIMPIEZA"] {
        ok(&cadena, &["schedule", "set", job, "--off"]);
    }
    let refused = cadena.run(&["schedule", "set", "FULL", "--hour", "4", "--json"]);
    let error = &refused.json()["error"];
    assert_eq!(
        (refused.code, &error["key"], &error["name"]),
        (6, &"schedule-fixed".into(), &"full".into()),
        "{refused:?}"
    );
    for wrong in [&["--day", "32"][..], &["--day", "1", "--weekday", "sunday"], &["--cron", "0 0 30 2 *"], &[]] {
        let arguments = [&["schedule", "set", "INC"], wrong].concat();
        assert_eq!(cadena.run(&arguments).code, 2, "{arguments:?}");
    }

    let mut daemon = Daemon::start_with(&cadena, &[]);
    let of_kind = |kind: &str| completed(&cadena).iter().filter(|record| record["kind"] == kind).count();
    wait_for("the start", || daemon_log(&cadena).contains("INFO"));
    ok(&cadena, &["schedule", "set", "INCREMENTAL", "--cron", "*/2 * * * * *"]);
    wait_for("two INCREMENTALs", || of_kind("INCREMENTAL") >= 2);
    ok(&cadena, &["schedule", "set", "INCREMENTAL", "--off"]);

    // A broken file is told once, and what it said before goes on.
    cadena.write("cadena.toml", "[schedule]\nfull = \"sometimes\"\n");
    wait_for("the complaint", || daemon_log(&cadena).contains("ERROR"));
    assert!(daemon.is_running());
    schedule_file(&cadena, &[("diferencial", "*/2 * * * * *")], "");
    wait_for("a DIFERENCIAL", || of_kind("DIFERENCIAL") >= 1);
    assert_eq!(daemon.stop(), Some(0));
    let log = daemon_log(&cadena);
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ")).collect();
    assert!(complaints.len() == 1 && complaints[0].contains("sometimes"), "{complaints:#?}");
}

#[test]
fn a_server_without_replication_is_backed_up_all_the_same() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &options().set("max_wal_senders", "0"));
    let cadena = cadena_for(&cluster);
    schedule_file(&cadena, &[("full", "0 0 1 * *")], "");
    let mut daemon = Daemon::start_with(&cadena, &[]);
    wait_for("the FULL", || !completed(&cadena).is_empty());
    wait_for("the receiver's error", || daemon_log(&cadena).contains(" ERROR "));
    assert!(daemon.is_running());
    assert_eq!(daemon.stop(), Some(0));
    let failed = journal(&cadena).iter().filter(|key| *key == "daemon-receiver-failed").count();
    assert_eq!(failed, 1, "told once, however often it was tried");
}

#[test]
fn systemd_is_told_when_the_daemon_is_ready_alive_busy_and_stopping() {
    let Some(cluster) = cluster() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(stream_support::PATIENCE)).expect("a timeout");
    let cadena = cadena_for(&cluster)
        .variable("NOTIFY_SOCKET", &path.display().to_string())
        .variable("WATCHDOG_USEC", "2000000");
    let daemon = Daemon::start_with(&cadena, &[]);
    let mut heard: Vec<String> = Vec::new();
    let mut hear = |what: &str, wanted: &dyn Fn(&[String]) -> bool| {
        let deadline = std::time::Instant::now() + stream_support::PATIENCE;
        let mut buffer = [0; 4096];
        while !wanted(&heard) {
            assert!(std::time::Instant::now() < deadline, "waited too long for {what}; heard {heard:?}");
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}; heard {heard:?}"));
            heard.push(String::from_utf8_lossy(&buffer[..length]).trim().to_owned());
        }
        heard.clone()
    };
    let count = |heard: &[String], what: &str| heard.iter().filter(|line| line.starts_with(what)).count();
    hear("readiness and signs of life", &|heard| count(heard, "READY=1") == 1 && count(heard, "WATCHDOG=1") >= 3);
    hear("a run and its end", &|heard| {
        let run = heard.iter().position(|line| line.starts_with("STATUS=FULL"));
        run.is_some_and(|run| heard[run..].iter().any(|line| line.starts_with("STATUS=Next: ")))
    });
    assert_eq!(daemon.stop(), Some(0));
    let heard = hear("the end", &|heard| count(heard, "STOPPING=1") == 1);
    assert_eq!(count(&heard, "READY=1"), 1, "{heard:?}");
}

#[test]
fn the_schedule_is_shown_and_set_as_the_description_says() {
    let Some(cluster) = cluster() else { return };
    let cadena = cadena_for(&cluster);
    let set = |arguments: &[&str]| ok(&cadena, &[&["schedule", "set"], arguments, &["--json"]].concat()).json();
    assert_eq!(
        set(&["FULL", "--day", "1", "--hour", "4", "--minute", "0"])["rule"],
        serde_json::json!({"day": 1, "hour": 4, "minute": 0})
    );
    assert_eq!(
        set(&["DIFERENCIAL", "--weekday", "domingo"])["rule"],
        serde_json::json!({"weekday": 6, "hour": 23, "minute": 30})
    );
    assert_eq!(set(&["incremental", "--hour", "22"])["rule"], serde_json::json!({"hour": 22, "minute": 0}));
    assert_eq!(set(&["validacion", "--off"])["rule"], "off");
    let jobs = ok(&cadena, &["schedule", "show", "--json"]).json()["jobs"].clone();
    let sources: Vec<&Value> = jobs.as_array().expect("jobs").iter().map(|job| &job["source"]).collect();
    assert_eq!(sources, ["repository", "repository", "repository", "repository", "default", "default"]);
    assert_eq!(jobs[3]["next"], serde_json::json!([]));
    set(&["FULL", "--default"]);
    let jobs = ok(&cadena, &["schedule", "show", "--json"]).json()["jobs"].clone();
    assert_eq!((&jobs[0]["source"], &jobs[0]["rule"]["hour"]), (&"default".into(), &0.into()));
    assert_eq!(cadena.run(&["start", "--no-wal", "--no-schedule"]).code, 2);
}

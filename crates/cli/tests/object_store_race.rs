//! Two hosts take backups and a third one cleans up, all in one bucket, each of them stopped for longer than its lease or killed at any
//! moment. Whatever comes of it: no backup that says COMPLETADO is lost, and each of them can be restored.
//!
//! `CADENA_RACE_SECONDS` sets how long they race (8).

#![cfg(unix)]

mod common;

use common::Cadena;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testkit::stores::S3Server;
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions};

fn seconds() -> u64 {
    std::env::var("CADENA_RACE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// What the hosts met: how often which answer came.
type Answers = Mutex<BTreeMap<String, usize>>;

/// Numbers that look random, the same in every run.
struct Dice(AtomicU64);

impl Dice {
    fn throw(&self, sides: u64) -> u64 {
        let mixed = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)) % sides
    }
}

/// One host: does one thing after the other, each perhaps paused or killed, until the time is up.
fn host(cadena: &Cadena, work: &[&[&str]], dice: &Dice, until: Instant, answers: &Answers) {
    for turn in 0.. {
        if Instant::now() >= until {
            return;
        }
        let arguments = [work[turn % work.len()], &["--json"]].concat();
        let child = cadena.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("cadena");
        match dice.throw(5) {
            0 => {
                std::thread::sleep(Duration::from_millis(30 + dice.throw(400)));
                signal(&child, Signal::KILL);
            }
            1 | 2 => {
                std::thread::sleep(Duration::from_millis(30 + dice.throw(400)));
                signal(&child, Signal::STOP);
                // The lease is two seconds.
                std::thread::sleep(Duration::from_millis(2500 + dice.throw(2500)));
                signal(&child, Signal::CONT);
            }
            _ => {}
        }
        let output = child.wait_with_output().expect("cadena ends");
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let key = answer.pointer("/error/key").and_then(serde_json::Value::as_str).map(str::to_owned);
        let key = key.unwrap_or_else(|| format!("{:?}", output.status.code()));
        *answers.lock().expect("no panic").entry(format!("{} {key}", arguments[0])).or_default() += 1;
    }
}

/// To one that has ended already it can't be sent.
fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).ok();
}

#[test]
#[allow(clippy::print_stderr, reason = "what the hosts met is worth knowing when it fails")]
fn nothing_is_lost_by_hosts_that_race_pause_and_die() {
    let Some(version) = available_versions().pop() else { return };
    let Some(server) = S3Server::start() else { return };
    let cluster = TestCluster::new(version, &ClusterOptions::default().set("wal_keep_size", "1GB"));
    cluster.sql("CREATE TABLE item AS SELECT g id, md5(g::text) body FROM generate_series(1, 20000) g");
    let one = || {
        let cadena = Cadena::new()
            .variable("BACKUP_DIR", &format!("s3://{}/race?lease_seconds=2&give_up_seconds=10", S3Server::BUCKET))
            .variable("AWS_ENDPOINT_URL", &server.endpoint())
            .variable("AWS_REGION", "us-east-1")
            .variable("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY)
            .variable("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY)
            .variable("DB_HOST", &cluster.socket_folder().display().to_string())
            .variable("DB_PORT", &cluster.port().to_string())
            .variable("DB_USER", cluster.user())
            .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
        // What is older than the newest chain goes at once.
        let retention = "[retention]\nfull_months = 0\ndifferential_weeks = 0\nincremental_days = 0\nmin_chains = 1\n";
        cadena.write("cadena.toml", &format!("[catalog]\nenabled = \"off\"\n{retention}"));
        cadena
    };
    let (first, second, third) = (one(), one(), one());
    assert_eq!(first.run(&["init", "--no-catalog"]).code, 0);
    assert_eq!(first.run(&["full"]).code, 0);

    let dice = Dice(AtomicU64::new(7));
    let answers = Answers::default();
    let until = Instant::now() + Duration::from_secs(seconds());
    let backups: &[&[&str]] = &[&["incremental"], &["incremental"], &["diferencial"], &["full"], &["incremental"]];
    std::thread::scope(|scope| {
        scope.spawn(|| host(&first, backups, &dice, until, &answers));
        scope.spawn(|| host(&second, &backups[1..], &dice, until, &answers));
        scope.spawn(|| host(&third, &[&["cleanup"]], &dice, until, &answers));
        while Instant::now() < until {
            cluster.sql("UPDATE item SET body = md5(body) WHERE id % 50 = (random() * 49)::int");
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    eprintln!("{:#?}", answers.lock().expect("no panic"));

    // Whoever comes next sweeps up after the dead, and takes a backup.
    let begin = Instant::now();
    while first.run(&["incremental"]).code != 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "no backup can be taken any more: {:?}",
            first.run(&["incremental", "--json"])
        );
    }
    let list = first.run(&["list", "--json"]).json();
    let completed: Vec<u64> = list["backups"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|backup| backup["state"] == "COMPLETADO")
        .map(|backup| backup["id"].as_u64().expect("an id"))
        .collect();
    assert!(!completed.is_empty(), "{list}");
    for id in &completed {
        let id = id.to_string();
        let answer = first.run(&["validate", &id, "--level", "deep", "--json"]);
        assert!(answer.code == 0 && answer.json()["valid"] == true, "{id}: {answer:?}");
        let answer = first.run(&["restore", "--backup", &id, "--to", "nowhere", "--dry-run"]);
        assert_eq!(answer.code, 0, "{id}: {answer:?}");
    }
    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let restored = TestCluster::adopt(version, &target);
    let (to, owner) = (target.display().to_string(), restored.owner().name.clone());
    let answer = first.run(&["restore", "--latest", "--to", &to, "--owner", &owner]);
    assert_eq!(answer.code, 0, "{answer:?}");
    restored.start_with(&[]);
    assert_eq!(restored.sql("SELECT count(*) FROM item"), "20000");
    restored.stop();
}

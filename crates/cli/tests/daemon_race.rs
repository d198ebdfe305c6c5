//! Daemons of two hosts for one repository in a bucket, and of another cluster's beside it, with runs every few seconds and cleanups in
//! between, killed and paused at any moment: one works at a time, none works twice, nothing is lost, and everything restores.
//!
//! `CADENA_RACE_SECONDS` sets how long they race (8).

#![cfg(unix)]

mod common;
mod race_support;
mod stream_support;

use common::Cadena;
use race_support::{Dice, RacingDaemon, completed, events, host, race_seconds, told};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use stream_support::{streamed_options, wait_for};
use testkit::stores::S3Server;
use testkit::{TestCluster, TestFolder, available_versions};

const CONFIG: &str = "[catalog]\nenabled = \"off\"\n\
    [retention]\nfull_months = 0\ndifferential_weeks = 0\nincremental_days = 0\nmin_chains = 1\n";
const SCHEDULE: &str = "[schedule]\nfull = \"*/19 * * * * *\"\ndiferencial = \"*/11 * * * * *\"\nincremental = \"*/3 * * * * *\"\n\
    cleanup = \"*/7 * * * * *\"\nvalidate = \"off\"\ndrill = \"off\"\n";
const QUIET: &str = "[schedule]\nfull = \"off\"\ndiferencial = \"off\"\nincremental = \"off\"\ncleanup = \"off\"\nvalidate = \"off\"\n\
    drill = \"off\"\n";

fn configured(cadena: Cadena, schedule: &str) -> Cadena {
    cadena.write("cadena.toml", &format!("{CONFIG}{schedule}"));
    cadena
}

#[test]
fn a_daemon_that_lost_its_lock_notices_it_stops_and_waits_for_its_turn() {
    let Some(version) = available_versions().pop() else { return };
    let Some(server) = S3Server::start() else { return };
    let cluster = TestCluster::new(version, &streamed_options());
    let on = |name: &str, lease| configured(host(&server, &cluster, "turns", name, lease), QUIET);
    let (first, second) = (on("first", 2), on("second", 2));
    assert_eq!(first.run(&["init", "--no-catalog"]).code, 0);

    let mut one = RacingDaemon::start(&first, &["--wait"]);
    wait_for("the first daemon", || one.count("daemon-started") == 1);
    let refused = second.run(&["start", "--json"]);
    assert_eq!((refused.code, refused.json()["error"]["key"].as_str()), (4, Some("daemon-busy")), "{refused:?}");
    let mut other = RacingDaemon::start(&second, &["--wait"]);
    wait_for("the second one to wait", || other.count("daemon-waiting") == 1);

    // Paused for longer than its lease, it is taken for dead; awake, it notices, and waits.
    one.signal(Signal::STOP);
    wait_for("the take-over", || other.count("daemon-started") == 1);
    one.signal(Signal::CONT);
    wait_for("the first one to notice", || one.count("daemon-lock-lost") == 1);
    wait_for("the first one to wait", || one.count("daemon-waiting") == 1);
    assert_eq!((one.count("daemon-started"), other.count("daemon-lock-lost")), (1, 0));

    // Without --wait it would have ended, as one that came second.
    other.kill();
    wait_for("the first one's turn", || one.count("daemon-started") == 2);
    let mut plain = RacingDaemon::start(&second, &[]);
    assert_eq!(plain.code(), Some(4));
    one.signal(Signal::TERM);
    assert_eq!(one.code(), Some(0));
    let mut plain = RacingDaemon::start(&second, &[]);
    wait_for("the one without --wait", || plain.count("daemon-started") == 2);
    plain.signal(Signal::STOP);
    let one = RacingDaemon::start(&first, &["--wait"]);
    wait_for("the next take-over", || one.count("daemon-started") == 3);
    plain.signal(Signal::CONT);
    assert_eq!(plain.code(), Some(4));
    assert_eq!(plain.count("daemon-lock-lost"), 1);
    drop(one);

    // Whose process is dead on the same host is known to be dead, however long its lease.
    let long = on("third", 3600);
    let mut dead = RacingDaemon::start(&long, &["--wait"]);
    wait_for("one with a long lease", || dead.count("daemon-started") == 1);
    dead.kill();
    let begin = Instant::now();
    let next = RacingDaemon::start(&long, &[]);
    wait_for("the one after the dead", || next.count("daemon-started") == 2);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

/// What the hosts of one repository work with.
struct Site<'a> {
    cluster: &'a TestCluster,
    hosts: Vec<Cadena>,
    /// Whoever cleans up and looks, on a third host.
    third: Cadena,
    /// Every backup that was ever seen complete.
    seen: Mutex<BTreeSet<u64>>,
}

impl<'a> Site<'a> {
    fn new(server: &S3Server, cluster: &'a TestCluster, prefix: &str, names: &[&str]) -> Self {
        cluster.sql("CREATE TABLE item AS SELECT g id, md5(g::text) body FROM generate_series(1, 20000) g");
        let hosts = names.iter().map(|name| configured(host(server, cluster, prefix, name, 2), SCHEDULE)).collect();
        let third = configured(host(server, cluster, prefix, "third", 2), SCHEDULE);
        assert_eq!(third.run(&["init", "--no-catalog"]).code, 0);
        Site { cluster, hosts, third, seen: Mutex::default() }
    }

    /// Keeps each host's daemon up, and lets it be killed and paused.
    fn daemons(&self, dice: &Dice, until: Instant) {
        let mut daemons: Vec<_> = self.hosts.iter().map(|host| RacingDaemon::start(host, &["--wait"])).collect();
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(300 + dice.throw(2500)));
            let chosen = dice.throw(daemons.len() as u64) as usize;
            match dice.throw(3) {
                0 => {
                    daemons[chosen].kill();
                    // Systemd waits, too.
                    std::thread::sleep(Duration::from_millis(dice.throw(1500)));
                    daemons[chosen] = RacingDaemon::start(&self.hosts[chosen], &["--wait"]);
                }
                _ => {
                    daemons[chosen].signal(Signal::STOP);
                    // The lease is two seconds: some pauses are longer.
                    std::thread::sleep(Duration::from_millis(1000 + dice.throw(5000)));
                    daemons[chosen].signal(Signal::CONT);
                }
            }
            assert!(daemons.iter_mut().all(|daemon| !daemon.has_ended()), "a daemon gave up: {:?}", self.told());
        }
        for mut daemon in daemons {
            daemon.signal(Signal::TERM);
            daemon.code();
        }
    }

    /// Cleans up and looks, again and again.
    fn sweeps(&self, dice: &Dice, until: Instant) {
        while Instant::now() < until {
            let list = self.third.run(&["list", "--json"]);
            assert_eq!(list.code, 0, "{list:?}");
            self.seen.lock().expect("no panic").extend(completed(&list.json()));
            self.third.run(&["cleanup", "--json"]);
            // The daemons' own runs are to have their turn.
            std::thread::sleep(Duration::from_millis(dice.throw(2000)));
        }
    }

    fn writes(&self, until: Instant) {
        while Instant::now() < until {
            self.cluster.sql("UPDATE item SET body = md5(body) WHERE id % 50 = (random() * 49)::int");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn told(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for host in &self.hosts {
            for key in told(&host.path("events.jsonl")) {
                *counts.entry(key).or_default() += 1;
            }
        }
        counts
    }

    /// The errors of runs that failed.
    fn failures(&self) -> Vec<Value> {
        let failures = self.hosts.iter().flat_map(|host| events(&host.path("events.jsonl")));
        failures.filter(|event| event["key"] == "run-failed").collect()
    }

    /// Everything that says that it is complete restores; none was taken twice; none was lost.
    fn assert_sound(&self) {
        let begin = Instant::now();
        loop {
            let answer = self.third.run(&["incremental", "--json"]);
            if answer.code == 0 {
                break;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "no backup can be taken any more: {answer:?}");
        }
        let list = self.third.run(&["list", "--json"]).json();
        let ids = completed(&list);
        let of_kind = |kind: &str| {
            let backups = list["backups"].as_array().into_iter().flatten();
            backups.filter(|backup| backup["state"] == "COMPLETADO" && backup["kind"] == kind).collect::<Vec<&Value>>()
        };
        for kind in ["FULL", "DIFERENCIAL", "INCREMENTAL"] {
            let mut due = BTreeSet::new();
            for backup in of_kind(kind) {
                let at = &backup["scheduled_for"];
                assert!(at.is_null() || due.insert(at.to_string()), "{kind} of {at} was taken twice: {list}");
            }
        }
        let newest_full = of_kind("FULL").iter().filter_map(|backup| backup["id"].as_u64()).max().expect("a FULL");
        // The policy keeps the newest chain and nothing else: what was seen of that is there.
        let lost: Vec<u64> = self
            .seen
            .lock()
            .expect("no panic")
            .iter()
            .copied()
            .filter(|id| *id >= newest_full && !ids.contains(id))
            .collect();
        assert!(lost.is_empty(), "{lost:?} are gone: {list}");
        for id in &ids {
            let id = id.to_string();
            let answer = self.third.run(&["validate", &id, "--level", "deep", "--json"]);
            assert!(answer.code == 0 && answer.json()["valid"] == true, "{id}: {answer:?}");
            let answer = self.third.run(&["restore", "--backup", &id, "--to", "nowhere", "--dry-run"]);
            assert_eq!(answer.code, 0, "{id}: {answer:?}");
        }
        self.restores(*ids.iter().max().expect("a backup"));
    }

    /// The newest backup was taken after the last row was written: what it brings back is what the cluster holds.
    fn restores(&self, id: u64) {
        let digest = "SELECT count(*) || md5(string_agg(id || body, ',' ORDER BY id)) FROM item";
        let wanted = self.cluster.sql(digest);
        let folder = TestFolder::new();
        let target = folder.path().join("data");
        let restored = TestCluster::adopt(self.cluster.version(), &target);
        let (to, owner, id) = (target.display().to_string(), restored.owner().name.clone(), id.to_string());
        let answer = self.third.run(&["restore", "--backup", &id, "--to", &to, "--owner", &owner]);
        assert_eq!(answer.code, 0, "{answer:?}");
        restored.start_with(&[]);
        assert_eq!(restored.sql(digest), wanted);
        restored.stop();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "what the daemons met is worth knowing when it fails")]
fn nothing_is_lost_by_daemons_that_race_pause_and_die() {
    let Some(version) = available_versions().pop() else { return };
    let Some(server) = S3Server::start() else { return };
    let (shared, beside) =
        (TestCluster::new(version, &streamed_options()), TestCluster::new(version, &streamed_options()));
    // Two hosts for one repository, and the first of them has another cluster's in the same bucket as well.
    let sites = [
        Site::new(&server, &shared, "race/shared", &["one", "two"]),
        Site::new(&server, &beside, "race/beside", &["one"]),
    ];
    let dice = Dice::new(11);
    let until = Instant::now() + Duration::from_secs(race_seconds(8));
    std::thread::scope(|scope| {
        for site in &sites {
            scope.spawn(|| site.daemons(&dice, until));
            scope.spawn(|| site.sweeps(&dice, until));
            scope.spawn(|| site.writes(until));
        }
    });
    for site in &sites {
        eprintln!("{:#?}", site.told());
        // One that was paused for longer than its lease lost the repository's lock to another in the middle of a run: the run has failed,
        // wrote nothing, and is tried again. Nothing else may fail.
        for failure in site.failures() {
            assert_eq!(failure["error"]["key"], "storage-lock-lost", "{failure}");
        }
        site.assert_sound();
    }
}

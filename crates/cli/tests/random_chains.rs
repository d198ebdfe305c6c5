//! Chains of backups with whatever may happen to a cluster in between, drawn by lot; then every backup is restored and compared.
//!
//! A failure prints the seed, the command that repeats the round, and its steps. `CADENA_SEED` sets the seed, `CADENA_ROUNDS` how many
//! rounds each version plays (one by default; the next round's seed is one more).

#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "a test says what it did, and how to do it again")]

mod chain_support;
mod common;
mod stream_support;

use chain_support::{Chains, describe, is_full_instead};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Instant;
use testkit::PsqlSession;
use testkit::random::{BackupStep, Kind, Schedule, Step};

/// A statement that waits longer than this for a lock waits for a prepared transaction: a mistake of the schedule.
const LOCK_WAIT: &str = "SET lock_timeout = '30s'";

testkit::on_each_version!(every_backup_of_every_chain_gives_back_its_instant, |version| {
    let number = |name: &str| {
        std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}: {text}")))
    };
    let seed = number("CADENA_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish() % 1_000_000_000);
    for round in 0..number("CADENA_ROUNDS").unwrap_or(1) {
        Round::new(Schedule::new(seed.wrapping_add(round), version)).play();
    }
});

/// A round at work. Dropped by a panic it says how to repeat it and what was done.
struct Round {
    schedule: Schedule,
    log: Vec<String>,
    begin: Instant,
}

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, version) = (self.schedule.seed, self.schedule.version);
            eprintln!(
                "--- seed {seed}, settings {:?}, checksums {}; again with",
                self.schedule.settings, self.schedule.checksums
            );
            eprintln!(
                "CADENA_SEED={seed} cargo nextest run -p cadena-cli --test random_chains -E 'test(postgresql_{version})'"
            );
            eprintln!("{}", self.log.join("\n"));
        }
    }
}

impl Round {
    fn new(schedule: Schedule) -> Self {
        Round { schedule, log: Vec::new(), begin: Instant::now() }
    }

    fn note(&mut self, what: &str) {
        self.log.push(format!("{:5.1} s  {what}", self.begin.elapsed().as_secs_f64()));
    }

    fn play(mut self) {
        let mut chains = Chains::new(self.schedule.version, &self.schedule.cluster_options());
        let mut bystander = Some(bystander(&chains));
        for step in self.schedule.steps.clone() {
            self.note(&step.to_string());
            if matches!(step, Step::Crash { .. } | Step::Restart) {
                bystander = None;
            }
            self.take(&mut chains, &step);
            bystander.get_or_insert_with(|| self::bystander(&chains));
        }
        chains.set_daemon(false);
        chains.catch_up();
        self.note("all is archived");
        self.restore_all(&chains);
        eprintln!(
            "seed {}, PostgreSQL {}: {} steps, {} backups, {:.1} s\n{}",
            self.schedule.seed,
            self.schedule.version,
            self.schedule.steps.len(),
            chains.taken.len(),
            self.begin.elapsed().as_secs_f64(),
            chains.summary()
        );
    }

    fn take(&mut self, chains: &mut Chains, step: &Step) {
        match step {
            Step::Sql { database, sql, .. } => {
                chains.cluster.sql_in(database, &format!("{LOCK_WAIT};\n{sql}"));
            }
            Step::CreateTablespace { name } => {
                let folder = chains.cluster.folder().make(&format!("tablespaces/{name}"));
                chains.cluster.sql(&format!("CREATE TABLESPACE {name} LOCATION '{}'", folder.display()));
            }
            Step::Crash { open } => {
                let mut session = chains.cluster.session("postgres");
                session.run(&format!("{LOCK_WAIT};\n{open}")).unwrap_or_else(|failure| panic!("{open}\n{failure}"));
                chains.cluster.crash();
                chains.cluster.start();
            }
            Step::Restart => chains.cluster.restart(),
            Step::CatchUp => chains.catch_up(),
            Step::Daemon { runs } => chains.set_daemon(*runs),
            Step::Merge => self.merge(chains),
            Step::Backup(backup) => self.back_up(chains, backup),
        }
    }

    fn back_up(&mut self, chains: &mut Chains, backup: &BackupStep) {
        let BackupStep { kind, changes, reader, meanwhile } = backup;
        let had_base = chains.taken.iter().any(|taken| *kind != Kind::Differential || taken.record["kind"] == "FULL");
        let further = ["--reader", reader, "--jobs", "2"];
        let record = chains.take(*kind, *changes, &further, meanwhile).record.clone();
        self.note(&format!("  {}", describe(&record)));
        assert_eq!(record["reader"], *reader);
        // Nothing in these rounds breaks a chain, so nothing but the lack of any backup is a reason for a FULL.
        assert_eq!(is_full_instead(&record), *kind != Kind::Full && !had_base, "{}", describe(&record));
    }

    /// The chain of the newest backup becomes a FULL that must give back the same.
    fn merge(&mut self, chains: &mut Chains) {
        let Some(newest) = chains.taken.last() else { return };
        if newest.record["base_id"].is_null() {
            return;
        }
        let (id, expected, mark) = (newest.id().to_string(), newest.expected.clone(), newest.mark.clone());
        let record = chains.ok(&["merge", &id, "--json"]).json()["backup"].clone();
        self.note(&format!("  {}", describe(&record)));
        assert_eq!(record["kind"], "FULL");
        assert!(record["merged_from"].as_array().is_some_and(|merged| merged.len() > 1), "{record}");
        chains.taken.push(chain_support::taken::Taken { record, mark, expected });
    }

    /// Each into a new folder and over the one before it, by turns.
    fn restore_all(&mut self, chains: &Chains) {
        let newest = chains.taken.len() - 1;
        let mut before = None;
        for (position, taken) in chains.taken.iter().enumerate() {
            let restored = match before.take() {
                None => taken.restore_and_compare(chains),
                Some(before) => taken.restore_over_and_compare(chains, before),
            };
            if position == newest {
                restored.write_and_check();
            }
            let stopped = restored.stop_and_check_pages(self.schedule.checksums);
            before = position.is_multiple_of(2).then_some(stopped);
            self.note(&format!("backup {} is as it was", taken.id()));
        }
    }
}

/// A session with a temporary table, there all the time: no backup may hold its files.
fn bystander(chains: &Chains) -> PsqlSession {
    let mut session = chains.cluster.session("postgres");
    let made = session
        .run("CREATE TEMP TABLE bystander AS SELECT n FROM generate_series(1, 5000) n; CREATE INDEX ON bystander (n)");
    made.unwrap_or_else(|failure| panic!("{failure}"));
    session
}

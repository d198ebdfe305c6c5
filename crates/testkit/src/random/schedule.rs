//! A whole round, drawn by lot.

use super::meanwhile;
use super::objects::{self, PICTURES};
use super::prng::Prng;
use super::step::{BackupStep, Changes, Kind, Step};
use super::world::{MAIN, World};
use super::{databases, tables};
use crate::options::ClusterOptions;
use pgformat::MajorVersion;

/// The tablespace that is there from the beginning.
const FIRST_TABLESPACE: &str = "space0";

type Operation = fn(&mut World, &mut Prng) -> Option<Step>;

/// What may happen between backups, and how often in proportion. One that can't happen now gives `None`, and another is drawn.
const OPERATIONS: [(u64, Operation); 28] = [
    (8, tables::create),
    (4, tables::drop),
    (14, tables::insert),
    (4, tables::copy),
    (16, tables::update),
    (8, tables::delete),
    (2, tables::lock_rows),
    (5, tables::truncate),
    (10, tables::create_index),
    (2, tables::drop_index),
    (5, tables::reindex),
    (10, tables::vacuum),
    (3, tables::cluster),
    (12, tables::alter),
    (3, objects::materialized_view),
    (5, objects::sequence),
    (5, objects::large_object),
    (2, objects::temporary_table),
    (3, objects::catalog),
    (2, objects::role),
    (5, objects::checkpoint),
    (5, objects::prepared_transaction),
    (4, objects::undone),
    (5, databases::create),
    (5, databases::write),
    (8, databases::change),
    (3, databases::tablespace),
    (3, restart),
];

fn restart(_: &mut World, random: &mut Prng) -> Option<Step> {
    Some(if random.percent(50) { Step::Restart } else { Step::CatchUp })
}

/// What is done in a round, and with which settings.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The number that it was drawn from.
    pub seed: u64,
    /// The server's version, which decides what it can do.
    pub version: MajorVersion,
    /// How the cluster is to be made.
    pub checksums: bool,
    /// Lines for postgresql.conf.
    pub settings: Vec<(&'static str, &'static str)>,
    /// In this order. The last one is a backup.
    pub steps: Vec<Step>,
}

impl Schedule {
    /// Draws a round: the same for the same seed and version.
    pub fn new(seed: u64, version: MajorVersion) -> Self {
        let mut random = Prng::new(seed);
        let random = &mut random;
        let summarizes = version >= MajorVersion::V17 && random.percent(60);
        let checksums = random.percent(80);
        let mut settings = vec![
            // So small that pages are written out and read again all the time.
            ("shared_buffers", *random.pick(&["1MB", "4MB", "16MB"])),
            ("wal_level", *random.pick_weighted(&[(4, "replica"), (1, "logical")])),
            ("wal_log_hints", *random.pick(&["on", "off"])),
            ("full_page_writes", *random.pick_weighted(&[(4, "on"), (1, "off")])),
            ("wal_compression", *random.pick(&["on", "off"])),
            ("autovacuum", *random.pick(&["on", "off"])),
            ("track_commit_timestamp", *random.pick(&["on", "off"])),
        ];
        if summarizes {
            settings.push(("summarize_wal", "on"));
        }
        let mut world = World::new(version, FIRST_TABLESPACE);
        let mut steps = vec![preparation()];
        steps.extend((0..3).filter_map(|_| tables::create(&mut world, random)));
        let mut daemon_runs = false;
        let backups = random.between(4, 6);
        for number in 0..backups {
            for _ in 0..random.between(1, 5) {
                steps.push(operation(&mut world, random));
                if random.percent(6) {
                    daemon_runs = !daemon_runs;
                    steps.push(Step::Daemon { runs: daemon_runs });
                }
            }
            steps.push(Step::Backup(backup(&world, random, number == 0, summarizes)));
            if number > 0 && number + 1 < backups && random.percent(8) {
                steps.push(Step::Merge);
            }
        }
        Self { seed, version, checksums, settings, steps }
    }

    /// Returns how its cluster is to be made.
    pub fn cluster_options(&self) -> ClusterOptions {
        // Without fsync, which ClusterOptions leaves off: a server that dies loses nothing that it has written, only a machine would.
        let mut options =
            ClusterOptions::default().wal_segment_mb(1).checksums(self.checksums).tablespace(FIRST_TABLESPACE);
        for (name, value) in &self.settings {
            options = options.set(name, value);
        }
        options
    }
}

/// What there is before the lot decides.
fn preparation() -> Step {
    let text = format!("{PICTURES}; {}", meanwhile::PREPARATION);
    Step::Sql { what: "preparation", database: MAIN.to_owned(), sql: text }
}

fn operation(world: &mut World, random: &mut Prng) -> Step {
    // There are always some that can happen: a checkpoint, for one.
    loop {
        if let Some(step) = random.pick_weighted(&OPERATIONS)(world, random) {
            return step;
        }
    }
}

fn backup(world: &World, random: &mut Prng, is_first: bool, summarizes: bool) -> BackupStep {
    let (full, differential, incremental) = if is_first { (8, 1, 1) } else { (1, 3, 8) };
    let kinds = [(full, Kind::Full), (differential, Kind::Differential), (incremental, Kind::Incremental)];
    let server = if summarizes { 3 } else { 0 };
    let changes = [(3, Changes::Auto), (3, Changes::Wal), (3, Changes::Scan), (server, Changes::Server)];
    BackupStep {
        kind: *random.pick_weighted(&kinds),
        changes: *random.pick_weighted(&changes),
        reader: random.pick_weighted::<&str>(&[(2, "local"), (1, "sql")]),
        meanwhile: if random.percent(35) { meanwhile::statements(world, random) } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn is_the_same_for_the_same_seed_and_another_for_another() {
        let text = |seed, version| format!("{:?}", Schedule::new(seed, version));
        assert_eq!(text(7, MajorVersion::V17), text(7, MajorVersion::V17));
        assert_ne!(text(7, MajorVersion::V17), text(8, MajorVersion::V17));
    }

    #[test]
    fn everything_happens_sooner_or_later() {
        let steps: Vec<Step> = (0..600).flat_map(|seed| Schedule::new(seed, MajorVersion::V18).steps).collect();
        let found: BTreeSet<&str> = steps.iter().map(Step::what).collect();
        let wanted = [
            "add column",
            "add column by rewriting",
            "alter type",
            "backup",
            "catch up",
            "change large object",
            "checkpoint or switch",
            "cluster",
            "copy",
            "crash",
            "create database",
            "create index",
            "create large object",
            "create role",
            "create sequence",
            "create table",
            "create tablespace",
            "create view",
            "daemon",
            "definitions rolled back",
            "delete",
            "detach and attach partition",
            "drop column",
            "drop database",
            "drop index",
            "drop large object",
            "drop sequence",
            "drop table",
            "drop tablespace",
            "drop view",
            "end prepared",
            "insert",
            "insert after savepoint",
            "insert rolled back",
            "lock rows",
            "merge",
            "move database",
            "move database and back",
            "move partition",
            "nextval",
            "prepare transaction",
            "preparation",
            "refresh view",
            "reindex concurrently",
            "reindex index",
            "reindex table",
            "restart",
            "restart sequence",
            "rewrite catalog",
            "same OID again",
            "set logged or unlogged",
            "set sequence",
            "set tablespace",
            "set tablespace and back",
            "summarize brin",
            "temporary table",
            "truncate",
            "truncate and fill",
            "truncate rolled back",
            "truncate, then fill",
            "update",
            "vacuum",
            "vacuum full",
            "vacuum large objects",
            "write to database",
        ];
        let wanted = BTreeSet::from(wanted);
        let missing: Vec<_> = wanted.symmetric_difference(&found).collect();
        assert!(missing.is_empty(), "in one only of what is wanted and what is found: {missing:?}");
        let backups = steps.iter().filter_map(|step| match step {
            Step::Backup(backup) => {
                Some((backup.kind.word(), backup.changes.word(), backup.reader, backup.meanwhile.is_empty()))
            }
            _ => None,
        });
        assert_eq!(backups.collect::<BTreeSet<_>>().len(), 3 * 4 * 2 * 2, "some kind of backup is never taken");
    }

    #[test]
    fn asks_an_old_server_only_for_what_it_knows() {
        for step in (0..300).flat_map(|seed| Schedule::new(seed, MajorVersion::V14).steps) {
            let text = step.to_string();
            assert!(
                !text.contains("STRATEGY") && !text.contains(" OID ") && !text.contains("--changes server"),
                "{text}"
            );
        }
    }
}

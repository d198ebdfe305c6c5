//! A cluster with a table for each thing that may happen to tables.

#![allow(clippy::print_stderr, reason = "a test says what it does, and what it leaves out")]

use crate::chain_support::Chains;
use pgformat::MajorVersion;
use std::path::{Path, PathBuf};
use testkit::random::{Changes, Kind};
use testkit::{TestCluster, own_program};

/// Tables with a number and a note, 3,000 rows each.
const TABLES: [&str; 11] = [
    "cut",
    "emptied",
    "vacuumed",
    "compacted",
    "reindexed",
    "clustered",
    "moved",
    "visible",
    "refilled",
    "promised",
    "reuse",
];

/// OIDs that we choose for databases: above those that the server gives out in a test's time.
const FIRST_OID: u32 = 900_000;

pub struct Links {
    pub chains: Chains,
    pub way: Changes,
    /// The relfilenumber of table `reuse`, where the server was made to give it out again.
    pub reusable: Option<u32>,
    round: u32,
    backups: usize,
}

impl Links {
    pub fn new(version: MajorVersion, way: Changes) -> Self {
        let chains = Chains::without_slot(version, &crate::options(way));
        let links = Links { chains, way, reusable: None, round: 0, backups: 0 };
        for table in TABLES {
            links.sql(&format!(
                "CREATE TABLE {table} (id bigint, note text); INSERT INTO {table} SELECT n, md5('{table}' || n) FROM generate_series(1, 3000) n; \
                 CREATE INDEX {table}_id ON {table} (id)"
            ));
        }
        links.sql(
            "CREATE INDEX reindexed_hash ON reindexed USING hash (id); CREATE INDEX reindexed_brin ON reindexed USING brin (id); \
             CREATE INDEX reindexed_spgist ON reindexed USING spgist (note); \
             CREATE TABLE toasted AS SELECT n::bigint AS id, (SELECT string_agg(md5(n * m || ''), '') FROM generate_series(1, 200) m) AS body \
             FROM generate_series(1, 60) n; \
             CREATE TABLE picture AS SELECT lo_from_bytea(0, convert_to(repeat(md5(n || ''), 300), 'UTF8')) AS id, n FROM generate_series(1, 20) n; \
             CREATE UNLOGGED TABLE volatile AS SELECT n::bigint AS id, 'x' AS note FROM generate_series(1, 500) n; \
             CREATE SEQUENCE counter; \
             VACUUM (FREEZE) visible; VACUUM vacuumed",
        );
        links
    }

    /// Makes the slot and takes the FULL that everything begins with.
    pub fn begin(&mut self) {
        self.sql("CREATE DATABASE copied TEMPLATE template0; CREATE DATABASE logged TEMPLATE template0");
        for database in ["copied", "logged"] {
            self.chains.cluster.sql_in(
                database,
                "CREATE TABLE filled AS SELECT n::bigint AS id, md5(n::text) AS note FROM generate_series(1, 2000) n",
            );
        }
        self.recreate_databases();
        self.prepare_reuse();
        self.make_slot();
        self.chains.take(Kind::Full, Changes::Auto, &["--jobs", "2"], &[]);
    }

    pub fn sql(&self, sql: &str) {
        self.chains.cluster.sql(&format!("SET lock_timeout = '30s';\n{sql}"));
    }

    /// Both readers, by turns.
    pub fn next_reader(&mut self) -> &'static str {
        self.backups += 1;
        if self.backups.is_multiple_of(3) { "sql" } else { "local" }
    }

    /// Sets the server's counter back to the number of table `reuse`, which is in use for as long as that table exists. Whatever
    /// makes a file counts on.
    fn prepare_reuse(&mut self) {
        let cluster = &self.chains.cluster;
        let Some(program) = program_or_skip(cluster, "pg_resetwal") else { return };
        let number: u32 = cluster.sql_scalar("SELECT pg_relation_filenode('reuse')");
        cluster.stop();
        run(cluster, &program, &["-o", &number.to_string()]);
        cluster.start();
        self.reusable = Some(number);
    }

    /// Something happens to every table, to each its own.
    pub fn change_tables(&mut self) {
        self.round += 1;
        let round = self.round;
        let fill =
            |table: &str| format!("INSERT INTO {table} SELECT n, 'round {round}-' || n FROM generate_series(1, 400) n");
        self.sql(&format!(
            "BEGIN; TRUNCATE emptied; {}; COMMIT; \
             DELETE FROM cut WHERE id > 1000; VACUUM cut; {}; \
             DELETE FROM vacuumed WHERE id % 50 = {round}; VACUUM vacuumed; \
             DELETE FROM compacted WHERE id % 7 = {round} % 7; VACUUM FULL compacted; \
             UPDATE reindexed SET note = 'round {round}' WHERE id % 100 = {round}; REINDEX TABLE reindexed; \
             UPDATE clustered SET note = 'round {round}' WHERE id % 100 = {round}; CLUSTER clustered USING clustered_id; \
             ALTER TABLE moved SET TABLESPACE space0; UPDATE moved SET note = 'round {round}' WHERE id % 100 = {round}; \
             ALTER TABLE moved SET TABLESPACE pg_default; \
             DELETE FROM visible WHERE id % 200 = {round}; UPDATE visible SET note = 'round {round}' WHERE id % 200 = 100 + {round}; \
             UPDATE toasted SET body = reverse(body) || '{round}' WHERE id % 10 = {round} % 10; \
             UPDATE picture SET id = lo_from_bytea(0, convert_to(repeat(md5('{round}-' || n), 300), 'UTF8')) WHERE n = {round} AND lo_unlink(id) = 1; \
             SELECT lo_put(id, 3000, 'changed {round}') FROM picture WHERE n = 10 + {round}; \
             {}; \
             SELECT nextval('counter'), nextval('counter'); \
             VACUUM FULL pg_class; VACUUM FULL pg_database; \
             CREATE TEMP TABLE passing AS SELECT n FROM generate_series(1, 3000) n; CREATE INDEX ON passing (n)",
            fill("emptied"),
            fill("cut"),
            fill("volatile"),
        ));
        // The one before has been open across the link.
        self.chains.cluster.commit_prepared_transactions();
        self.sql(&format!("BEGIN; {}; PREPARE TRANSACTION 'promise {round}'", fill("promised")));
    }

    /// A few rows, so that the next link has something to give back.
    pub fn change_a_little(&mut self) {
        self.round += 1;
        self.sql(&format!("UPDATE vacuumed SET note = 'little {}' WHERE id % 500 = {}", self.round, self.round));
    }

    /// Two databases are dropped and made again with the same OID, by copying files and through the log; each is a copy of the
    /// other, so that the same names of files come with other contents. Before 15 nobody can choose the OID.
    pub fn recreate_databases(&mut self) {
        let version = self.chains.cluster.version();
        self.round += 1;
        for (number, (name, template, strategy)) in
            (FIRST_OID..).zip([("copied", "logged", "file_copy"), ("logged", "copied", "wal_log")])
        {
            let how =
                if version >= MajorVersion::V15 { format!(" STRATEGY {strategy} OID {number}") } else { String::new() };
            self.sql(&format!("DROP DATABASE {name} WITH (FORCE); CREATE DATABASE {name} TEMPLATE {template}{how}"));
            let change = format!("UPDATE filled SET note = 'round {}' WHERE id % 100 = {number} % 100", self.round);
            self.chains.cluster.sql_in(name, &change);
        }
    }

    pub fn make_slot(&self) {
        self.chains.ok(&["init", "--slot", "--no-catalog"]);
    }

    /// The server keeps nothing for us from here on, as its configuration or its administrator demands.
    pub fn catch_up_and_drop_slot(&mut self) {
        self.chains.catch_up();
        self.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    }

    pub fn summarize_wal(&self) -> &'static str {
        if self.way == Changes::Server { "on" } else { "off" }
    }

    /// Restores every link to its mark and compares, a FULL only as part of what stands on it; the last one is written to and looked at by pg_amcheck.
    pub fn restore_all(&mut self) {
        self.chains.catch_up();
        let newest = self.chains.taken.len() - 1;
        for (position, taken) in
            self.chains.taken.iter().enumerate().filter(|(_, taken)| taken.record["kind"] != "FULL")
        {
            let restored = taken.restore_and_compare(&self.chains);
            if position == newest {
                restored.write_and_check();
            }
            restored.stop_and_check_pages(taken.record["data_checksums"].as_bool().unwrap_or(false));
        }
    }
}

/// Returns a program of the cluster's own version, or `None` after a word about it: the packages of 14 and 16 lack some.
pub fn program_or_skip(cluster: &TestCluster, name: &str) -> Option<PathBuf> {
    let found = own_program(cluster.version(), name);
    if found.is_none() {
        eprintln!("SKIPPED: what needs {name}, which the package of PostgreSQL {} does not have", cluster.version());
    }
    found
}

/// Runs one of PostgreSQL's programs on the data directory of a server that is down.
pub fn run(cluster: &TestCluster, program: &Path, arguments: &[&str]) {
    let mut command = cluster.owner().command(program);
    let output = command.args(arguments).arg("-D").arg(cluster.data_directory()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
}

/// The files of a folder, in no order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

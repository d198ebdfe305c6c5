//! What may happen between two links of a chain: after each the next backup, then every backup restored to equality, or a clear refusal,
//! or a FULL that says why.
//!
//! One cluster for each version and each way of finding changed blocks. What happens to tables happens to a table of its own each,
//! so that the difference names it. A VACUUM that cuts across the border of two segments has a test of its own.

#![allow(clippy::print_stderr, reason = "a test says what it does, and what it leaves out")]
#![cfg(unix)]

mod chain_support;
mod common;
mod link_support;
mod stream_support;

use chain_support::{describe, is_full_instead, warning_keys};
use link_support::{Links, program_or_skip};
use pgformat::MajorVersion;
use testkit::random::{Changes, Kind};
use testkit::{ClusterOptions, TestCluster, oracle};

/// What comes of the next backup, demanded as `kind` by the way under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is taken.
    Taken,
    /// The way can't tell, says so, and writes nothing; without the demand the backup is taken another way.
    WayRefused,
    /// A FULL, with the reason.
    FullInstead,
}

/// Something that happens between two links.
struct Event {
    name: &'static str,
    /// Returns false where the version has no way to make it happen, after it said so.
    happens: fn(&mut Links) -> bool,
    kind: Kind,
    outcome: fn(Changes) -> Outcome,
}

/// In this order, each after the link that the one before it ended with.
const EVENTS: &[Event] = &[
    Event {
        name: "tables and databases, relfilenumber reuse",
        happens: |links| {
            reuse_relfilenumber(links);
            links.change_tables();
            links.recreate_databases();
            true
        },
        kind: Kind::Incremental,
        outcome: |_| Outcome::Taken,
    },
    Event {
        name: "tables and databases again",
        happens: |links| {
            links.change_tables();
            links.recreate_databases();
            true
        },
        kind: Kind::Differential,
        outcome: |_| Outcome::Taken,
    },
    Event {
        name: "summaries lost and damaged",
        happens: damage_summaries,
        kind: Kind::Incremental,
        outcome: without_the_servers,
    },
    Event { name: "wal_level=minimal", happens: minimal_interlude, kind: Kind::Incremental, outcome: only_by_reading },
    Event { name: "pg_resetwal", happens: reset_wal, kind: Kind::Incremental, outcome: only_by_reading },
    Event {
        name: "checksums switched",
        happens: switch_checksums,
        kind: Kind::Incremental,
        outcome: |_| Outcome::FullInstead,
    },
    Event {
        name: "tables after all",
        happens: |links| {
            links.change_tables();
            true
        },
        kind: Kind::Incremental,
        outcome: |_| Outcome::Taken,
    },
];

/// The archive's summaries are made again from its segments; the server's are not.
fn without_the_servers(way: Changes) -> Outcome {
    if way == Changes::Server { Outcome::WayRefused } else { Outcome::Taken }
}

fn only_by_reading(way: Changes) -> Outcome {
    if way == Changes::Scan { Outcome::Taken } else { Outcome::WayRefused }
}

fn run(version: MajorVersion, way: Changes) {
    let mut links = Links::new(version, way);
    links.begin();
    for event in EVENTS {
        let Event { name, happens, kind, outcome } = event;
        if happens(&mut links) {
            eprintln!("{name}: {} by {}", kind.command(), way.word());
            take_the_next(&mut links, *kind, way, outcome(way));
        }
    }
    links.restore_all();
}

fn take_the_next(links: &mut Links, kind: Kind, way: Changes, outcome: Outcome) {
    let further = ["--jobs", "2", "--reader", links.next_reader()];
    if outcome == Outcome::WayRefused {
        let before = links.chains.completed();
        let answer =
            links.chains.cadena.run(&[&[kind.command(), "--json", "--changes", way.word()], &further[..]].concat());
        let key = answer.json()["error"]["key"].as_str().unwrap_or_default().to_owned();
        assert!(answer.code != 0 && key == "backup-changes-unknown", "{answer:?}");
        assert_eq!(links.chains.completed(), before, "a refused backup counts as one");
    }
    let demanded = if outcome == Outcome::WayRefused { Changes::Auto } else { way };
    let record = links.chains.take(kind, demanded, &further, &[]).record.clone();
    eprintln!("    {}", describe(&record));
    assert_eq!(is_full_instead(&record), outcome == Outcome::FullInstead, "{}", describe(&record));
    if outcome == Outcome::FullInstead {
        assert!(warning_keys(&record).contains(&"warning-full-instead"), "{}", describe(&record));
        assert!(record["warnings"].to_string().contains("checksums"), "the reason is not told: {}", describe(&record));
    }
}

macro_rules! each_way {
    ($($name:ident: $version:ident $way:ident;)*) => {
        $(#[test]
        fn $name() {
            if testkit::is_available(MajorVersion::$version) {
                run(MajorVersion::$version, Changes::$way);
            }
        })*
    };
}

each_way! {
    postgresql_14_by_wal: V14 Wal;
    postgresql_14_by_scan: V14 Scan;
    postgresql_15_by_wal: V15 Wal;
    postgresql_15_by_scan: V15 Scan;
    postgresql_16_by_wal: V16 Wal;
    postgresql_16_by_scan: V16 Scan;
    postgresql_17_by_wal: V17 Wal;
    postgresql_17_by_scan: V17 Scan;
    postgresql_17_by_server: V17 Server;
    postgresql_18_by_wal: V18 Wal;
    postgresql_18_by_scan: V18 Scan;
    postgresql_18_by_server: V18 Server;
}

/// A new table gets the number of one that is in the base and was dropped. It has to be the first to ask for one.
fn reuse_relfilenumber(links: &mut Links) {
    let Some(number) = links.reusable else { return };
    // The number is free once the dead row of pg_class and the file are gone, which VACUUM and a checkpoint see to.
    links.sql("DROP TABLE reuse; VACUUM pg_class; CHECKPOINT; CREATE TABLE reused (id bigint, note text)");
    let found: u32 = links.chains.cluster.sql_scalar("SELECT pg_relation_filenode('reused')");
    assert_eq!(found, number, "the server gave out another number");
    links.sql(
        "INSERT INTO reused SELECT n, 'another ' || n FROM generate_series(1, 700) n; CREATE INDEX ON reused (id)",
    );
}

/// In the archive, or on the server when those are what is read.
fn summary_folder(links: &Links) -> std::path::PathBuf {
    match links.way {
        Changes::Server => links.chains.cluster.pg_wal().join("summaries"),
        _ => links.chains.repository().join("wal/summaries"),
    }
}

/// Every other one is gone, and the rest have a flipped bit.
fn damage_summaries(links: &mut Links) -> bool {
    links.change_a_little();
    if links.way == Changes::Scan {
        return false;
    }
    links.chains.catch_up();
    if links.way == Changes::Server {
        // Until the summarizer has written one of what came after the base, there is none to miss.
        links.sql("CHECKPOINT");
        let written = "SELECT summarized_lsn >= redo_lsn FROM pg_get_wal_summarizer_state(), pg_control_checkpoint()";
        links.chains.cluster.wait_until(written);
    }
    let folder = summary_folder(links);
    let files = link_support::files(&folder);
    assert!(!files.is_empty(), "no summaries in {}", folder.display());
    for (number, file) in files.iter().enumerate() {
        let done = if number % 2 == 0 {
            std::fs::remove_file(file)
        } else {
            std::fs::read(file).and_then(|mut bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x04;
                std::fs::write(file, bytes)
            })
        };
        done.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    true
}

/// Some tables are filled without a word of it in the log.
fn minimal_interlude(links: &mut Links) -> bool {
    links.catch_up_and_drop_slot();
    let cluster = &links.chains.cluster;
    let before = [("wal_level", "minimal"), ("max_wal_senders", "0"), ("summarize_wal", "off")];
    cluster.reconfigure(if cluster.version() >= MajorVersion::V17 { &before } else { &before[..2] });
    links.change_tables();
    links.sql(
        "BEGIN; CREATE TABLE copied (id bigint, note text);\nCOPY copied FROM stdin;\n1\tunlogged\n2\tas well\n\\.\n\
         INSERT INTO copied SELECT n, md5(n::text) FROM generate_series(3, 3000) n; COMMIT; CREATE INDEX ON copied (id); \
         CREATE TABLE selected AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 3000) n; \
         BEGIN; TRUNCATE refilled; INSERT INTO refilled SELECT n, 'unlogged ' || n FROM generate_series(1, 3000) n; COMMIT; \
         CREATE INDEX ON selected (note)",
    );
    let cluster = &links.chains.cluster;
    let after = [("wal_level", "replica"), ("max_wal_senders", "10"), ("summarize_wal", links.summarize_wal())];
    cluster.reconfigure(if cluster.version() >= MajorVersion::V17 { &after } else { &after[..2] });
    links.make_slot();
    links.change_a_little();
    true
}

fn reset_wal(links: &mut Links) -> bool {
    let Some(program) = program_or_skip(&links.chains.cluster, "pg_resetwal") else { return false };
    links.catch_up_and_drop_slot();
    links.chains.cluster.stop();
    link_support::run(&links.chains.cluster, &program, &[]);
    links.chains.cluster.start();
    links.make_slot();
    links.change_a_little();
    true
}

fn switch_checksums(links: &mut Links) -> bool {
    let cluster = &links.chains.cluster;
    cluster.stop();
    oracle::switch_checksums(cluster.data_directory(), false).unwrap_or_else(|said| panic!("{said}"));
    cluster.start();
    links.change_a_little();
    true
}

// The first gigabyte is nearly all zeros and takes no room: what VACUUM makes of it is the same as of one full of rows.
testkit::on_each_version!(a_vacuum_that_cuts_across_a_segment_border, |version| {
    let mut links = Links::new(version, Changes::Wal);
    links.sql("CREATE TABLE wide (id bigint, note text); INSERT INTO wide SELECT n, md5(n::text) FROM generate_series(1, 3000) n; \
               CREATE INDEX ON wide (id)");
    stretch_over_the_border(&links.chains.cluster, "wide");
    // To the end, which lies in the second segment.
    links.sql("INSERT INTO wide SELECT n, 'beyond the border' FROM generate_series(3001, 3100) n");
    assert_eq!(links.chains.cluster.sql("SELECT count(*) FROM wide WHERE ctid > '(131071,1000)'"), "100");
    links.begin();
    links.sql("DELETE FROM wide WHERE id > 3000; VACUUM (INDEX_CLEANUP ON) wide");
    assert_eq!(links.chains.cluster.sql("SELECT pg_relation_size('wide') < 1 << 20"), "t", "VACUUM cut nothing off");
    links.sql("INSERT INTO wide SELECT n, 'after' FROM generate_series(4001, 4500) n");
    take_the_next(&mut links, Kind::Incremental, Changes::Wal, Outcome::Taken);
    take_the_next(&mut links, Kind::Differential, Changes::Scan, Outcome::Taken);
    links.restore_all();
});

/// Makes a table's file as long as a file may be and gives it a second one of a few pages, all zeros, as a crash of a server that was
/// adding pages can.
fn stretch_over_the_border(cluster: &TestCluster, table: &str) {
    let path = cluster.data_directory().join(cluster.sql(&format!("SELECT pg_relation_filepath('{table}')")));
    cluster.stop();
    let second = path.with_extension("1");
    std::fs::write(&second, [])
        .and_then(|()| testkit::server_owner().take_over(&second))
        .unwrap_or_else(|error| panic!("{error}"));
    for (path, length) in [(&path, 1 << 30), (&second, 16 * 8192)] {
        let file = std::fs::OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length));
        file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    cluster.start();
}

/// What a test asks of its cluster besides the defaults.
fn options(way: Changes) -> ClusterOptions {
    let options = ClusterOptions::default().wal_segment_mb(1).tablespace("space0").set("shared_buffers", "4MB");
    // By itself it would move rows and bits at any time, and the round would not be the same twice.
    let options = options.set("autovacuum", "off");
    if way == Changes::Server { options.set("summarize_wal", "on") } else { options }
}

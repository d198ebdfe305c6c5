//! Which blocks the log changes: against the summaries that servers of 17 and later write, and against the data files.

use crate::every_folder;
use crate::server::{Server, run};
use crate::wal::geometry;
use pgformat::block_reference::{BlockReferenceTable, SummaryFileName};
use pgformat::control_file::{CONTROL_FILE_PATH, ControlFile};
use pgformat::exclusion::{is_unlogged_data, unlogged_relations};
use pgformat::relation_file::{ForkNumber, RelationFile};
use pgformat::wal::{ChangeCollector, ChangeEvent, ChangeRules, WalDecoder, WalGeometry};
use pgformat::{FormatError, Lsn, TimelineId, WalSegment};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SETTINGS: [&str; 4] =
    ["wal_keep_size = 1GB", "max_prepared_transactions = 10", "checkpoint_timeout = 1h", "max_wal_size = 10GB"];

/// Reads what the server's control file says.
pub fn control(server: &Server) -> ControlFile {
    ControlFile::parse(&std::fs::read(server.data_directory.join(CONTROL_FILE_PATH)).unwrap()).unwrap()
}

/// Makes a tablespace, which the server's user must be able to enter.
pub fn add_tablespace(server: &Server, name: &str) {
    let folder = server.folder.path().join(name);
    run(server.command_at(Path::new("/bin/mkdir")).arg(&folder));
    server.sql(&format!("CREATE TABLESPACE {name} LOCATION '{}'", folder.display()));
}

/// Fills a cluster with relations of every kind. Some have more than a list of a chunk can name; some have a visibility map.
pub fn populate(server: &Server) {
    add_tablespace(server, "spc");
    server.sql(
        "CREATE TABLE many (a int, b text) WITH (fillfactor = 10);
         ALTER TABLE many ALTER b SET STORAGE plain;
         INSERT INTO many SELECT g, repeat('x', 700) FROM generate_series(1, 9000) g;
         CREATE TABLE plain AS SELECT g AS a, g % 97 AS b, repeat('y', 100) AS c FROM generate_series(1, 20000) g;
         CREATE TABLE visible AS SELECT g AS a, repeat('v', 200) AS b FROM generate_series(1, 5000) g;
         CREATE TABLE shrinking AS SELECT g AS a, repeat('s', 400) AS b FROM generate_series(1, 8000) g;
         CREATE TABLE emptied AS SELECT g AS a FROM generate_series(1, 5000) g;
         CREATE TABLE dropped AS SELECT g AS a FROM generate_series(1, 5000) g;
         CREATE TABLE moved AS SELECT g AS a FROM generate_series(1, 5000) g;
         CREATE TABLE untouched AS SELECT g AS a FROM generate_series(1, 5000) g;
         CREATE TABLE clustered (a int PRIMARY KEY, b text);
         INSERT INTO clustered SELECT g, repeat('c', 50) FROM generate_series(5000, 1, -1) g;
         CREATE UNLOGGED TABLE fast (a int PRIMARY KEY); INSERT INTO fast SELECT generate_series(1, 3000);
         CREATE UNLOGGED TABLE becomes_logged AS SELECT g AS a FROM generate_series(1, 3000) g;
         CREATE SEQUENCE counter; SELECT nextval('counter');
         CREATE INDEX ON plain (a); CREATE INDEX ON plain USING hash (b); CREATE INDEX ON plain USING brin (a);
         CREATE INDEX ON plain USING gin ((ARRAY[a, b])); CREATE INDEX ON plain USING gist ((point(a, b)));
         CREATE INDEX ON plain USING spgist ((point(a, b))); CREATE INDEX ON plain USING spgist (c);
         CREATE TABLE indexed AS SELECT g AS a, g % 97 AS b, 'k' || g AS c FROM generate_series(1, 6000) g;
         CREATE INDEX ON indexed (a); CREATE INDEX ON indexed USING hash (a); CREATE INDEX ON indexed USING brin (a) WITH (pages_per_range = 1);
         CREATE INDEX ON indexed USING gin ((ARRAY[a, b])); CREATE INDEX ON indexed USING gist ((point(a, b)));
         CREATE INDEX ON indexed USING spgist ((point(a, b))); CREATE INDEX ON indexed USING spgist (c);
         CREATE MATERIALIZED VIEW summed AS SELECT b, sum(a) FROM plain GROUP BY b;
         SELECT lo_from_bytea(4711, decode(repeat('00ff', 30000), 'hex'));",
    );
    for name in ["copied", "dropped_later", "wandering"] {
        server.sql(&format!("CREATE DATABASE {name}"));
    }
    server.sql("VACUUM");
}

/// Changes what [`populate`] made, in every way.
pub fn change(server: &Server) {
    server.sql(
        "UPDATE plain SET b = b + 1 WHERE a % 50 = 0; DELETE FROM plain WHERE a % 77 = 0;
         INSERT INTO plain SELECT g, g % 13, repeat('z', 150) FROM generate_series(20001, 26000) g;
         UPDATE visible SET b = 'w' WHERE a = 3; DELETE FROM visible WHERE a = 2500;
         SELECT * FROM visible WHERE a = 4000 FOR UPDATE;
         TRUNCATE emptied; INSERT INTO emptied SELECT generate_series(1, 700);
         REINDEX TABLE plain; CLUSTER clustered USING clustered_pkey;
         ALTER TABLE moved SET TABLESPACE spc; ALTER TABLE becomes_logged SET LOGGED;
         INSERT INTO fast SELECT generate_series(3001, 6000); CREATE UNLOGGED TABLE fast_too (a int PRIMARY KEY);
         SELECT nextval('counter') FROM generate_series(1, 100); REFRESH MATERIALIZED VIEW summed;
         SELECT lo_put(4711, 20000, '\\x010203'); SELECT lo_from_bytea(0, decode(repeat('11', 9000), 'hex'));
         CREATE TABLE made (a serial PRIMARY KEY, b text); INSERT INTO made (b) SELECT repeat('t', 9000) || g FROM generate_series(1, 50) g;
         CREATE TEMP TABLE passing AS SELECT generate_series(1, 1000) a; DROP TABLE dropped",
    );
    // More blocks than a list has room for, and in no order; then some again from the start.
    server.sql("UPDATE many SET b = b || 'x' WHERE a > 4500; UPDATE many SET b = 'x' WHERE a < 800 OR a = 8000");
    server.sql(
        "BEGIN; CREATE TABLE aborted AS SELECT generate_series(1, 3000) a; SAVEPOINT s; DROP TABLE moved; ROLLBACK",
    );
    server.sql(
        "BEGIN; CREATE TABLE prepared (a int); INSERT INTO prepared SELECT generate_series(1, 100); DROP TABLE made; PREPARE TRANSACTION 'one'",
    );
    server.sql("BEGIN; CREATE TABLE not_prepared AS SELECT generate_series(1, 100) a; PREPARE TRANSACTION 'two'");
    server.sql("COMMIT PREPARED 'one'");
    server.sql("ROLLBACK PREPARED 'two'");
    server.sql("DO $$ BEGIN FOR i IN 1..90 LOOP BEGIN CREATE TABLE sub (a int); INSERT INTO sub VALUES (i); DROP TABLE sub; EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$");
    // Indexes that are not built anew: new pages, splits, deletions, pages used again.
    server.sql("INSERT INTO indexed SELECT g, g % 31, 'n' || g FROM generate_series(6001, 9000) g; DELETE FROM indexed WHERE a % 3 = 0 OR a BETWEEN 1000 AND 3000");
    server.sql("VACUUM indexed");
    server.sql("INSERT INTO indexed SELECT g, g % 7, 'o' || g FROM generate_series(1000, 2500) g; UPDATE indexed SET a = a + 7 WHERE a % 50 = 1");
    server.sql("DELETE FROM shrinking WHERE a > 3000");
    server.sql("VACUUM shrinking");
    server.sql("INSERT INTO shrinking SELECT g, repeat('n', 400) FROM generate_series(1, 900) g");
    server.sql("VACUUM (FREEZE) emptied");
    server.sql("VACUUM FULL untouched");
    server.sql("ANALYZE");
    let strategies: &[&str] =
        if server.major >= 15 { &[" STRATEGY file_copy", " STRATEGY wal_log"] } else { &["", ""] };
    for (number, strategy) in strategies.iter().enumerate() {
        server.sql(&format!("DROP DATABASE IF EXISTS made_{number}"));
        server.sql(&format!("CREATE DATABASE made_{number} TEMPLATE copied{strategy}"));
    }
    server.sql("DROP DATABASE IF EXISTS dropped_later");
    server.sql("ALTER DATABASE wandering SET TABLESPACE spc");
}

/// Reads a stretch of the log from the server's files.
fn wal_bytes(server: &Server, geometry: &WalGeometry, timeline: TimelineId, start: Lsn, end: Lsn) -> Vec<u8> {
    let size = geometry.segment_size;
    let mut bytes = Vec::new();
    let mut segment = WalSegment::containing(timeline, start, size);
    while segment.start_lsn(size) < end {
        let path = server.data_directory.join("pg_wal").join(segment.file_name(size));
        bytes.extend(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        segment = segment.next();
    }
    let first = (start.0 % size.bytes()) as usize;
    bytes[first..first + (end.0 - start.0) as usize].to_vec()
}

/// Collects the changes of a stretch; the bytes come in pieces.
fn collect(
    bytes: &[u8],
    geometry: &WalGeometry,
    timeline: TimelineId,
    start: Lsn,
    rules: ChangeRules,
    block_size_bytes: u32,
) -> (BlockReferenceTable, Vec<ChangeEvent>) {
    let mut decoder = WalDecoder::new(*geometry, timeline, start);
    let mut collector = ChangeCollector::new(rules, block_size_bytes);
    for piece in bytes.chunks(77_777) {
        decoder.feed::<FormatError>(piece, &mut |record| collector.record(record)).unwrap();
    }
    collector.finish()
}

#[test]
fn the_changes_of_the_log_are_those_of_the_servers_summaries() {
    for folder in every_folder().into_iter().filter(|folder| folder.join("pg_walsummary").exists()) {
        let settings = [&SETTINGS[..], &["summarize_wal = on", "wal_summary_keep_time = 0"]].concat();
        let mut server = Server::start(&folder, &settings);
        eprintln!("PostgreSQL {}", server.major);
        populate(&server);
        server.sql("CHECKPOINT");
        change(&server);
        server.sql("CHECKPOINT");
        server.sql("VACUUM");
        server.stop("immediate");
        server.start_again();
        change_again(&server);
        // A new timeline, the cheap way: as a standby that nobody feeds.
        server.stop("immediate");
        run(server.command_at(Path::new("/bin/cp")).args(["data/PG_VERSION", "data/standby.signal"]));
        server.start_again();
        run(server.command("pg_ctl").args(["promote", "-w", "-D"]).arg(&server.data_directory));
        change_again(&server);
        server.sql("CHECKPOINT");
        wait_for_summaries(&server);
        let (events, bitmaps, timelines) = check_summaries(&server);
        assert!(bitmaps > 0, "no chunk was a bitmap");
        assert_eq!(timelines, [TimelineId(1), TimelineId(2)]);
        let count = |wanted: fn(&ChangeEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
        assert!(count(|event| matches!(event, ChangeEvent::DatabaseCreated { by_copy: true, .. })) >= 2);
        assert!(count(|event| matches!(event, ChangeEvent::DatabaseCreated { by_copy: false, .. })) >= 4);
        assert!(count(|event| matches!(event, ChangeEvent::DatabaseDropped { .. })) >= 2);
        assert_eq!(count(|event| matches!(event, ChangeEvent::WalLevelMinimal { .. })), 0);
    }
}

fn change_again(server: &Server) {
    server.sql(
        "UPDATE plain SET b = b + 1 WHERE a % 90 = 1; INSERT INTO shrinking SELECT g, 'again' FROM generate_series(1, 3000) g;
         DELETE FROM many WHERE a > 6000; DELETE FROM indexed WHERE b = 5; CREATE TABLE IF NOT EXISTS more (a int); INSERT INTO more SELECT generate_series(1, 900)",
    );
    server.sql("VACUUM many, indexed");
    server.sql("INSERT INTO indexed SELECT g, g % 5, 'p' || g FROM generate_series(500, 900) g");
    server.sql("DROP TABLE more");
}

/// Waits until everything before the last checkpoint's start is summarized.
fn wait_for_summaries(server: &Server) {
    server.sql(
        "SET statement_timeout = '120s';
         DO $$ BEGIN
             WHILE (SELECT summarized_lsn FROM pg_get_wal_summarizer_state()) < (SELECT redo_lsn FROM pg_control_checkpoint()) LOOP
                 PERFORM pg_sleep(0.05);
             END LOOP;
         END $$",
    );
}

/// Compares every summary. Returns the events in all of them, how many bitmaps there were, and which timelines.
fn check_summaries(server: &Server) -> (Vec<ChangeEvent>, usize, Vec<TimelineId>) {
    let control = control(server);
    let geometry = geometry(&control);
    let folder = server.data_directory.join("pg_wal/summaries");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "summary"));
    paths.retain(|path| path.file_stem().is_some_and(|stem| stem != "temp"));
    paths.sort();
    let (mut events, mut bitmaps, mut timelines, mut blocks) = (Vec::new(), 0, Vec::new(), 0);
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let range: SummaryFileName = name.parse().unwrap();
        assert_eq!(range.to_string(), name);
        let theirs = std::fs::read(path).unwrap();
        let their_table = BlockReferenceTable::parse(&theirs).unwrap();
        let mut again = Vec::new();
        their_table.write(&mut again);
        assert!(again == theirs, "{name} is not written as it was read");
        let bytes = wal_bytes(server, &geometry, range.timeline, range.start_lsn, range.end_lsn);
        let (table, new_events) = collect(
            &bytes,
            &geometry,
            range.timeline,
            range.start_lsn,
            ChangeRules::AsServer,
            control.block_size_bytes,
        );
        let mut ours = Vec::new();
        table.write(&mut ours);
        if ours != theirs {
            for (key, entry) in their_table.entries() {
                let our_entry = table.entry(key.locator, key.fork);
                let blocks = |entry: &pgformat::block_reference::BlockReferenceEntry| {
                    (entry.limit_block(), entry.count_blocks())
                };
                assert!(
                    our_entry == Some(entry),
                    "{name}: {key:?}: {:?} and {:?}",
                    our_entry.map(blocks),
                    blocks(entry)
                );
            }
            panic!("{name}: the same entries, other bytes, or too many entries: {} {}", table.len(), their_table.len());
        }
        assert_eq!(told(&table), run(server.command("pg_walsummary").arg("-i").arg(path)), "{name}");
        let complete = collect(
            &bytes,
            &geometry,
            range.timeline,
            range.start_lsn,
            ChangeRules::Complete,
            control.block_size_bytes,
        );
        check_is_wider(&table, &complete.0);
        assert_eq!(new_events, complete.1);
        bitmaps += table.entries().filter(|(_, entry)| entry.count_blocks() >= 4096).count();
        blocks += table.entries().map(|(_, entry)| entry.count_blocks()).sum::<u64>();
        events.extend(new_events);
        timelines.push(range.timeline);
    }
    timelines.dedup();
    eprintln!("  {} summaries, {blocks} blocks, {} events", paths.len(), events.len());
    assert!(paths.len() >= 4 && blocks > 10_000);
    (events, bitmaps, timelines)
}

/// All that the server's rules name, the complete ones do; or the block is behind a map's limit that is shorter.
fn check_is_wider(narrow: &BlockReferenceTable, wide: &BlockReferenceTable) {
    for (key, entry) in narrow.entries() {
        let other = wide.entry(key.locator, key.fork).unwrap();
        if key.fork == ForkNumber::Vm {
            assert!(other.limit_block().unwrap_or(u32::MAX) <= entry.limit_block().unwrap_or(u32::MAX));
            let limit = other.limit_block().unwrap_or(u32::MAX);
            assert!(entry.blocks().all(|block| other.contains(block) || block >= limit));
        } else {
            assert_eq!(other.limit_block(), entry.limit_block(), "{key:?}");
            // The first block of an SP-GiST index.
            assert!(other.blocks().filter(|block| *block > 0).eq(entry.blocks().filter(|block| *block > 0)), "{key:?}");
            assert!(other.contains(0) || !entry.contains(0), "{key:?}");
        }
    }
}

/// Tells a table as `pg_walsummary -i` does.
fn told(table: &BlockReferenceTable) -> String {
    let mut text = String::new();
    for (key, entry) in table.entries() {
        let fork = match key.fork {
            ForkNumber::Main => "main",
            ForkNumber::Fsm => "fsm",
            ForkNumber::Vm => "vm",
            ForkNumber::Init => "init",
        };
        let locator = key.locator;
        let head = format!("TS {}, DB {}, REL {}, FORK {fork}: ", locator.spc_oid, locator.db_oid, locator.rel_number);
        entry.limit_block().iter().for_each(|limit| text.push_str(&format!("{head}limit {limit}\n")));
        entry.blocks().for_each(|block| text.push_str(&format!("{head}block {block}\n")));
    }
    text
}

/// Reads every permanent logged relation's files, but for free space maps, of a server that is not running.
fn relation_files(server: &Server) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec!["global".to_owned()];
    let list = |path: &str| -> Vec<String> {
        let entries = std::fs::read_dir(server.data_directory.join(path)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    folders.extend(list("base").iter().map(|name| format!("base/{name}")));
    for spc in list("pg_tblspc") {
        for version in list(&format!("pg_tblspc/{spc}")) {
            let inside = format!("pg_tblspc/{spc}/{version}");
            folders.extend(list(&inside).iter().map(|name| format!("{inside}/{name}")));
        }
    }
    for folder in folders {
        let names = list(&folder);
        let unlogged = unlogged_relations(names.iter().map(String::as_bytes));
        for name in names.iter().filter(|name| !is_unlogged_data(name.as_bytes(), &unlogged)) {
            let path = format!("{folder}/{name}");
            if RelationFile::parse(&path).is_some_and(|relation| relation.fork != ForkNumber::Fsm) {
                let bytes = std::fs::read(server.data_directory.join(&path)).unwrap();
                files.insert(path, bytes);
            }
        }
    }
    files
}

/// Two copies of the files, of a server that is stopped, before and after changes: the second must come out of the first and
/// of the blocks that the log names.
#[test]
fn what_the_log_does_not_name_stays_as_it_was() {
    for folder in every_folder() {
        // Checksums are on, so that changes of hints are logged, too.
        let mut server = Server::start(&folder, &SETTINGS);
        eprintln!("PostgreSQL {}", server.major);
        populate(&server);
        server.stop("fast");
        let before = relation_files(&server);
        let start = control(&server).checkpoint_lsn;
        server.start_again();
        change(&server);
        server.sql("CHECKPOINT");
        change_again(&server);
        let spgist = server.sql(
            "SELECT pg_relation_filepath(c.oid) FROM pg_class c JOIN pg_am a ON relam = a.oid WHERE amname = 'spgist'",
        );
        let spgist: Vec<&str> = spgist.lines().collect();
        // Rows are read once more, which leaves hints.
        server.sql("SELECT count(*) FROM plain; SELECT count(*) FROM many; SELECT count(*) FROM visible");
        server.sql("SET enable_seqscan = off; SELECT count(*) FROM indexed WHERE a < 3000; SELECT count(*) FROM indexed WHERE c < 'n5'");
        server.stop("fast");
        let control = control(&server);
        let geometry = geometry(&control);
        let bytes = wal_bytes(&server, &geometry, control.timeline, start, control.checkpoint_lsn);
        let after = relation_files(&server);
        let collected = |rules| collect(&bytes, &geometry, control.timeline, start, rules, control.block_size_bytes).0;
        let lost = check_files(&before, &after, &collected(ChangeRules::Complete), &control);
        assert!(lost.is_empty(), "PostgreSQL {}: {lost:#?}", server.major);
        let lost = check_files(&before, &after, &collected(ChangeRules::AsServer), &control);
        eprintln!("  by the server's rules these would be lost: {lost:?}");
        let known =
            |what: &String| what.contains("_vm ") || spgist.iter().any(|path| *what == format!("{path} block 0"));
        assert!(lost.iter().all(known), "more than visibility maps and notes of SP-GiST: {lost:#?}");
    }
}

/// Makes the later files of the earlier ones and of what the table names; returns which blocks are others then.
fn check_files(
    before: &BTreeMap<String, Vec<u8>>,
    after: &BTreeMap<String, Vec<u8>>,
    table: &BlockReferenceTable,
    control: &ControlFile,
) -> Vec<String> {
    let block_size = control.block_size_bytes as usize;
    let mut lost = Vec::new();
    let (mut whole, mut named, mut kept, mut zero) = (0, 0, 0, 0);
    for (path, bytes) in after {
        let relation = RelationFile::parse(path).unwrap();
        let first = relation.first_block(control.relation_segment_blocks).unwrap();
        let entry = table.entry(relation.locator, relation.fork);
        let limit = entry.and_then(|entry| entry.limit_block()).unwrap_or(u32::MAX);
        // Such a file is copied whole.
        if table.is_whole_database(relation.locator.spc_oid, relation.locator.db_oid) || limit <= first {
            whole += 1;
            continue;
        }
        let Some(old) = before.get(path) else {
            // Visibility maps are made without a record. What an older copy lacks is copied whole.
            if relation.fork != ForkNumber::Vm {
                lost.push(format!("{path} is new"));
            }
            continue;
        };
        if bytes.len() < old.len() && (limit - first) as usize > bytes.len() / block_size {
            lost.push(format!("{path} was cut to {} bytes", bytes.len()));
        }
        for (at, page) in bytes.chunks(block_size).enumerate() {
            let block = first + at as u32;
            if entry.is_some_and(|entry| entry.contains(block)) {
                named += 1;
                continue;
            }
            match old.chunks(block_size).nth(at).filter(|_| block < limit) {
                Some(old_page) if old_page == page => kept += 1,
                Some(_) => lost.push(format!("{path} block {block}")),
                None if page.iter().all(|byte| *byte == 0) => zero += 1,
                None => lost.push(format!("{path} block {block} is new")),
            }
        }
    }
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        let relation = RelationFile::parse(path).unwrap();
        let gone = table.is_whole_database(relation.locator.spc_oid, relation.locator.db_oid);
        let first = relation.first_block(control.relation_segment_blocks).unwrap();
        let entry = table.entry(relation.locator, relation.fork);
        let cut = entry.and_then(|entry| entry.limit_block()).is_some_and(|limit| limit <= first);
        if !gone && !cut {
            lost.push(format!("{path} is gone"));
        }
    }
    eprintln!("  {whole} files whole; {named} blocks named, {kept} kept, {zero} zero");
    assert!(whole > 300 && named > 2500 && kept > 1000);
    lost
}

/// Since 17, checkpoints tell the level; before, only the change of it is told.
#[test]
fn a_minimal_wal_level_is_noticed() {
    for folder in every_folder() {
        let mut server = Server::start(&folder, &["wal_level = replica", "wal_keep_size = 1GB"]);
        let start = control(&server).checkpoint_lsn;
        server.sql("CREATE TABLE one (a int); CHECKPOINT");
        let restart = |server: &mut Server, level: &str| {
            server.stop("fast");
            let configuration = server.data_directory.join("postgresql.auto.conf");
            std::fs::write(&configuration, format!("wal_level = {level}\nmax_wal_senders = 0\n")).unwrap();
            server.start_again();
        };
        restart(&mut server, "minimal");
        server.sql("CREATE TABLE two AS SELECT generate_series(1, 1000) a; CHECKPOINT");
        let minimal_end: Lsn = server.sql("SELECT pg_current_wal_insert_lsn()").trim().parse().unwrap();
        restart(&mut server, "replica");
        server.sql("CREATE TABLE three (a int); CHECKPOINT");
        server.stop("fast");
        let control = control(&server);
        let geometry = geometry(&control);
        let bytes = wal_bytes(&server, &geometry, control.timeline, start, control.checkpoint_lsn);
        let rules = ChangeRules::Complete;
        let (_, events) = collect(&bytes, &geometry, control.timeline, start, rules, control.block_size_bytes);
        let minimal: Vec<Lsn> = (events.iter())
            .filter_map(|event| match event {
                ChangeEvent::WalLevelMinimal { lsn } => Some(*lsn),
                _ => None,
            })
            .collect();
        eprintln!("PostgreSQL {}: minimal at {minimal:?}, until {minimal_end}", server.major);
        // 17: the change, the checkpoint's start, the shutdown.
        assert!(minimal.len() >= if server.major >= 17 { 3 } else { 1 }, "PostgreSQL {}", server.major);
        let near_end = |lsn: &&Lsn| **lsn > minimal_end;
        assert!(minimal.iter().filter(near_end).count() <= 1, "PostgreSQL {}", server.major);
    }
}

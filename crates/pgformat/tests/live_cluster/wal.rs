//! The log that real servers write, against pg_waldump, pg_control and the commit timestamps that the server itself keeps.

use crate::every_folder;
use crate::server::{Server, run};
use pgformat::control_file::{CONTROL_FILE_PATH, ControlFile};
use pgformat::relation_file::ForkNumber;
use pgformat::wal::{SegmentSummarizer, SegmentSummary, WalDecoder, WalFact, WalGeometry};
use pgformat::{FormatError, Lsn, TimelineId, WalSegment};
use std::collections::BTreeMap;
use std::path::Path;

/// In the order of their numbers (upstream `rmgrlist.h`), as pg_waldump calls them.
const RESOURCE_MANAGERS: [&str; 22] = [
    "XLOG",
    "Transaction",
    "Storage",
    "CLOG",
    "Database",
    "Tablespace",
    "MultiXact",
    "RelMap",
    "Standby",
    "Heap2",
    "Heap",
    "Btree",
    "Hash",
    "Gin",
    "Gist",
    "Sequence",
    "SPGist",
    "BRIN",
    "CommitTs",
    "ReplicationOrigin",
    "Generic",
    "LogicalMessage",
];

/// What pg_waldump tells of a record, and we.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Told {
    pub lsn: Lsn,
    previous: Lsn,
    xid: u32,
    length: usize,
    pub resource_manager: String,
    /// As pg_waldump writes them.
    blocks: Vec<String>,
}

/// What we read.
#[derive(Default)]
pub struct Read {
    pub records: Vec<(Told, Option<WalFact>)>,
    records_end: Lsn,
}

#[test]
fn the_log_reads_as_pg_waldump_and_the_server_tell() {
    for folder in every_folder() {
        let settings = [
            "wal_level = logical",
            "track_commit_timestamp = on",
            "max_prepared_transactions = 10",
            "wal_keep_size = 1GB",
        ];
        let mut server = Server::start_with(&folder, &settings, &["--wal-segsize=1"]);
        eprintln!("PostgreSQL {} in {}", server.major, folder.display());
        work(&server);
        server.stop("immediate");
        server.start_again();
        work(&server);
        // A new timeline, the cheap way: as a standby that nobody feeds.
        server.stop("immediate");
        run(server.command_at(Path::new("/bin/cp")).args(["data/PG_VERSION", "data/standby.signal"]));
        server.start_again();
        run(server.command("pg_ctl").args(["promote", "-w", "-D"]).arg(&server.data_directory));
        work(&server);
        let commit_times = commit_times(&server);
        server.stop("fast");
        let control =
            ControlFile::parse(&std::fs::read(server.data_directory.join(CONTROL_FILE_PATH)).unwrap()).unwrap();
        assert_eq!(control.timeline, TimelineId(2));
        let geometry = geometry(&control);
        let segments = segments(&server, &geometry);
        let read = read(&segments, &geometry);
        check_end(&read, &control);
        check_facts(&read, &commit_times);
        check_against_pg_waldump(&server, &read, &segments, &geometry);
        check_summaries(&read, &segments, &geometry);
    }
}

pub fn geometry(control: &ControlFile) -> WalGeometry {
    WalGeometry {
        version: control.version,
        system_identifier: control.system_identifier,
        segment_size: control.wal_segment_size,
        block_size_bytes: control.wal_block_size_bytes,
    }
}

/// Makes records of many kinds and lengths.
fn work(server: &Server) {
    let compressions: &[&str] = if server.major >= 15 { &["off", "pglz", "lz4", "zstd"] } else { &["off", "on"] };
    server.sql(
        "CREATE TABLE IF NOT EXISTS work (a serial PRIMARY KEY, b text, at timestamptz DEFAULT clock_timestamp());
         CREATE INDEX ON work USING gin ((ARRAY[a])); CREATE INDEX ON work USING hash (a);
         CREATE INDEX ON work USING brin (a);",
    );
    let compressed = |compression: &str| {
        let settings = format!("SET wal_compression = {compression}; SELECT 1");
        server
            .command("psql")
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", &settings])
            .output()
            .unwrap()
            .status
            .success()
    };
    for compression in compressions.iter().filter(|compression| compressed(compression)) {
        server.sql("CHECKPOINT");
        server.sql(&format!(
            "SET wal_compression = {compression};
             INSERT INTO work (b) SELECT repeat(g::text, 40) FROM generate_series(1, 800) g; UPDATE work SET b = b || 'x'"
        ));
    }
    for row in 0..20 {
        server.sql(&format!("INSERT INTO work (b) VALUES ('{row}')"));
    }
    server.sql("DO $$ BEGIN FOR i IN 1..300 LOOP BEGIN INSERT INTO work (b) VALUES ('sub'); EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$");
    server.sql("BEGIN; DELETE FROM work WHERE a % 3 = 0; ROLLBACK");
    server.sql("BEGIN; INSERT INTO work (b) VALUES ('prepared'); PREPARE TRANSACTION 'one'");
    server.sql("BEGIN; INSERT INTO work (b) VALUES ('not'); PREPARE TRANSACTION 'two'");
    server.sql("COMMIT PREPARED 'one'");
    server.sql("ROLLBACK PREPARED 'two'");
    server.sql("SELECT pg_create_restore_point('punto ñ')");
    server.sql("SELECT pg_switch_wal()");
    // Longer than two segments, and, in one statement each, records of many lengths at the borders of pages and segments.
    server.sql("SELECT length(pg_logical_emit_message(true, 'long', repeat('m', 2500000))::text)");
    server.sql(
        "SELECT count(pg_logical_emit_message(g % 2 = 0, 'p', repeat('m', g * 7))) FROM generate_series(1, 1200) g",
    );
    server.sql(
        "SELECT pg_replication_origin_create('origin ' || pg_current_wal_insert_lsn());
         SELECT pg_replication_origin_session_setup((SELECT max(roname) FROM pg_replication_origin));
         INSERT INTO work (b) VALUES ('from afar')",
    );
    server.sql("VACUUM work");
    server.sql("SELECT pg_switch_wal()");
    server.sql("CREATE DATABASE short_lived");
    server.sql("DROP DATABASE short_lived");
    server.sql("TRUNCATE work; INSERT INTO work (b) SELECT 'kept' FROM generate_series(1, 3)");
    for row in 0..20 {
        server.sql(&format!("INSERT INTO work (b) VALUES ('{row}')"));
    }
}

/// Returns the microseconds since 1970 when transactions committed, as the server has noted.
fn commit_times(server: &Server) -> BTreeMap<u32, i64> {
    let query =
        "SELECT DISTINCT xmin, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM work";
    let text = server.sql(query);
    let pairs = text.lines().map(|line| line.split_once('|').unwrap());
    pairs.map(|(xid, time)| (xid.parse().unwrap(), time.parse().unwrap())).collect()
}

/// Reads the segments that lead to the newest timeline's end, in order.
pub fn segments(server: &Server, geometry: &WalGeometry) -> Vec<(WalSegment, Vec<u8>)> {
    let folder = server.data_directory.join("pg_wal");
    let mut newest: BTreeMap<u64, WalSegment> = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name();
        let Ok(segment) = WalSegment::parse(name.to_str().unwrap(), geometry.segment_size) else { continue };
        let known = newest.entry(segment.number).or_insert(segment);
        *known = (*known).max(segment);
    }
    let read = |segment: WalSegment| std::fs::read(folder.join(segment.file_name(geometry.segment_size))).unwrap();
    newest.into_values().map(|segment| (segment, read(segment))).collect()
}

/// Decodes all, in pieces, up to the end of the log, which must be told.
pub fn read(segments: &[(WalSegment, Vec<u8>)], geometry: &WalGeometry) -> Read {
    let mut read = Read::default();
    let mut decoder = WalDecoder::new(*geometry, TimelineId(2), segments[0].0.start_lsn(geometry.segment_size));
    let mut failure = None;
    'all: for (number, (_, bytes)) in segments.iter().enumerate() {
        for piece in bytes.chunks(1 + (number * 7919) % 100_000) {
            let answer = decoder.feed::<FormatError>(piece, &mut |record| {
                let decoded = record.decode()?;
                let fork = |fork| match fork {
                    ForkNumber::Main => "",
                    ForkNumber::Fsm => " fork fsm",
                    ForkNumber::Vm => " fork vm",
                    ForkNumber::Init => " fork init",
                };
                let blocks = decoded.blocks.iter().map(|block| {
                    let image = if block.has_image { " FPW" } else { "" };
                    let relation = format!("{}/{}/{}", block.spc_oid, block.db_oid, block.rel_number);
                    format!("#{}: rel {relation}{} blk {}{image}", block.id, fork(block.fork), block.block)
                });
                let told = Told {
                    lsn: record.lsn,
                    previous: record.previous_lsn,
                    xid: record.xid,
                    length: record.bytes.len(),
                    resource_manager: RESOURCE_MANAGERS[usize::from(record.resource_manager.0)].to_owned(),
                    blocks: blocks.collect(),
                };
                read.records.push((told, record.fact()?));
                Ok(())
            });
            if let Err(error) = answer {
                failure = Some(error);
                break 'all;
            }
        }
    }
    let failure = failure.expect("what follows the log's end is an error");
    read.records_end = decoder.records_end().unwrap();
    assert!(decoder.position() >= read.records_end && decoder.position().0 - read.records_end.0 < 8192, "{failure}");
    assert_eq!(decoder.open_record(), None, "{failure}");
    read
}

/// The log ends with the checkpoint of the shutdown, as pg_control says.
pub fn check_end(read: &Read, control: &ControlFile) {
    let (last, fact) = read.records.last().unwrap();
    assert_eq!(last.lsn, control.checkpoint_lsn);
    match fact {
        Some(WalFact::Checkpoint { shutdown: true, redo_lsn, timeline, time }) => {
            assert_eq!((*redo_lsn, *timeline), (control.redo_lsn, control.timeline));
            assert_eq!(time.as_second(), control.checkpoint_time_seconds);
        }
        other => panic!("the last record is {other:?}"),
    }
    assert!(read.records_end.0 - last.lsn.0 >= last.length as u64);
}

fn check_facts(read: &Read, commit_times: &BTreeMap<u32, i64>) {
    let times: BTreeMap<u32, i64> = (read.records.iter())
        .filter_map(|(told, fact)| match fact {
            Some(WalFact::Commit { time }) => Some((told.xid, time.as_microsecond())),
            _ => None,
        })
        .collect();
    assert!(commit_times.len() > 20);
    for (xid, time) in commit_times {
        assert_eq!(times.get(xid), Some(time), "transaction {xid}");
    }
    let count = |wanted: fn(&WalFact) -> bool| {
        read.records.iter().filter(|(_, fact)| fact.as_ref().is_some_and(wanted)).count()
    };
    assert_eq!(count(|fact| matches!(fact, WalFact::RestorePoint { name, .. } if name == "punto ñ")), 3);
    assert!(count(|fact| matches!(fact, WalFact::SegmentSwitch)) >= 6);
    assert!(count(|fact| matches!(fact, WalFact::Abort { .. })) >= 6);
    let ends = count(|fact| {
        matches!(fact, WalFact::EndOfRecovery { timeline: TimelineId(2), previous_timeline: TimelineId(1), .. })
    });
    let checkpoints = count(|fact| matches!(fact, WalFact::Checkpoint { timeline: TimelineId(2), .. }));
    assert!(ends == 1 && checkpoints >= 1);
    assert!(read.records.iter().any(|(told, _)| told.length > 2_500_000));
}

pub fn check_against_pg_waldump(
    server: &Server,
    read: &Read,
    segments: &[(WalSegment, Vec<u8>)],
    geometry: &WalGeometry,
) {
    // Another version's refuses the pages.
    let own = server.binaries().join("pg_waldump");
    if !own.exists() {
        eprintln!("  no pg_waldump of PostgreSQL {}; {} records", server.major, read.records.len());
        return;
    }
    // It reads one timeline only.
    let starts = [TimelineId(1), TimelineId(2)].map(|timeline| {
        let first = segments.iter().find(|(segment, _)| segment.timeline == timeline);
        Some((timeline, first?.0.start_lsn(geometry.segment_size)))
    });
    let mut theirs: BTreeMap<Lsn, (Told, String)> = BTreeMap::new();
    for (timeline, start) in starts.into_iter().flatten() {
        let mut command = server.command_at(&own);
        command.arg("-p").arg(server.data_directory.join("pg_wal")).args([
            "-t",
            &timeline.to_string(),
            "-s",
            &start.to_string(),
        ]);
        // It ends with an error: the log ends somewhere.
        let output = command.output().unwrap();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (told, description) = parse(line);
            theirs.insert(told.lsn, (told, description));
        }
    }
    let theirs: Vec<&(Told, String)> = theirs.values().collect();
    for ((told, fact), (their_told, description)) in read.records.iter().zip(&theirs) {
        assert_eq!(told, their_told, "{description}");
        let time = |time: &jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M:%S%.6f UTC").to_string();
        let is = |text: &str| description.starts_with(text);
        match fact {
            Some(WalFact::Commit { time: at }) => {
                assert!(is("COMMIT") && description.contains(&time(at)), "{description}")
            }
            Some(WalFact::Abort { time: at }) => {
                assert!(is("ABORT") && description.contains(&time(at)), "{description}")
            }
            Some(WalFact::RestorePoint { name, .. }) => assert_eq!(description, &format!("RESTORE_POINT {name}")),
            Some(WalFact::SegmentSwitch) => assert!(is("SWITCH")),
            Some(WalFact::Checkpoint { redo_lsn, timeline, .. }) => {
                let redo = description.split("redo ").nth(1).unwrap().split(';').next().unwrap();
                assert_eq!(redo.parse::<Lsn>().unwrap(), *redo_lsn);
                assert!(is("CHECKPOINT_") && description.contains(&format!("; tli {timeline};")));
            }
            Some(WalFact::EndOfRecovery { time: at, .. }) => {
                assert!(is("END_OF_RECOVERY tli 2; prev tli 1; time") && description.contains(&time(at)));
            }
            Some(WalFact::ParameterChange { .. }) => {
                assert!(is("PARAMETER_CHANGE") && description.contains("wal_level=logical"))
            }
            Some(WalFact::BackupEnd { .. }) => assert!(is("BACKUP_END")),
            None => {
                let known = [
                    "COMMIT",
                    "ABORT",
                    "RESTORE_POINT",
                    "SWITCH",
                    "CHECKPOINT_SHUT",
                    "CHECKPOINT_ONL",
                    "END_OF",
                    "PARAMETER",
                    "BACKUP",
                ];
                let theirs = ["XLOG", "Transaction"].contains(&told.resource_manager.as_str());
                assert!(!theirs || !known.iter().any(|word| is(word)), "{description}");
            }
        }
    }
    assert_eq!(read.records.len(), theirs.len());
    eprintln!("  {} records as pg_waldump tells", theirs.len());
}

/// Reads a line of pg_waldump's: what is in [`Told`], and the description.
fn parse(line: &str) -> (Told, String) {
    let after = |word: &str| line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line}")).1.trim_start();
    let until = |word: &str, end: char| after(word).split(end).next().unwrap().trim();
    let (description, blocks) = match after("desc: ").split_once(", blkref ") {
        Some((description, blocks)) => {
            (description, blocks.split(", blkref ").map(|block| block.trim().to_owned()).collect())
        }
        None => (after("desc: "), Vec::new()),
    };
    let told = Told {
        lsn: until("lsn: ", ',').parse().unwrap(),
        previous: until("prev ", ',').parse().unwrap(),
        xid: until("tx: ", ',').parse().unwrap(),
        length: until("len (rec/tot): ", ',').split('/').nth(1).unwrap().trim().parse().unwrap(),
        resource_manager: until("rmgr: ", ' ').to_owned(),
        blocks,
    };
    (told, description.trim().to_owned())
}

/// Segments alone, with what is across their borders, say what the whole log does.
pub fn check_summaries(read: &Read, segments: &[(WalSegment, Vec<u8>)], geometry: &WalGeometry) {
    let mut facts: Vec<(Lsn, WalFact)> = Vec::new();
    let mut transactions = 0;
    let mut before: Option<SegmentSummary> = None;
    for (segment, bytes) in segments {
        let start = segment.start_lsn(geometry.segment_size);
        if start >= read.records_end {
            break;
        }
        let valid = (read.records_end.0 - start.0).min(bytes.len() as u64) as usize;
        let mut summarizer = SegmentSummarizer::new(*geometry, *segment);
        let mut whole = Vec::new();
        for piece in bytes[..valid].chunks(50_001) {
            summarizer
                .feed::<FormatError>(piece, &mut |record, fact| {
                    whole.extend(fact.map(|fact| (record.lsn, fact.clone())));
                    Ok(())
                })
                .unwrap();
        }
        let summary = summarizer.summary();
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<SegmentSummary>(&text).unwrap(), summary);
        if let Some(before) = &before {
            facts.extend(SegmentSummary::fact_across(before, &summary, geometry).unwrap());
        }
        facts.extend(whole);
        transactions += summary.transactions;
        before = Some(summary);
    }
    // Of what began before the first segment, nothing is told; and of checkpoints across borders, the head says all, too.
    let all: Vec<(Lsn, WalFact)> =
        read.records.iter().filter_map(|(told, fact)| Some((told.lsn, fact.clone()?))).collect();
    assert_eq!(facts, all);
    assert!(transactions > 0 && transactions as usize <= all.len());
    assert!(all.iter().any(|(_, fact)| *fact == WalFact::SegmentSwitch));
}

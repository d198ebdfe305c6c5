//! Our tables beside those of a server's summarizer (17 and later).

mod changes_support;
mod wal_support;

use changes_support::{ask, assert_same, checkpoint, geometry, known, range, summaries, unknown};
use engine::Cancel;
use engine::cluster::{Connection, probe, required_grants};
use engine::reader::{LocalSource, Source, SqlSource};
use engine::wal::{ChangeAnswer, ChangeRange, ChangesUnknown, StopWhen, changes_from_server};
use pgformat::block_reference::BlockReferenceTable;
use pgformat::relation_file::{ForkNumber, RelFileLocator};
use pgformat::{Lsn, MajorVersion, TimelineId};
use std::path::Path;
use std::process::Command;
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions, own_program};
use wal_support::{Receiver, flush_lsn, repository_for};

const WITH_SUMMARIES: [MajorVersion; 2] = [MajorVersion::V17, MajorVersion::V18];

fn ask_server(cluster: &TestCluster, source: &dyn Source, range: &ChangeRange) -> ChangeAnswer {
    let mut connection = Connection::connect(&cluster.connection_settings("postgres")).unwrap();
    let info = probe(&mut connection).unwrap();
    let mut reader = source.reader().unwrap();
    changes_from_server(&mut connection, &info, range, reader.as_mut(), &Cancel::new())
        .unwrap_or_else(|error| panic!("{} {error}", error.key()))
}

fn local(cluster: &TestCluster) -> LocalSource {
    LocalSource::new(cluster.data_directory())
}

/// Asks the server, in SQL, what its summaries of a stretch tell.
fn contents(cluster: &TestCluster, from: Lsn, to: Lsn) -> BlockReferenceTable {
    let rows = cluster.sql(&format!(
        "SELECT c.reltablespace, c.reldatabase, c.relfilenode, c.relforknumber, c.relblocknumber, c.is_limit_block \
         FROM pg_available_wal_summaries() s, pg_wal_summary_contents(s.tli, s.start_lsn, s.end_lsn) c \
         WHERE s.start_lsn < '{to}' AND s.end_lsn > '{from}' ORDER BY s.start_lsn, c.is_limit_block DESC"
    ));
    let mut table = BlockReferenceTable::new();
    for row in rows.lines() {
        let fields: Vec<&str> = row.split('|').collect();
        let number = |at: usize| fields[at].parse::<u32>().unwrap();
        let locator = RelFileLocator { spc_oid: number(0), db_oid: number(1), rel_number: number(2) };
        let fork = [ForkNumber::Main, ForkNumber::Fsm, ForkNumber::Vm, ForkNumber::Init][number(3) as usize];
        match fields[5] {
            "t" => table.set_limit_block(locator, fork, number(4)),
            _ => table.mark_block(locator, fork, number(4)),
        }
    }
    table
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
        let RelFileLocator { spc_oid, db_oid, rel_number } = key.locator;
        let head = format!("TS {spc_oid}, DB {db_oid}, REL {rel_number}, FORK {fork}: ");
        entry.limit_block().iter().for_each(|limit| text.push_str(&format!("{head}limit {limit}\n")));
        entry.blocks().for_each(|block| text.push_str(&format!("{head}block {block}\n")));
    }
    text
}

/// Asserts that all that the server's table has is in ours, and that what is more is explained: visibility maps, which the server
/// does not follow when rows change; the first block of indexes, for SP-GiST; and what was cut off again in another piece than it was
/// written in (see `assert_equivalent`). Returns how many blocks of visibility maps are more.
fn assert_explained(ours: &BlockReferenceTable, theirs: &BlockReferenceTable) -> u64 {
    for (key, entry) in theirs.entries() {
        let other = ours.entry(key.locator, key.fork).unwrap_or_else(|| panic!("{key:?} is missing"));
        let limit = other.limit_block().unwrap_or(u32::MAX);
        if key.fork == ForkNumber::Vm {
            assert!(limit <= entry.limit_block().unwrap_or(u32::MAX), "{key:?}");
        } else {
            assert_eq!(other.limit_block(), entry.limit_block(), "{key:?}");
        }
        assert!(entry.blocks().all(|block| other.contains(block) || block >= limit), "{key:?}");
    }
    let mut more = 0;
    for (key, entry) in ours.entries() {
        let other = theirs.entry(key.locator, key.fork);
        for block in entry.blocks().filter(|block| !other.is_some_and(|other| other.contains(*block))) {
            let was_cut = entry.limit_block().is_some_and(|limit| block >= limit);
            let explained = key.fork == ForkNumber::Vm || key.fork == ForkNumber::Main && block == 0 || was_cut;
            assert!(explained, "{key:?}: block {block}");
            more += u64::from(key.fork == ForkNumber::Vm);
        }
        assert!(other.is_some() || key.fork == ForkNumber::Vm, "{key:?} is nowhere in the server's");
    }
    more
}

#[test]
fn ours_has_all_that_the_server_has_and_no_more_than_can_be_explained() {
    for version in WITH_SUMMARIES.into_iter().filter(|version| testkit::is_available(*version)) {
        let options = ClusterOptions::default().wal_segment_mb(1).tablespace("spc").set("summarize_wal", "on");
        let cluster = TestCluster::new(version, &options);
        let folder = TestFolder::new();
        let repository = repository_for(&cluster, folder.path());
        let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
        receiver.wait_for_event("wal-streaming");
        cluster.sql(
            "CREATE TABLE spread AS SELECT point(g, g % 97) AS p, g AS a, repeat('s', 300) AS b FROM generate_series(1, 9000) g;
             CREATE INDEX ON spread USING spgist (p); CREATE INDEX ON spread USING gin ((ARRAY[a])); CREATE DATABASE copied",
        );
        cluster.sql("VACUUM spread");
        let workload = Workload::start(&cluster, &WorkloadOptions::default());
        workload.wait_for_rounds(1);
        let from = checkpoint(&cluster);
        cluster.sql("UPDATE spread SET p = point(a, 3) WHERE a % 900 = 0; DELETE FROM spread WHERE a > 5000");
        cluster.sql("VACUUM spread");
        cluster.sql("CREATE DATABASE made TEMPLATE copied STRATEGY file_copy");
        cluster.sql("DROP DATABASE copied");
        cluster.sql("TRUNCATE spread");
        workload.wait_for_rounds(2);
        let to = checkpoint(&cluster);
        workload.stop();
        receiver.wait_for(flush_lsn(&cluster));
        receiver.stop();

        let range = range(from, to);
        let (theirs, detail) = known(ask_server(&cluster, &local(&cluster), &range));
        assert!(detail.summaries > 0 && !theirs.is_empty(), "{detail:?}");
        assert_same("files and SQL", &theirs, &contents(&cluster, from.1, to.1));
        let over_sql = SqlSource::new(&cluster.connection_settings("postgres"));
        assert_same("files over SQL", &known(ask_server(&cluster, &over_sql, &range)).0, &theirs);
        let elsewhere = TestFolder::new();
        let (ours, detail) = known(ask(&repository, geometry(&cluster), &range, elsewhere.path()));
        assert!(detail.summaries > 3, "{detail:?}");
        let more = assert_explained(&ours, &theirs);
        assert!(more > 0, "no row lost its mark of visibility: the test is too tame");

        let program = own_program(version, "pg_walsummary").unwrap();
        let made = summaries(folder.path());
        for (name, bytes) in &made {
            let path = folder.path().join("wal/summaries").join(name);
            let output = Command::new(&program).arg("-i").arg(&path).output().unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            let expected = told(&BlockReferenceTable::parse(bytes).unwrap());
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{name}");
        }
        eprintln!("PostgreSQL {version}: {} of our summaries, {more} blocks more than the server's", made.len());
    }
}

#[test]
fn the_server_is_asked_only_where_it_can_tell() {
    let old = TestCluster::new(MajorVersion::V16, &ClusterOptions::default());
    let at = checkpoint(&old);
    let version = MajorVersion::V16;
    let said = unknown(ask_server(&old, &local(&old), &range(at, at)));
    assert_eq!(said, ChangesUnknown::ChangesNoServerSummaries { version });

    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let from = checkpoint(&cluster);
    cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS a");
    let to = checkpoint(&cluster);
    let said = unknown(ask_server(&cluster, &local(&cluster), &range(from, to)));
    assert_eq!(said, ChangesUnknown::ChangesSummariesOff {});

    // Switched on, it begins with the WAL that is still there, and goes on to `to`: we wait for it.
    cluster.sql("ALTER SYSTEM SET summarize_wal = on");
    cluster.sql("SELECT pg_reload_conf()");
    cluster.wait_until("SELECT current_setting('summarize_wal') = 'on'");
    let (table, detail) = known(ask_server(&cluster, &local(&cluster), &range(from, to)));
    assert!(!table.is_empty() && detail.summaries > 0, "{detail:?}");

    let files = |folder: &Path| -> Vec<std::path::PathBuf> {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = paths.filter(|path| path.metadata().unwrap().len() > 0).collect();
        paths.sort();
        paths
    };
    let last = files(&cluster.pg_wal().join("summaries"))
        .into_iter()
        .rfind(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let name: Option<pgformat::block_reference::SummaryFileName> = name.parse().ok();
            name.is_some_and(|name| name.start_lsn >= from.1 && name.end_lsn <= to.1)
        })
        .unwrap();
    let mut bytes = std::fs::read(&last).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&last, &bytes).unwrap();
    let said = unknown(ask_server(&cluster, &local(&cluster), &range(from, to)));
    assert!(matches!(said, ChangesUnknown::ChangesSummaryDamaged { .. }), "{said:?}");
    std::fs::remove_file(&last).unwrap();
    let said = unknown(ask_server(&cluster, &local(&cluster), &range(from, to)));
    assert!(matches!(said, ChangesUnknown::ChangesSummaryMissing { timeline: TimelineId(1), .. }), "{said:?}");
}

#[test]
fn a_wait_for_the_summarizer_can_be_cancelled() {
    let options = ClusterOptions::default().set("summarize_wal", "on");
    let cluster = TestCluster::new(MajorVersion::V18, &options);
    let from = checkpoint(&cluster);
    let never = ChangeRange { to_lsn: Lsn(from.1.0 + (1 << 40)), ..range(from, from) };
    let mut connection = Connection::connect(&cluster.connection_settings("postgres")).unwrap();
    let info = probe(&mut connection).unwrap();
    let cancel = Cancel::new();
    let flag = cancel.clone();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        flag.cancel();
    });
    let mut reader = local(&cluster).reader().unwrap();
    let answer = changes_from_server(&mut connection, &info, &never, reader.as_mut(), &cancel);
    canceller.join().unwrap();
    assert!(answer.unwrap_err().is_cancelled());
}

#[test]
fn an_ordinary_role_that_may_read_the_files_is_enough() {
    let options = ClusterOptions::default().set("summarize_wal", "on");
    let cluster = TestCluster::new(MajorVersion::V17, &options);
    let from = checkpoint(&cluster);
    cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS a");
    let to = checkpoint(&cluster);
    cluster.sql("CREATE ROLE plain LOGIN");
    let mut settings = cluster.connection_settings("postgres");
    settings.keywords.retain(|(name, _)| name != "user");
    settings.keywords.push(("user".to_owned(), "plain".to_owned()));
    let mut connection = Connection::connect(&settings).unwrap();
    let info = probe(&mut Connection::connect(&cluster.connection_settings("postgres")).unwrap()).unwrap();
    let mut asked = |range: &ChangeRange| {
        let mut reader = SqlSource::new(&settings).reader().unwrap();
        changes_from_server(&mut connection, &info, range, reader.as_mut(), &Cancel::new()).unwrap()
    };
    let said = unknown(asked(&range(from, to)));
    assert!(matches!(said, ChangesUnknown::ChangesNotAllowed { .. }), "{said:?}");
    cluster.sql(&required_grants(MajorVersion::V17, "plain").join(" "));
    let (table, _) = known(asked(&range(from, to)));
    assert!(!table.is_empty());
}

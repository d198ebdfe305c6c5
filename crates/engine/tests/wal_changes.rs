//! Changed blocks out of the log: received, archived, or still on the server.

mod changes_support;
mod wal_support;

use changes_support::{
    ask, ask_through, assert_equivalent, assert_same, checkpoint, forget_summaries, geometry, known, range, summaries,
};
use engine::Cancel;
use engine::reader::SqlSource;
use engine::wal::{ChangeDetail, CompactedSummaries, StopWhen, compact_summaries};
use pgformat::block_reference::BlockReferenceTable;
use pgformat::{Lsn, MajorVersion};
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions};
use wal_support::{Receiver, catch_up, flush_lsn, repository_for};

testkit::on_each_version!(what_is_made_while_receiving_is_what_the_archive_and_the_servers_own_wal_tell, |version| {
    let options = ClusterOptions::default().wal_segment_mb(1).tablespace("spc");
    let cluster = TestCluster::new(version, &options);
    let (folder, without) = (TestFolder::new(), TestFolder::new());
    let (repository, nothing) = (repository_for(&cluster, folder.path()), repository_for(&cluster, without.path()));
    let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    let workload = Workload::start(&cluster, &WorkloadOptions::default());
    workload.wait_for_rounds(1);
    let from = checkpoint(&cluster);
    workload.wait_for_rounds(1);
    let middle = checkpoint(&cluster);
    workload.wait_for_rounds(1);
    // Longer than a segment.
    cluster.sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 3000000))");
    workload.wait_for_rounds(1);
    let to = checkpoint(&cluster);
    workload.stop();
    receiver.wait_for(flush_lsn(&cluster));
    receiver.stop();

    let (geometry, whole) = (geometry(&cluster), range(from, to));
    let (server, detail) = known(ask(&nothing, geometry, &whole, cluster.data_directory()));
    assert!(detail.server_segments > 3 && detail.summaries + detail.archived_segments == 0, "{detail:?}");
    let over_sql = SqlSource::new(&cluster.connection_settings("postgres"));
    let (asked, _) = known(ask_through(&over_sql, &nothing, geometry, &whole));
    assert_same("over SQL and from its files", &asked, &server);
    // Two parts are as much as the whole, wherever in a segment they meet.
    let (mut parts, _) = known(ask(&nothing, geometry, &range(from, middle), cluster.data_directory()));
    let later = range(middle, to);
    parts.merge_later(&known(ask(&nothing, geometry, &later, cluster.data_directory())).0);
    assert_equivalent("parts and whole", &parts, &server);
    let elsewhere = TestFolder::new();
    let (received, detail) = known(ask(&repository, geometry, &whole, elsewhere.path()));
    // The first and the last segment are not wanted whole, and on a busy machine some go by unsummarized.
    assert!(detail.summaries > 3 && detail.server_segments == 0, "{detail:?}");
    assert_same("received and server", &received, &server);
    let made = summaries(folder.path());
    forget_summaries(folder.path());
    let (rebuilt, detail) = known(ask(&repository, geometry, &whole, elsewhere.path()));
    assert!(detail.summaries == 0 && detail.server_segments == 0 && detail.archived_segments > 3, "{detail:?}");
    assert_same("rebuilt and server", &rebuilt, &server);
    // The same files, byte for byte.
    let again = summaries(folder.path());
    let both: Vec<&String> = again.keys().filter(|name| made.contains_key(*name)).collect();
    assert!(both.len() > 3, "{:?} {:?}", made.keys(), again.keys());
    assert!(both.iter().all(|name| made[*name] == again[*name]));
    let (remembered, detail) = known(ask(&repository, geometry, &whole, elsewhere.path()));
    assert!(detail.summaries > 3 && detail.archived_segments <= 1, "{detail:?}");
    assert_same("remembered and server", &remembered, &server);
});

#[test]
fn an_empty_range_changes_nothing() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let at = checkpoint(&cluster);
    let (table, _) = known(ask(&repository, geometry(&cluster), &range(at, at), cluster.data_directory()));
    assert!(table.is_empty());
}

#[test]
fn summaries_that_were_merged_tell_the_same_to_every_backup_that_may_ask() {
    let cluster = TestCluster::new(MajorVersion::V18, &ClusterOptions::default().wal_segment_mb(1));
    let (folder, elsewhere) = (TestFolder::new(), TestFolder::new());
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    let change = |name: &str| {
        cluster.sql(&format!(
            "CREATE TABLE {name} AS SELECT g AS a, repeat('x', 300) AS b FROM generate_series(1, 12000) g;
             DELETE FROM {name} WHERE a > 3000"
        ));
        cluster.sql(&format!("VACUUM {name}"));
        cluster.sql(&format!("INSERT INTO {name} SELECT g, 'again' FROM generate_series(1, 900) g"));
    };
    let mut starts = vec![checkpoint(&cluster)];
    for name in ["one", "two", "three"] {
        change(name);
        starts.push(checkpoint(&cluster));
    }
    change("four");
    let to = checkpoint(&cluster);
    catch_up(&cluster, &repository);
    let geometry = geometry(&cluster);
    let ask_all = || -> Vec<(BlockReferenceTable, ChangeDetail)> {
        starts.iter().map(|from| known(ask(&repository, geometry, &range(*from, to), elsewhere.path()))).collect()
    };
    // The first time, the rests of the segments that backups began in are remembered as well.
    let before = ask_all();
    let many = summaries(folder.path());
    let borders: Vec<Lsn> = starts.iter().map(|(_, lsn)| *lsn).collect();
    let done = compact_summaries(&repository, &borders, &Cancel::new()).unwrap();
    let few = summaries(folder.path());
    assert!(done.written >= 3 && done.removed > done.written + 6, "{done:?}");
    assert_eq!(few.len() as u64, many.len() as u64 + done.written - done.removed);
    assert_eq!(compact_summaries(&repository, &borders, &Cancel::new()).unwrap(), CompactedSummaries::default());

    // No whole segment is needed any more.
    for entry in std::fs::read_dir(folder.path().join("wal/00000001")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "zst") {
            std::fs::remove_file(path).unwrap();
        }
    }
    for ((from, (table, _)), (merged, detail)) in starts.iter().zip(&before).zip(ask_all()) {
        assert_equivalent(&format!("from {}", from.1), &merged, table);
        assert!(detail.archived_segments <= 1 && detail.mended_summaries == 0, "{detail:?}");
    }
    // A base that nobody thought of: the long file tells more than enough.
    let amid = (starts[1].0, Lsn(starts[1].1.0.midpoint(starts[2].1.0)));
    let (more, _) = known(ask(&repository, geometry, &range(amid, to), elsewhere.path()));
    for (key, entry) in before[2].0.entries() {
        let other = more.entry(key.locator, key.fork).unwrap_or_else(|| panic!("{key:?}"));
        let limit = other.limit_block().unwrap_or(u32::MAX);
        assert!(entry.blocks().all(|block| other.contains(block) || block >= limit), "{key:?}");
    }
    // What a crash left beside a long file goes, and a long file that is damaged does not stand in the way.
    for (name, bytes) in &many {
        let path = folder.path().join("wal/summaries").join(name);
        if !path.exists() {
            std::fs::write(path, bytes).unwrap();
        }
    }
    assert_eq!(compact_summaries(&repository, &borders, &Cancel::new()).unwrap().removed, done.removed);
    assert_eq!(summaries(folder.path()), few);
    let long = few.keys().find(|name| !many.contains_key(*name)).unwrap();
    std::fs::write(folder.path().join("wal/summaries").join(long), "x").unwrap();
    for (name, bytes) in &many {
        std::fs::write(folder.path().join("wal/summaries").join(name), bytes).unwrap();
    }
    compact_summaries(&repository, &borders, &Cancel::new()).unwrap();
    compact_summaries(&repository, &borders, &Cancel::new()).unwrap();
    assert_eq!(summaries(folder.path()), few);
}

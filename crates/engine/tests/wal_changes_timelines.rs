//! Changed blocks across crashes and promotions.

mod changes_support;
mod wal_support;

use changes_support::{ask, assert_same, checkpoint, forget_summaries, geometry, known, range, summaries, unknown};
use engine::wal::{ChangeRange, ChangesUnknown};
use pgformat::block_reference::SummaryFileName;
use pgformat::relation_file::ForkNumber;
use pgformat::{Lsn, TimelineId, WalSegment};
use testkit::{ClusterOptions, TestCluster, TestFolder};
use wal_support::{archive, catch_up, flush_lsn, repository_for};

/// Changes of all kinds that leave something to follow.
fn change(cluster: &TestCluster, name: &str) {
    cluster.sql(&format!(
        "CREATE TABLE {name} AS SELECT g AS a, repeat('x', 200) AS b FROM generate_series(1, 9000) g;
         CREATE INDEX ON {name} (a); DELETE FROM {name} WHERE a > 4000"
    ));
    cluster.sql(&format!("VACUUM {name}"));
    cluster.sql(&format!("UPDATE {name} SET a = -a WHERE a % 7 = 0; TRUNCATE {name}; INSERT INTO {name} VALUES (1)"));
}

testkit::on_each_version!(a_crash_and_a_promotion_are_followed, |version| {
    let primary = TestCluster::new(version, &ClusterOptions::default().wal_segment_mb(1));
    let (folder, without, elsewhere) = (TestFolder::new(), TestFolder::new(), TestFolder::new());
    let (repository, nothing) = (repository_for(&primary, folder.path()), repository_for(&primary, without.path()));
    let geometry = geometry(&primary);
    catch_up(&primary, &repository);
    let standby = TestCluster::standby_of(&primary);
    change(&primary, "before");
    let from = checkpoint(&primary);
    change(&primary, "at_first");
    primary.crash();
    primary.start();
    change(&primary, "after_the_crash");
    let middle = checkpoint(&primary);
    change(&primary, "before_the_promotion");
    catch_up(&primary, &repository);
    standby.wait_for_replay(flush_lsn(&primary));
    primary.stop();
    standby.promote();
    let at_promotion = checkpoint(&standby);
    change(&standby, "after_the_promotion");
    let to = checkpoint(&standby);
    assert_eq!((from.0, to.0), (TimelineId(1), TimelineId(2)));
    change(&standby, "beyond");
    catch_up(&standby, &repository);

    for (what, range) in [
        ("all", range(from, to)),
        ("before", range(from, middle)),
        ("across", range(middle, to)),
        ("after", range(at_promotion, to)),
    ] {
        let data_directory = standby.data_directory();
        let (server, detail) = known(ask(&nothing, geometry, &range, data_directory));
        assert!(detail.server_segments > 0 && !server.is_empty(), "{what}: {detail:?}");
        let (received, detail) = known(ask(&repository, geometry, &range, elsewhere.path()));
        assert!(detail.summaries > 0 && detail.server_segments == 0, "{what}: {detail:?}");
        assert_same(&format!("{what}: received and server"), &received, &server);
    }
    let made = summaries(folder.path());
    assert!(
        made.keys().any(|name| name.starts_with("00000001")) && made.keys().any(|name| name.starts_with("00000002"))
    );
    forget_summaries(folder.path());
    let whole = range(from, to);
    let (server, _) = known(ask(&nothing, geometry, &whole, standby.data_directory()));
    let (rebuilt, detail) = known(ask(&repository, geometry, &whole, elsewhere.path()));
    assert_eq!((detail.summaries, detail.server_segments), (0, 0), "{detail:?}");
    assert_same("rebuilt and server", &rebuilt, &server);
    let again = summaries(folder.path());
    let both: Vec<&String> = again.keys().filter(|name| made.contains_key(*name)).collect();
    assert!(both.len() > 3 && both.iter().all(|name| made[*name] == again[*name]));

    // A base that the old primary went on to after the standby had left.
    primary.start();
    change(&primary, "astray");
    let astray = checkpoint(&primary);
    let said =
        unknown(ask(&repository, geometry, &range(astray, (to.0, Lsn(to.1.0.max(astray.1.0)))), elsewhere.path()));
    assert!(matches!(said, ChangesUnknown::ChangesBaseElsewhere { .. }) && said.is_about_base(), "{said:?}");
    // One that had begun before, and held what came after.
    let half = ChangeRange { from_stop_lsn: astray.1, ..whole };
    assert!(unknown(ask(&repository, geometry, &half, elsewhere.path())).is_about_base());
});

testkit::on_each_version!(what_the_old_timeline_went_on_to_do_is_not_taken_for_this_ones, |version| {
    let primary = TestCluster::new(version, &ClusterOptions::default().wal_segment_mb(1));
    let (folder, without, elsewhere) = (TestFolder::new(), TestFolder::new(), TestFolder::new());
    let (repository, nothing) = (repository_for(&primary, folder.path()), repository_for(&primary, without.path()));
    let geometry = geometry(&primary);
    catch_up(&primary, &repository);
    let standby = TestCluster::standby_of(&primary);
    change(&primary, "kept");
    // A vacuum would cut off the empty pages that the table was extended by in advance.
    primary.sql(
        "CREATE TABLE cut_astray WITH (autovacuum_enabled = off) AS
         SELECT g AS a, repeat('x', 500) AS b FROM generate_series(1, 3000) g",
    );
    let from = checkpoint(&primary);
    change(&primary, "shared");
    standby.wait_for_replay(flush_lsn(&primary));
    standby.stop();
    let left = flush_lsn(&primary);
    // Whole segments of it are archived and summarized: a limit that they tell must not count.
    primary.sql("DROP TABLE cut_astray");
    change(&primary, "astray");
    change(&primary, "further_astray");
    wal_support::fill_segments(&primary, 2);
    let end_astray = checkpoint(&primary);
    catch_up(&primary, &repository);
    // Should some have gone by unsummarized.
    known(ask(&repository, geometry, &range(from, end_astray), elsewhere.path()));
    primary.crash();
    standby.start();
    standby.promote();
    standby.sql("UPDATE cut_astray SET a = 0 WHERE a = 77");
    change(&standby, "after");
    let to = checkpoint(&standby);
    wal_support::fill_segments(&standby, 1);
    catch_up(&standby, &repository);

    let switch_lsn =
        archive(&repository).contents().unwrap().timelines[&TimelineId(2)].history.as_ref().unwrap()[0].switch_lsn;
    assert!(switch_lsn <= left);
    let made = summaries(folder.path());
    let beyond = |name: &&String| {
        let name: SummaryFileName = name.parse().unwrap();
        name.timeline == TimelineId(1) && name.end_lsn > switch_lsn
    };
    assert!(made.keys().filter(beyond).count() > 1, "{switch_lsn} {:?}", made.keys());
    let range = range(from, to);
    let (server, _) = known(ask(&nothing, geometry, &range, standby.data_directory()));
    let (received, detail) = known(ask(&repository, geometry, &range, elsewhere.path()));
    assert!(detail.summaries > 0, "{detail:?}");
    assert_same("received and server", &received, &server);
    let file: String = standby.sql("SELECT pg_relation_filenode('cut_astray')");
    let (changed_key, changed) =
        received.entries().find(|(key, _)| key.locator.rel_number.to_string() == file.trim()).unwrap();
    assert_eq!(changed.limit_block(), None, "{file}: {changed:?}");
    // Without this timeline's summary of the segment with the switch, the older one's is at hand, with its limit.
    let size = geometry.segment_size;
    let segment = |timeline| {
        let segment = WalSegment::containing(TimelineId(timeline), switch_lsn, size);
        let (start_lsn, end_lsn) = (segment.start_lsn(size), segment.end_lsn(size));
        SummaryFileName { timeline: segment.timeline, start_lsn, end_lsn }
    };
    let older = archive(&repository).read_summary(segment(1)).unwrap().expect("the segment was received whole");
    let fork = changed_key.locator;
    // The record may have come to lie in the next segment.
    let next = SummaryFileName {
        start_lsn: segment(1).end_lsn,
        end_lsn: Lsn(segment(1).end_lsn.0 + size.bytes()),
        ..segment(1)
    };
    let next = archive(&repository).read_summary(next).unwrap().expect("so was the next");
    assert!(
        [older, next]
            .iter()
            .any(|table| table.entry(fork, ForkNumber::Main).is_some_and(|e| e.limit_block() == Some(0)))
    );
    archive(&repository).remove_summary(segment(2)).unwrap();
    let (without_newer, detail) = known(ask(&repository, geometry, &range, elsewhere.path()));
    assert!(detail.archived_segments > 0, "{detail:?}");
    assert_same("without the newer summary", &without_newer, &server);
    forget_summaries(folder.path());
    let (rebuilt, _) = known(ask(&repository, geometry, &range, elsewhere.path()));
    assert_same("rebuilt and server", &rebuilt, &server);
});

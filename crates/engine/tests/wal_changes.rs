//! Changed blocks out of the log: received, archived, or still on the server.

mod changes_support;
mod wal_support;

use changes_support::{
    ask, assert_equivalent, assert_same, checkpoint, forget_summaries, geometry, known, range, summaries,
};
use engine::wal::StopWhen;
use pgformat::MajorVersion;
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions};
use wal_support::{Receiver, flush_lsn, repository_for};

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
    // Two parts are as much as the whole, wherever in a segment they meet.
    let (mut parts, _) = known(ask(&nothing, geometry, &range(from, middle), cluster.data_directory()));
    let later = range(middle, to);
    parts.merge_later(&known(ask(&nothing, geometry, &later, cluster.data_directory())).0);
    assert_equivalent("parts and whole", &parts, &server);
    let elsewhere = TestFolder::new();
    let (received, detail) = known(ask(&repository, geometry, &whole, elsewhere.path()));
    // The first and the last segment are not wanted whole.
    assert!(detail.summaries > 3 && detail.server_segments == 0 && detail.archived_segments <= 2, "{detail:?}");
    assert_same("received and server", &received, &server);
    let made = summaries(folder.path());
    forget_summaries(folder.path());
    let (rebuilt, detail) = known(ask(&repository, geometry, &whole, elsewhere.path()));
    assert!(detail.summaries == 0 && detail.server_segments == 0 && detail.archived_segments > 3, "{detail:?}");
    assert_same("rebuilt and server", &rebuilt, &server);
    // The same files, byte for byte; the start within a segment gave one more.
    let again = summaries(folder.path());
    let both: Vec<&String> = again.keys().filter(|name| made.contains_key(*name)).collect();
    assert!(both.len() > 3 && again.len() <= both.len() + 1, "{made:?} {again:?}");
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

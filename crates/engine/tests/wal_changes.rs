//! Changed blocks out of the log: received, archived, or still on the server.

mod changes_support;
mod wal_support;

use changes_support::{ask, assert_same, checkpoint, forget_summaries, geometry, known, range};
use pgformat::MajorVersion;
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions};
use wal_support::{catch_up, repository_for};

testkit::on_each_version!(the_archive_and_the_servers_own_wal_tell_the_same, |version| {
    let options = ClusterOptions::default().wal_segment_mb(1).tablespace("spc");
    let cluster = TestCluster::new(version, &options);
    let (folder, without) = (TestFolder::new(), TestFolder::new());
    let (repository, nothing) = (repository_for(&cluster, folder.path()), repository_for(&cluster, without.path()));
    catch_up(&cluster, &repository);
    let workload = Workload::start(&cluster, &WorkloadOptions::default());
    workload.wait_for_rounds(1);
    let from = checkpoint(&cluster);
    workload.wait_for_rounds(2);
    // Longer than a segment.
    cluster.sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 3000000))");
    workload.wait_for_rounds(1);
    let to = checkpoint(&cluster);
    workload.stop();
    catch_up(&cluster, &repository);

    let (geometry, range) = (geometry(&cluster), range(from, to));
    let data_directory = cluster.data_directory();
    let (server, detail) = known(ask(&nothing, geometry, &range, data_directory));
    assert!(detail.server_segments > 3 && detail.summaries + detail.archived_segments == 0, "{detail:?}");
    forget_summaries(folder.path());
    let elsewhere = TestFolder::new();
    let (archived, first) = known(ask(&repository, geometry, &range, elsewhere.path()));
    assert_eq!(first.server_segments, 0, "{first:?}");
    assert_same("archive and server", &archived, &server);
    // What was decoded is remembered; the last segment was not whole.
    let (again, second) = known(ask(&repository, geometry, &range, elsewhere.path()));
    assert!(second.summaries > 3 && second.archived_segments <= 1, "{second:?}");
    assert_same("decoded and remembered", &again, &archived);
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

//! Receiving across promotions.

mod wal_support;

use engine::wal::StopWhen;
use pgformat::{MajorVersion, TimelineId};
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions};
use vault::wal::SegmentForm;
use wal_support::{
    Receiver, archive, assert_no_hole, assert_same_as_pg_wal, catch_up, fill_segments, flush_lsn, listed,
    repository_for, try_catch_up,
};

fn write_some(cluster: &TestCluster, table: &str) {
    cluster.sql(&format!("CREATE TABLE {table} AS SELECT generate_series(1, 3000) AS i"));
}

/// What a promotion must leave: the new history, the old timeline up to the switch and not sealed beyond it.
fn assert_followed(repository: &vault::repository::Repository, cluster: &TestCluster) {
    let history = archive(repository).history(TimelineId(2)).unwrap().expect("the history is archived");
    assert_eq!(history, std::fs::read(cluster.pg_wal().join("00000002.history")).unwrap());
    let contents = archive(repository).contents().unwrap();
    let switch_lsn = contents.timelines[&TimelineId(2)].history.as_ref().unwrap()[0].switch_lsn;
    let size = archive(repository).geometry().segment_size;
    let listed = listed(repository);
    let (last_of_first, form) = *listed.iter().rfind(|(segment, _)| segment.timeline == TimelineId(1)).unwrap();
    assert_eq!(last_of_first.number, switch_lsn.0 / size.bytes());
    assert_eq!(form, SegmentForm::Partial, "the timeline ends within it");
    let first_of_second = listed.iter().find(|(segment, _)| segment.timeline == TimelineId(2)).unwrap().0;
    assert_eq!(first_of_second.number, last_of_first.number, "it begins with what came before the switch");
    let mut bytes = Vec::new();
    assert!(archive(repository).read_partial(last_of_first, &mut bytes).unwrap() >= switch_lsn);
    assert_no_hole(repository, 1);
    assert_no_hole(repository, 2);
    assert_same_as_pg_wal(cluster, repository);
}

fn follows_a_promotion(version: MajorVersion) {
    let primary = TestCluster::new(version, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&primary, folder.path());
    write_some(&primary, "before");
    fill_segments(&primary, 2);
    let standby = TestCluster::standby_of(&primary);
    // From the standby, and from before the promotion on: the switch comes in the stream.
    let receiver = Receiver::of(&standby, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    write_some(&primary, "during");
    let end = flush_lsn(&primary);
    receiver.wait_for(end);
    primary.stop();
    standby.promote();
    receiver.wait_for_timeline(2);
    write_some(&standby, "after");
    fill_segments(&standby, 1);
    receiver.wait_for(flush_lsn(&standby));
    assert_eq!(receiver.recorder.count("wal-timeline-switched"), 1);
    let outcome = receiver.stop();
    assert!(outcome.gaps.is_empty() && outcome.timeline.0 == 2, "{outcome:?}");
    assert_followed(&repository, &standby);
}

#[test]
fn a_standby_that_is_promoted_under_a_receiver_is_followed_on_every_version() {
    for version in available_versions() {
        follows_a_promotion(version);
    }
}

#[test]
fn a_receiver_that_was_away_during_a_promotion_finishes_the_old_timeline_first() {
    let primary = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&primary, folder.path());
    write_some(&primary, "before");
    // It has no segment from before its base backup.
    let standby = TestCluster::standby_of(&primary);
    write_some(&primary, "between");
    catch_up(&primary, &repository);
    write_some(&primary, "unseen");
    fill_segments(&primary, 2);
    write_some(&primary, "unseen_too");
    standby.wait_for_replay(flush_lsn(&primary));
    primary.stop();
    standby.promote();
    write_some(&standby, "after");
    let outcome = catch_up(&standby, &repository);
    assert!(outcome.gaps.is_empty() && outcome.timeline.0 == 2, "{outcome:?}");
    assert_followed(&repository, &standby);
}

#[test]
fn what_the_old_primary_wrote_beyond_the_switch_stays_in_its_own_partial_segment() {
    let primary = TestCluster::new(MajorVersion::V16, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&primary, folder.path());
    let standby = TestCluster::standby_of(&primary);
    standby.wait_for_replay(flush_lsn(&primary));
    standby.stop();
    write_some(&primary, "only_here");
    let beyond = catch_up(&primary, &repository).durable_lsn;
    primary.crash();
    standby.start();
    standby.promote();
    write_some(&standby, "after");
    let outcome = catch_up(&standby, &repository);
    assert!(outcome.gaps.is_empty() && outcome.timeline.0 == 2, "{outcome:?}");
    let contents = archive(&repository).contents().unwrap();
    assert!(contents.timelines[&TimelineId(2)].history.as_ref().unwrap()[0].switch_lsn < beyond);
    let (old, _) = *listed(&repository).iter().rfind(|(segment, _)| segment.timeline == TimelineId(1)).unwrap();
    let mut bytes = Vec::new();
    assert_eq!(archive(&repository).read_partial(old, &mut bytes).unwrap(), beyond, "nothing was cut off");
    // The old primary is no place to receive from any more.
    standby.stop();
    primary.start();
    let (outcome, _) = try_catch_up(&primary, &repository);
    assert_eq!(outcome.unwrap_err().key(), "wal-server-behind");
}

#[test]
fn an_archive_that_begins_on_a_promoted_server_has_its_history() {
    let primary = TestCluster::new(MajorVersion::V18, &ClusterOptions::default());
    let standby = TestCluster::standby_of(&primary);
    primary.stop();
    standby.promote();
    let folder = TestFolder::new();
    let repository = repository_for(&standby, folder.path());
    write_some(&standby, "after");
    let outcome = catch_up(&standby, &repository);
    assert!(outcome.timeline.0 == 2 && outcome.gaps.is_empty());
    assert!(archive(&repository).history(TimelineId(2)).unwrap().is_some());
    assert_same_as_pg_wal(&standby, &repository);
}

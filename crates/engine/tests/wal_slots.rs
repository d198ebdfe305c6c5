//! The receiver's slot: made, dropped, lost, too full, taken by another; and the gaps that come of it.

mod wal_support;

use engine::cluster::{Connection, ConnectionSettings};
use engine::wal::{
    ReceiveOptions, SlotFinding, SlotState, StopWhen, create_slot, drop_slot, receiver_state, slot_health,
};
use pgformat::{Lsn, MajorVersion};
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions};
use wal_support::{
    Receiver, SLOT, archive, assert_no_hole, assert_same_as_pg_wal, catch_up, fill_segments, flush_lsn, listed,
    options, repository_for, try_catch_up,
};

/// Keeps no more WAL than it must: small segments, and nothing for standbys.
fn forgetful() -> ClusterOptions {
    ClusterOptions::default().wal_segment_mb(1).set("wal_keep_size", "0").set("min_wal_size", "2MB")
}

fn connect(cluster: &TestCluster) -> Connection {
    Connection::connect(&cluster.connection_settings("postgres")).unwrap()
}

/// Writes until the server has removed the segment with `lsn`.
fn forget(cluster: &TestCluster, lsn: Lsn) {
    let segment = cluster.sql(&format!("SELECT pg_walfile_name('{lsn}')"));
    for _ in 0..20 {
        fill_segments(cluster, 4);
        cluster.sql("CHECKPOINT");
        if !cluster.pg_wal().join(&segment).exists() {
            return;
        }
    }
    panic!("{segment} is still there");
}

fn as_role(cluster: &TestCluster, role: &str) -> ConnectionSettings {
    let mut settings = cluster.connection_settings("postgres");
    settings.keywords.push(("user".to_owned(), role.to_owned()));
    settings
}

#[test]
fn a_slot_is_made_looked_at_and_dropped_on_every_version() {
    for version in available_versions() {
        let cluster = TestCluster::new(version, &ClusterOptions::default());
        let mut sql = connect(&cluster);
        let absent = slot_health(&mut sql, SLOT, None).unwrap();
        assert_eq!(absent.state, SlotState::Absent);
        assert_eq!(absent.findings, [SlotFinding::SlotAbsent { slot: SLOT.to_owned() }]);
        assert!(create_slot(&mut sql, SLOT).unwrap());
        assert!(!create_slot(&mut sql, SLOT).unwrap(), "it is there already");
        fill_segments(&cluster, 2);
        let health = slot_health(&mut sql, SLOT, Some(16 << 20)).unwrap();
        assert_eq!((health.state, health.active_pid), (SlotState::Reserved, None));
        assert!(health.retained_bytes > 16 << 20, "{health:?}");
        assert_eq!(health.retained_bytes, health.server_lsn.0 - health.restart_lsn.unwrap().0);
        assert_eq!((health.safe_wal_bytes, health.max_slot_wal_keep_bytes), (None, None));
        let keys: Vec<_> = health.findings.iter().map(|finding| serde_json::to_value(finding).unwrap()).collect();
        let keys: Vec<_> = keys.iter().map(|finding| finding["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["slot-retains-too-much", "slot-unbounded"]);
        assert!(drop_slot(&mut sql, SLOT).unwrap());
        assert!(!drop_slot(&mut sql, SLOT).unwrap(), "it is gone already");
    }
}

#[test]
fn dropping_a_slot_ends_who_streams_from_it() {
    let cluster = TestCluster::new(MajorVersion::V16, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let mut receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    let health = slot_health(&mut connect(&cluster), SLOT, None).unwrap();
    assert!(health.active_pid.is_some());
    assert!(
        !health.findings.iter().any(|finding| matches!(finding, SlotFinding::SlotUsedByOther { .. })),
        "it is ours"
    );
    assert!(drop_slot(&mut connect(&cluster), SLOT).unwrap());
    assert_eq!(receiver.end().unwrap_err().key(), "cluster-connection-lost");
}

#[test]
fn a_logical_slot_of_that_name_and_an_impossible_name_are_refused() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default().set("wal_level", "logical"));
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    cluster.sql(&format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')"));
    let (outcome, _) = try_catch_up(&cluster, &repository);
    assert_eq!(outcome.unwrap_err().key(), "wal-slot-unusable");
    assert_eq!(slot_health(&mut connect(&cluster), SLOT, None).unwrap().state, SlotState::Unusable);
    assert!(!drop_slot(&mut connect(&cluster), SLOT).unwrap(), "a logical slot is none of ours");
    let named = ReceiveOptions { slot: "Not-A-Slot".to_owned(), ..options(StopWhen::CaughtUp(None)) };
    let mut receiver = Receiver::start(cluster.connection_settings("postgres"), &repository, named);
    assert_eq!(receiver.end().unwrap_err().key(), "wal-slot-unusable");
}

#[test]
fn a_dropped_slot_is_made_anew_and_nothing_is_lost_while_the_server_has_the_wal() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    drop_slot(&mut connect(&cluster), SLOT).unwrap();
    fill_segments(&cluster, 3);
    cluster.sql("CHECKPOINT");
    let (outcome, recorder) = try_catch_up(&cluster, &repository);
    assert!(outcome.unwrap().gaps.is_empty());
    assert_eq!(recorder.count("wal-slot-created"), 1);
    assert_no_hole(&repository, 1);
    assert_same_as_pg_wal(&cluster, &repository);
}

#[test]
fn a_dropped_slot_whose_wal_is_gone_leaves_a_gap_with_its_cause() {
    let cluster = TestCluster::new(MajorVersion::V17, &forgetful());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let received = catch_up(&cluster, &repository).durable_lsn;
    drop_slot(&mut connect(&cluster), SLOT).unwrap();
    forget(&cluster, received);
    let (outcome, recorder) = try_catch_up(&cluster, &repository);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.gaps.len(), recorder.count("wal-gap-found")), (1, 1), "{:?}", recorder.keys());
    let gap = &outcome.gaps[0];
    assert!(gap.from_lsn == received && gap.to_lsn > received && gap.timeline.0 == 1, "{gap:?}");
    assert_eq!(gap.cause["key"], "slot-absent");
    assert_eq!(archive(&repository).contents().unwrap().gaps, outcome.gaps);
    assert!(outcome.durable_lsn >= gap.to_lsn);
    assert_same_as_pg_wal(&cluster, &repository);
    // Nothing that the server still had is in the gap.
    let size = archive(&repository).geometry().segment_size;
    let before = cluster.sql(&format!("SELECT pg_walfile_name(pg_lsn '{}' - 1)", gap.to_lsn));
    assert!(!cluster.pg_wal().join(&before).exists(), "{before} could be had");
    assert_eq!(gap.to_lsn.0 % size.bytes(), 0);
    // The next one knows of the gap and goes on behind it.
    fill_segments(&cluster, 2);
    let next = catch_up(&cluster, &repository);
    assert!(next.gaps.is_empty() && next.segments >= 2, "{next:?}");
}

fn loses_its_wal(version: MajorVersion) {
    let options = forgetful().set("max_slot_wal_keep_size", "2MB").set("max_wal_size", "2MB");
    let cluster = TestCluster::new(version, &options);
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let received = catch_up(&cluster, &repository).durable_lsn;
    forget(&cluster, received);
    let health = slot_health(&mut connect(&cluster), SLOT, None).unwrap();
    assert_eq!(health.state, SlotState::Lost, "{health:?}");
    assert_eq!(health.max_slot_wal_keep_bytes, Some(2 << 20));
    let (outcome, recorder) = try_catch_up(&cluster, &repository);
    let outcome = outcome.unwrap();
    assert_eq!(recorder.count("wal-slot-replaced"), 1, "{:?}", recorder.keys());
    assert_eq!(outcome.gaps.len(), 1, "{version}: {outcome:?}");
    assert_eq!(outcome.gaps[0].cause["key"], "slot-lost");
    assert_ne!(slot_health(&mut connect(&cluster), SLOT, None).unwrap().state, SlotState::Lost);
    assert_same_as_pg_wal(&cluster, &repository);
}

#[test]
fn a_lost_slot_is_replaced_and_its_gap_noted_on_every_version() {
    for version in available_versions() {
        loses_its_wal(version);
    }
}

#[test]
fn a_second_receiver_of_a_repository_or_on_a_slot_is_refused() {
    let cluster = TestCluster::new(MajorVersion::V15, &ClusterOptions::default());
    let (folder, other_folder) = (TestFolder::new(), TestFolder::new());
    let repository = repository_for(&cluster, folder.path());
    let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    let (outcome, _) = try_catch_up(&cluster, &repository);
    let error = outcome.unwrap_err();
    assert_eq!(error.key(), "wal-receiver-busy");
    assert_eq!(serde_json::to_value(&error).unwrap()["pid"], std::process::id());
    let (state, alive) = receiver_state(&repository).unwrap().unwrap();
    assert!(alive && state.streaming_since.is_some() && state.slot == SLOT, "{state:?}");

    let other = repository_for(&cluster, other_folder.path());
    let (outcome, _) = try_catch_up(&cluster, &other);
    let error = outcome.unwrap_err();
    assert_eq!(error.key(), "wal-slot-busy");
    let pid = slot_health(&mut connect(&cluster), SLOT, None).unwrap().active_pid.unwrap();
    assert_eq!(serde_json::to_value(&error).unwrap()["pid"], pid);
    assert_eq!(receiver_state(&other).unwrap().map(|(_, alive)| alive), Some(false));
    receiver.stop();
}

#[test]
fn a_slot_that_holds_too_much_is_let_go_before_streaming_and_made_anew_by_the_next_receiver() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    fill_segments(&cluster, 4);
    let bounded = ReceiveOptions { max_slot_retained_bytes: Some(32 << 20), ..options(StopWhen::CaughtUp(None)) };
    let mut receiver = Receiver::start(cluster.connection_settings("postgres"), &repository, bounded.clone());
    let outcome = receiver.end().unwrap();
    assert_eq!(receiver.recorder.count("wal-slot-dropped"), 1);
    // The server still had everything, so that nothing is lost.
    assert!(outcome.gaps.is_empty() && outcome.segments >= 4, "{outcome:?}");
    assert_eq!(cluster.sql("SELECT count(*) FROM pg_replication_slots"), "0");
    let mut receiver = Receiver::start(cluster.connection_settings("postgres"), &repository, bounded);
    receiver.end().unwrap();
    assert_eq!(receiver.recorder.count("wal-slot-created"), 1);
    assert_eq!(receiver.recorder.count("wal-slot-dropped"), 0);
    assert_no_hole(&repository, 1);
}

#[test]
fn a_slot_that_was_let_go_comes_back_once_the_receiver_has_caught_up() {
    let cluster = TestCluster::new(MajorVersion::V18, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    fill_segments(&cluster, 4);
    let bounded = ReceiveOptions { max_slot_retained_bytes: Some(32 << 20), ..options(StopWhen::Never) };
    let receiver = Receiver::start(cluster.connection_settings("postgres"), &repository, bounded);
    receiver.wait_for_event("wal-slot-dropped");
    receiver.wait_for_event("wal-slot-created");
    cluster.sql("CREATE TABLE t AS SELECT 1 AS i");
    receiver.wait_for(flush_lsn(&cluster));
    cluster.wait_until("SELECT count(*) = 1 FROM pg_replication_slots WHERE active");
    assert!(receiver.stop().gaps.is_empty());
    assert_no_hole(&repository, 1);
}

#[test]
fn a_role_without_replication_is_told_which_statement_mends_it() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    cluster.sql("CREATE ROLE limitada LOGIN");
    let settings = as_role(&cluster, "limitada");
    let mut receiver = Receiver::start(settings.clone(), &repository, options(StopWhen::CaughtUp(None)));
    assert_eq!(receiver.end().unwrap_err().key(), "wal-replication-refused");
    let error = create_slot(&mut Connection::connect(&settings).unwrap(), SLOT).unwrap_err();
    let value = serde_json::to_value(&error).unwrap();
    assert_eq!(value["key"], "cluster-privilege");
    assert_eq!(value["grant"], "ALTER ROLE \"limitada\" REPLICATION;");
    // With it, nothing else is needed.
    cluster.sql("ALTER ROLE limitada REPLICATION");
    let mut receiver = Receiver::start(settings, &repository, options(StopWhen::CaughtUp(None)));
    receiver.end().unwrap();
    assert!(!listed(&repository).is_empty());
}

#[test]
fn a_server_without_room_for_another_walsender_refuses() {
    let options = ClusterOptions::default().set("max_wal_senders", "0").set("wal_level", "replica");
    let cluster = TestCluster::new(MajorVersion::V17, &options);
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let (outcome, _) = try_catch_up(&cluster, &repository);
    assert_eq!(outcome.unwrap_err().key(), "wal-replication-refused");
}

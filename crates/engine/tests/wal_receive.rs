//! Receiving WAL from real servers: what arrives is what pg_wal has, whatever is restarted in between.

mod wal_support;

use engine::Cancel;
use engine::wal::{StopWhen, receive, receiver_state};
use pgformat::{Lsn, MajorVersion};
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions, available_versions};
use vault::wal::SegmentForm;
use wal_support::{
    Receiver, SLOT, archive, assert_no_hole, assert_same_as_pg_wal, catch_up, fill_segments, flush_lsn, listed,
    options, repository_for, try_catch_up,
};

/// The most memory that this process ever had.
fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn streams_under_load(version: MajorVersion) {
    let cluster = TestCluster::new(version, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    let workload = Workload::start(&cluster, &WorkloadOptions::default());
    workload.wait_for_rounds(2);
    fill_segments(&cluster, 2);
    workload.wait_for_rounds(1);
    workload.stop();
    let end = flush_lsn(&cluster);
    receiver.wait_for(end);
    let outcome = receiver.stop();
    assert!(outcome.durable_lsn >= end && outcome.gaps.is_empty(), "{outcome:?}");
    assert_eq!(outcome.timeline.0, 1);
    assert!(assert_same_as_pg_wal(&cluster, &repository) >= 2);
    assert_eq!(
        outcome.segments,
        listed(&repository).iter().filter(|(_, form)| *form == SegmentForm::Sealed).count() as u64
    );
    assert_no_hole(&repository, 1);
    // What was acknowledged no longer holds WAL back; the last segment is still being received.
    let slot = format!("SELECT restart_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
    assert_eq!(cluster.sql(&slot), "t");
    let (state, alive) = receiver_state(&repository).unwrap().unwrap();
    assert!(!alive && state.durable_lsn == outcome.durable_lsn && state.slot == SLOT, "{state:?}");
}

#[test]
fn what_is_streamed_while_a_workload_runs_is_what_pg_wal_has_on_every_version() {
    for version in available_versions() {
        streams_under_load(version);
    }
}

#[test]
fn twenty_segments_that_the_server_has_already_arrive_sealed_at_once() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    fill_segments(&cluster, 20);
    let (outcome, recorder) = try_catch_up(&cluster, &repository);
    let outcome = outcome.unwrap();
    assert!(outcome.segments >= 20, "{outcome:?}");
    assert_eq!(outcome.segments as usize, recorder.count("wal-segment-archived"));
    assert!(outcome.durable_lsn >= flush_lsn(&cluster));
    assert!(assert_same_as_pg_wal(&cluster, &repository) >= 20);
    assert_no_hole(&repository, 1);
    // A megabyte's worth of segments in flight, whatever their number.
    assert!(peak_memory_bytes() < 64 << 20, "{} bytes", peak_memory_bytes());
    let partial = listed(&repository).iter().filter(|(_, form)| *form == SegmentForm::Partial).count();
    assert!(partial <= 1, "only the last one may be partial");
}

#[test]
fn a_receiver_goes_on_within_a_partial_segment_and_repeats_nothing_that_is_sealed() {
    let cluster = TestCluster::new(MajorVersion::V16, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let mut ends = Vec::new();
    for round in 0..4 {
        cluster.sql(&format!("CREATE TABLE t{round} AS SELECT generate_series(1, 1000) AS i"));
        ends.push(catch_up(&cluster, &repository).durable_lsn);
        assert_eq!(listed(&repository).len(), 1, "one partial segment");
        assert_same_as_pg_wal(&cluster, &repository);
    }
    assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
    fill_segments(&cluster, 1);
    let outcome = catch_up(&cluster, &repository);
    assert_eq!(outcome.segments, 1);
    assert_eq!(assert_same_as_pg_wal(&cluster, &repository), 1);
}

#[test]
fn a_receiver_that_has_caught_up_is_content_at_once() {
    let cluster = TestCluster::new(MajorVersion::V14, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let first = catch_up(&cluster, &repository);
    let second = catch_up(&cluster, &repository);
    assert!(second.durable_lsn >= first.durable_lsn && second.segments == 0 && second.gaps.is_empty());
    let target = Lsn(first.durable_lsn.0 - 64);
    let mut third = Receiver::of(&cluster, &repository, StopWhen::CaughtUp(Some(target)));
    assert!(third.end().unwrap().durable_lsn >= target);
}

#[test]
fn segments_of_one_and_of_sixty_four_megabytes_are_received() {
    for megabytes in [1, 64] {
        let options = ClusterOptions::default().wal_segment_mb(megabytes).set("max_wal_size", "512MB");
        let cluster = TestCluster::new(MajorVersion::V18, &options);
        let folder = TestFolder::new();
        let repository = repository_for(&cluster, folder.path());
        let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
        receiver.wait_for_event("wal-streaming");
        cluster.sql("CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 50000) AS i");
        fill_segments(&cluster, 3);
        receiver.wait_for(flush_lsn(&cluster));
        receiver.stop();
        assert!(assert_same_as_pg_wal(&cluster, &repository) >= 3, "{megabytes} MB");
        assert_eq!(archive(&repository).geometry().segment_size.bytes(), u64::from(megabytes) << 20);
    }
}

#[test]
fn a_partial_segment_that_was_whole_when_its_receiver_died_is_sealed_by_the_next() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    fill_segments(&cluster, 1);
    // As a receiver leaves it that dies between the last byte and the sealing.
    let (segment, _) = listed(&repository)[0];
    let size = archive(&repository).geometry().segment_size;
    let bytes = std::fs::read(cluster.pg_wal().join(segment.file_name(size))).unwrap();
    let mut partial = archive(&repository).open_partial(segment).unwrap();
    partial.write(segment.start_lsn(size), &bytes).unwrap();
    partial.sync().unwrap();
    drop(partial);
    let outcome = catch_up(&cluster, &repository);
    assert_eq!(outcome.segments, 1);
    assert!(listed(&repository).contains(&(segment, SegmentForm::Sealed)));
    assert_same_as_pg_wal(&cluster, &repository);
    assert_no_hole(&repository, 1);
}

#[test]
fn what_a_torn_write_left_in_a_partial_segment_is_written_over() {
    let cluster = TestCluster::new(MajorVersion::V15, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let before = catch_up(&cluster, &repository).durable_lsn;
    let (segment, _) = listed(&repository)[0];
    let mut partial = archive(&repository).open_partial(segment).unwrap();
    let end = partial.file_end();
    partial.write(end, &[0xA5; 5000]).unwrap();
    drop(partial);
    cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 5000) AS i");
    let outcome = catch_up(&cluster, &repository);
    assert!(outcome.durable_lsn > before && outcome.gaps.is_empty());
    assert_same_as_pg_wal(&cluster, &repository);
}

#[test]
fn a_server_that_was_set_back_is_refused_and_nothing_is_overwritten() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    cluster.stop();
    let copy = folder.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").arg(cluster.data_directory()).arg(&copy).status().unwrap();
    assert!(copied.success());
    cluster.start();
    cluster.sql("CREATE TABLE first AS SELECT generate_series(1, 20000) AS i");
    let received = catch_up(&cluster, &repository).durable_lsn;
    let before = listed(&repository);
    cluster.stop();
    std::fs::remove_dir_all(cluster.data_directory()).unwrap();
    std::fs::rename(&copy, cluster.data_directory()).unwrap();
    cluster.start();
    let (outcome, _) = try_catch_up(&cluster, &repository);
    assert_eq!(outcome.unwrap_err().key(), "wal-server-behind");
    // Once it has written more than it had, its WAL differs.
    cluster.sql("CREATE TABLE second AS SELECT generate_series(1, 40000) AS i");
    assert!(flush_lsn(&cluster) > received);
    let (outcome, _) = try_catch_up(&cluster, &repository);
    assert_eq!(outcome.unwrap_err().key(), "wal-stream-invalid");
    assert_eq!(listed(&repository), before);
}

#[test]
fn live_segments_that_come_faster_than_they_are_sealed_need_little_memory() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    cluster.sql("CREATE TABLE t AS SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 120000) AS i");
    receiver.wait_for(flush_lsn(&cluster));
    let outcome = receiver.stop();
    assert!(outcome.segments >= 7, "{outcome:?}");
    assert!(peak_memory_bytes() < 64 << 20, "{} bytes", peak_memory_bytes());
    assert_same_as_pg_wal(&cluster, &repository);
}

#[test]
fn a_server_that_shows_no_sign_of_life_is_given_up_and_received_from_again_later() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let mut receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    let pid = cluster.sql("SELECT active_pid FROM pg_replication_slots");
    let signal = |name: &str| std::process::Command::new("kill").args([name, &pid]).status().unwrap().success();
    assert!(signal("-STOP"));
    let error = receiver.end().unwrap_err();
    assert!(signal("-CONT"));
    assert_eq!(error.key(), "wal-stream-silent");
    cluster.sql("CREATE TABLE t AS SELECT 1 AS i");
    assert!(catch_up(&cluster, &repository).gaps.is_empty());
    assert_same_as_pg_wal(&cluster, &repository);
}

#[test]
fn cancelling_is_no_error_even_before_the_server_is_reached() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let cancel = Cancel::new();
    cancel.cancel();
    let recorder = wal_support::Recorder::default();
    let settings = cluster.connection_settings("postgres");
    let outcome = receive(&settings, &repository, &options(StopWhen::Never), &recorder, &cancel).unwrap();
    assert_eq!(outcome.segments, 0);
    assert!(recorder.keys().is_empty());
}

#[test]
fn the_server_may_stop_and_start_under_a_receiver() {
    let cluster = TestCluster::new(MajorVersion::V18, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let mut receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS i");
    cluster.stop();
    // A server that stops sends everything first, the checkpoint of its shutdown among it.
    assert_eq!(receiver.end().unwrap_err().key(), "cluster-connection-lost");
    assert_same_as_pg_wal(&cluster, &repository);
    cluster.start();
    catch_up(&cluster, &repository);
    assert_same_as_pg_wal(&cluster, &repository);
    assert_no_hole(&repository, 1);
}

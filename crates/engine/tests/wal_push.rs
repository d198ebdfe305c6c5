//! archive_command's side: files of pg_wal, in any order, repeated, beside a receiver, and of another cluster.

mod wal_support;

use engine::wal::{PushOptions, PushOutcome, StopWhen, push};
use pgformat::{MajorVersion, TimelineId};
use std::path::{Path, PathBuf};
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions};
use vault::repository::Repository;
use vault::wal::{SealOutcome, SegmentForm};
use wal_support::{
    Receiver, archive, assert_no_hole, assert_same_as_pg_wal, catch_up, fill_segments, flush_lsn, listed,
    repository_for,
};

const NEW: PushOutcome = PushOutcome::Wal(SealOutcome::Archived);
const OPTIONS: PushOptions<'static> = PushOptions { level: 1, jobs: 1, ahead: 0, tool_version: "test" };
const KNOWN: PushOutcome = PushOutcome::Wal(SealOutcome::AlreadyThere);

fn pushed(repository: &Repository, file: &Path) -> PushOutcome {
    push(repository, file, &OPTIONS).unwrap_or_else(|error| panic!("{}: {error}", file.display())).outcome
}

fn push_error(repository: &Repository, file: &Path) -> String {
    push(repository, file, &OPTIONS).unwrap_err().key()
}

/// The segments that are whole, the oldest first.
fn whole_segments(cluster: &TestCluster) -> Vec<PathBuf> {
    let sql = "SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' \
        AND name < pg_walfile_name(pg_current_wal_insert_lsn()) ORDER BY name";
    cluster.sql(sql).lines().map(|name| cluster.pg_wal().join(name)).collect()
}

#[test]
fn whole_segments_are_archived_once_with_their_own_geometry_on_every_version() {
    for (version, megabytes) in available_versions().into_iter().zip([1, 16, 64, 4, 2]) {
        let options = ClusterOptions::default().wal_segment_mb(megabytes).set("max_wal_size", "512MB");
        let cluster = TestCluster::new(version, &options);
        let folder = TestFolder::new();
        let repository = repository_for(&cluster, folder.path());
        fill_segments(&cluster, 2);
        let files = whole_segments(&cluster);
        assert!(files.len() >= 2);
        for file in files.iter().rev() {
            assert_eq!(pushed(&repository, file), NEW);
            assert_eq!(pushed(&repository, file), KNOWN);
        }
        assert_eq!(assert_same_as_pg_wal(&cluster, &repository), files.len());
        let geometry = *archive(&repository).geometry();
        assert_eq!((geometry.version, geometry.segment_size.bytes()), (version, u64::from(megabytes) << 20));
        assert_eq!(geometry.system_identifier, cluster.system_identifier());
    }
}

#[test]
fn what_is_no_wal_or_not_ours_is_refused_by_its_kind() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default().wal_segment_mb(1));
    let other = TestCluster::new(MajorVersion::V17, &ClusterOptions::default().wal_segment_mb(1));
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, &folder.path().join("repository"));
    fill_segments(&cluster, 1);
    fill_segments(&other, 1);
    let (ours, theirs) = (&whole_segments(&cluster)[0], &whole_segments(&other)[0]);
    assert_eq!(push_error(&repository, theirs), "wal-foreign");
    assert_eq!(push_error(&repository, &cluster.pg_wal().join("archive_status")), "wal-file-name");
    assert_eq!(push_error(&repository, &cluster.pg_wal().join("0000000100000000000000FF")), "wal-file");
    let copy = folder.path().join("000000010000000000000001");
    let mut bytes = std::fs::read(ours).unwrap();
    std::fs::write(&copy, &bytes[..20]).unwrap();
    assert_eq!(push_error(&repository, &copy), "wal-invalid");
    std::fs::write(&copy, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(push_error(&repository, &copy), "wal-invalid");
    bytes[9000] ^= 1;
    std::fs::write(&copy, &bytes).unwrap();
    assert_eq!(push_error(&repository, &copy), "wal-invalid");
    // Right bytes under a wrong name.
    let renamed = folder.path().join("000000010000000000000009");
    std::fs::copy(ours, &renamed).unwrap();
    assert_eq!(push_error(&repository, &renamed), "wal-invalid");
    let backup = folder.path().join("000000010000000000000007.00000028.backup");
    assert_eq!(pushed(&repository, &backup), PushOutcome::NotNeeded);
    assert_eq!(pushed(&repository, ours), NEW);
    assert_eq!(listed(&repository).len(), 1);
}

#[test]
fn a_promotions_files_are_archived_even_when_the_history_comes_first() {
    let primary = TestCluster::new(MajorVersion::V16, &ClusterOptions::default());
    let standby = TestCluster::standby_of(&primary);
    standby.wait_for_replay(flush_lsn(&primary));
    primary.stop();
    standby.reconfigure(&[("archive_mode", "on"), ("archive_command", "false")]);
    standby.promote();
    standby.wait_until("SELECT count(*) = 1 FROM pg_ls_dir('pg_wal') AS name WHERE name LIKE '%.partial'");
    let folder = TestFolder::new();
    let repository = repository_for(&standby, folder.path());
    let history = standby.pg_wal().join("00000002.history");
    assert_eq!(pushed(&repository, &history), NEW);
    assert_eq!(pushed(&repository, &history), KNOWN);
    let partial = standby.sql("SELECT name FROM pg_ls_dir('pg_wal') AS name WHERE name LIKE '%.partial'");
    assert_eq!(pushed(&repository, &standby.pg_wal().join(&partial)), NEW);
    assert_eq!(pushed(&repository, &standby.pg_wal().join(&partial)), KNOWN);
    let contents = archive(&repository).contents().unwrap();
    assert_eq!(contents.timelines[&TimelineId(2)].history.as_ref().unwrap().len(), 1);
    assert_eq!(listed(&repository)[0].1, SegmentForm::Partial);
    // A receiver goes on from there.
    standby.sql("CREATE TABLE t AS SELECT 1 AS i");
    let outcome = catch_up(&standby, &repository);
    assert!(outcome.gaps.is_empty() && outcome.timeline.0 == 2, "{outcome:?}");
    assert_same_as_pg_wal(&standby, &repository);
}

#[test]
fn a_receiver_and_an_archiver_may_feed_one_archive_at_once() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default().wal_segment_mb(1));
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    for _ in 0..10 {
        fill_segments(&cluster, 3);
        for file in whole_segments(&cluster) {
            pushed(&repository, &file);
        }
    }
    receiver.wait_for(flush_lsn(&cluster));
    let outcome = receiver.stop();
    assert!(outcome.gaps.is_empty());
    assert!(assert_same_as_pg_wal(&cluster, &repository) >= 30);
    assert_no_hole(&repository, 1);
}

#[test]
fn a_hole_that_an_archiver_left_is_filled_by_the_receiver() {
    let cluster = TestCluster::new(MajorVersion::V18, &ClusterOptions::default().wal_segment_mb(1));
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    catch_up(&cluster, &repository);
    fill_segments(&cluster, 8);
    let files = whole_segments(&cluster);
    for file in &files[files.len() - 3..] {
        assert_eq!(pushed(&repository, file), NEW);
    }
    let outcome = catch_up(&cluster, &repository);
    assert!(outcome.gaps.is_empty());
    assert_no_hole(&repository, 1);
    assert_same_as_pg_wal(&cluster, &repository);
}

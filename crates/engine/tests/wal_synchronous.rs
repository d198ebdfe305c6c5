//! The receiver as a synchronous standby: what a client was told is committed is in the archive, whatever befalls the server.

mod wal_support;

use engine::wal::StopWhen;
use pgformat::wal::{SegmentSummarizer, WalFact};
use pgformat::{FormatError, Lsn, MajorVersion};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use testkit::{ClusterOptions, TestCluster, TestFolder, available_versions};
use vault::repository::Repository;
use vault::wal::SegmentForm;
use wal_support::{Receiver, archive, assert_no_hole, listed, repository_for};

/// The ends of all commits in the archive.
fn archived_commits(repository: &Repository) -> Vec<Lsn> {
    let archive = archive(repository);
    let mut commits = Vec::new();
    let mut bytes = Vec::new();
    for (segment, form) in listed(repository) {
        let start = segment.start_lsn(archive.geometry().segment_size);
        let end = match form {
            SegmentForm::Sealed => {
                archive.read_sealed(segment, &mut bytes).unwrap();
                segment.end_lsn(archive.geometry().segment_size)
            }
            SegmentForm::Partial => archive.read_partial(segment, &mut bytes).unwrap(),
        };
        let mut summarizer = SegmentSummarizer::new(*archive.geometry(), segment);
        let valid = &bytes[..(end.0 - start.0) as usize];
        let each = &mut |record: &pgformat::wal::WalRecord<'_>, fact: Option<&WalFact>| {
            if matches!(fact, Some(WalFact::Commit { .. })) {
                commits.push(record.end_lsn);
            }
            Ok(())
        };
        summarizer.feed::<FormatError>(valid, each).unwrap();
    }
    commits
}

fn survives_a_crash(version: MajorVersion) {
    let cluster = TestCluster::new(version, &ClusterOptions::default().set("synchronous_standby_names", "cadena"));
    let folder = TestFolder::new();
    // Nobody would confirm what is written before the receiver runs.
    let repository = repository_for(&cluster, folder.path());
    let mut receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    cluster.wait_until("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
    cluster.sql("CREATE TABLE t (writer int, number int)");

    // Each writer notes, once its commit was confirmed, where the WAL was that it had written at least.
    let confirmed = Arc::new(Mutex::new(Vec::<Lsn>::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (confirmed, stop, mut session) =
                (Arc::clone(&confirmed), Arc::clone(&stop), cluster.session("postgres"));
            session.run("SET synchronous_commit = remote_apply").unwrap();
            std::thread::spawn(move || {
                for number in 0.. {
                    let before = session.run("SELECT pg_current_wal_insert_lsn()");
                    let insert = format!("INSERT INTO t VALUES ({writer}, {number})");
                    let (Ok(before), Ok(_)) = (before, session.run(&insert)) else { return };
                    confirmed.lock().unwrap().push(before.parse().unwrap());
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
        })
        .collect();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while confirmed.lock().unwrap().len() < 200 {
        assert!(std::time::Instant::now() < deadline, "commits are not confirmed");
        std::thread::yield_now();
    }
    cluster.crash();
    stop.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert!(receiver.end().is_err());

    let commits = archived_commits(&repository);
    let confirmed = confirmed.lock().unwrap();
    assert!(confirmed.len() >= 200);
    // Each confirmed commit ends after the address that its writer saw before: so many commits must be archived after each.
    let mut seen: Vec<Lsn> = confirmed.clone();
    seen.sort_unstable();
    for (index, before) in seen.iter().enumerate() {
        let later = commits.iter().filter(|end| *end > before).count();
        assert!(
            later >= seen.len() - index,
            "{version}: {later} commits after {before}, {} confirmed",
            seen.len() - index
        );
    }

    // The server comes back; a receiver must run before anything can be committed. All rows that were confirmed are there.
    cluster.start();
    let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    receiver.wait_for_event("wal-streaming");
    cluster.sql("INSERT INTO t VALUES (-1, -1)");
    let rows: usize = cluster.sql_scalar("SELECT count(*) FROM t WHERE writer >= 0");
    assert!(rows >= confirmed.len(), "{rows} rows, {} confirmed", confirmed.len());
    receiver.stop();
    assert_no_hole(&repository, 1);
}

#[test]
fn every_commit_that_was_confirmed_is_archived_when_the_server_crashes_on_every_version() {
    for version in available_versions() {
        survives_a_crash(version);
    }
}

#[test]
fn a_commit_waits_while_nobody_receives_and_ends_when_somebody_does() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default());
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    cluster.sql("CREATE TABLE t (i int)");
    cluster.reconfigure(&[("synchronous_standby_names", "cadena")]);
    let mut session = cluster.session("postgres");
    let writer = std::thread::spawn(move || session.run("INSERT INTO t VALUES (1)").unwrap());
    cluster.wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    let receiver = Receiver::of(&cluster, &repository, StopWhen::Never);
    writer.join().unwrap();
    receiver.stop();
}

//! Changed blocks when something is missing, damaged or was not logged: the truth, or the reason why it can't be told.

mod changes_support;
mod wal_support;

use changes_support::{
    ask, assert_same, checkpoint, forget_summaries, geometry, known, last_checkpoint, range, summaries, unknown,
};
use engine::wal::{ChangeRange, ChangesUnknown, PushOptions, push};
use pgformat::block_reference::SummaryFileName;
use pgformat::wal::WalGeometry;
use pgformat::{Lsn, MajorVersion, WalSegment};
use std::path::Path;
use testkit::{ClusterOptions, TestCluster, TestFolder, own_program};
use vault::repository::Repository;
use wal_support::{catch_up, fill_segments, repository_for};

/// A repository that has all WAL of a range of some segments of 1 MB, and their summaries.
struct Received {
    cluster: TestCluster,
    folder: TestFolder,
    elsewhere: TestFolder,
    repository: Repository,
    geometry: WalGeometry,
    range: ChangeRange,
}

impl Received {
    fn new(version: MajorVersion) -> Self {
        let cluster = TestCluster::new(version, &ClusterOptions::default().wal_segment_mb(1));
        let folder = TestFolder::new();
        let repository = repository_for(&cluster, folder.path());
        catch_up(&cluster, &repository);
        let from = checkpoint(&cluster);
        cluster.sql("CREATE TABLE t AS SELECT g AS a, repeat('x', 200) AS b FROM generate_series(1, 20000) g");
        cluster.sql("UPDATE t SET a = a + 1 WHERE a % 3 = 0");
        let to = checkpoint(&cluster);
        fill_segments(&cluster, 1);
        catch_up(&cluster, &repository);
        let (geometry, range) = (geometry(&cluster), range(from, to));
        Received { cluster, folder, elsewhere: TestFolder::new(), repository, geometry, range }
    }

    /// Asks without the server's pg_wal.
    fn ask(&self) -> engine::wal::ChangeAnswer {
        ask(&self.repository, self.geometry, &self.range, self.elsewhere.path())
    }

    fn ask_server_too(&self) -> engine::wal::ChangeAnswer {
        ask(&self.repository, self.geometry, &self.range, self.cluster.data_directory())
    }

    /// A segment in the middle of the range.
    fn middle(&self) -> WalSegment {
        let at = Lsn(self.range.from_lsn.0.midpoint(self.range.to_lsn.0));
        WalSegment::containing(self.range.to_timeline, at, self.geometry.segment_size)
    }

    fn name(&self, segment: WalSegment) -> String {
        segment.file_name(self.geometry.segment_size)
    }

    fn summary_of(&self, segment: WalSegment) -> String {
        let size = self.geometry.segment_size;
        let (start_lsn, end_lsn) = (segment.start_lsn(size), segment.end_lsn(size));
        SummaryFileName { timeline: segment.timeline, start_lsn, end_lsn }.to_string()
    }

    fn sealed(&self, segment: WalSegment) -> std::path::PathBuf {
        self.folder.path().join(format!("wal/{:08X}/{}.zst", segment.timeline.0, self.name(segment)))
    }
}

#[test]
fn damaged_summaries_are_made_anew() {
    let received = Received::new(MajorVersion::V15);
    let (expected, detail) = known(received.ask());
    assert!(detail.summaries >= 4, "{detail:?}");
    let made = summaries(received.folder.path());
    let middle = received.middle();
    let path = |segment| received.folder.path().join("wal/summaries").join(received.summary_of(segment));
    let damage = |segment, change: fn(&mut Vec<u8>)| {
        let mut bytes = std::fs::read(path(segment)).unwrap();
        change(&mut bytes);
        std::fs::write(path(segment), bytes).unwrap();
    };
    damage(middle, |bytes| bytes.truncate(bytes.len() / 2));
    damage(middle.next(), |bytes| {
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
    });
    damage(middle.next().next(), Vec::clear);
    let (table, detail) = known(received.ask());
    assert_same("mended", &table, &expected);
    assert_eq!((detail.mended_summaries, detail.server_segments), (3, 0), "{detail:?}");
    assert_eq!(summaries(received.folder.path()), made, "every file is again what it was");
    assert_eq!(known(received.ask()).1.mended_summaries, 0);
}

#[test]
fn a_missing_segment_is_named_unless_its_summary_or_the_server_has_it() {
    let received = Received::new(MajorVersion::V16);
    let (expected, _) = known(received.ask());
    let middle = received.middle();
    std::fs::remove_file(received.sealed(middle)).unwrap();
    let (table, _) = known(received.ask());
    assert_same("by its summary", &table, &expected);
    forget_summaries(received.folder.path());
    let missing = ChangesUnknown::ChangesWalMissing { segment: received.name(middle) };
    assert_eq!(unknown(received.ask()), missing);
    let (table, detail) = known(received.ask_server_too());
    assert_same("with the server", &table, &expected);
    assert_eq!(detail.server_segments, 1, "{detail:?}");
    // Nothing is remembered of what is not archived.
    assert!(!summaries(received.folder.path()).contains_key(&received.summary_of(middle)));
}

#[test]
fn a_damaged_segment_is_named_unless_the_server_has_it() {
    let received = Received::new(MajorVersion::V18);
    let (expected, _) = known(received.ask());
    forget_summaries(received.folder.path());
    let middle = received.middle();
    let mut bytes = std::fs::read(received.sealed(middle)).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(received.sealed(middle), bytes).unwrap();
    match unknown(received.ask()) {
        ChangesUnknown::ChangesWalDamaged { segment, detail } => {
            assert!(segment == received.name(middle) && detail.contains("checksum"), "{segment} {detail}");
        }
        other => panic!("{other:?}"),
    }
    let (table, detail) = known(received.ask_server_too());
    assert_same("with the server", &table, &expected);
    assert_eq!(detail.server_segments, 1, "{detail:?}");
}

#[test]
fn the_torn_end_of_a_partial_segment_is_read_from_the_server() {
    let received = Received::new(MajorVersion::V17);
    let cluster = &received.cluster;
    cluster.sql("UPDATE t SET a = a + 1 WHERE a < 100");
    let to = checkpoint(cluster);
    catch_up(cluster, &received.repository);
    let range = ChangeRange { to_lsn: to.1, ..received.range };
    let (expected, detail) = known(ask(&received.repository, received.geometry, &range, received.elsewhere.path()));
    assert!(detail.archived_segments >= 1 && detail.server_segments == 0, "{detail:?}");
    let size = received.geometry.segment_size;
    let last = WalSegment::containing(to.0, to.1, size);
    let partial = received.sealed(last).with_extension("partial");
    let mut bytes = std::fs::read(&partial).unwrap();
    let within = ((to.1.0 - last.start_lsn(size).0) / 2) as usize;
    bytes[within..].fill(0);
    std::fs::write(&partial, bytes).unwrap();
    let torn = ask(&received.repository, received.geometry, &range, received.elsewhere.path());
    assert!(
        matches!(unknown(torn), ChangesUnknown::ChangesWalDamaged { segment, .. } if segment == received.name(last))
    );
    let (table, detail) = known(ask(&received.repository, received.geometry, &range, cluster.data_directory()));
    assert_same("with the server", &table, &expected);
    assert_eq!(detail.server_segments, 1, "{detail:?}");
}

#[test]
fn summaries_that_cant_be_kept_stop_neither_the_receiver_nor_the_answer() {
    let cluster = TestCluster::new(MajorVersion::V17, &ClusterOptions::default().wal_segment_mb(1));
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    std::fs::create_dir_all(folder.path().join("wal")).unwrap();
    // No folder can be made where a file is.
    std::fs::write(folder.path().join("wal/summaries"), "in the way").unwrap();
    catch_up(&cluster, &repository);
    let from = checkpoint(&cluster);
    cluster.sql("CREATE TABLE t AS SELECT g AS a, repeat('x', 200) AS b FROM generate_series(1, 10000) g");
    let to = checkpoint(&cluster);
    fill_segments(&cluster, 1);
    let outcome = catch_up(&cluster, &repository);
    assert!(outcome.segments > 2, "{outcome:?}");
    let elsewhere = TestFolder::new();
    let (geometry, range) = (geometry(&cluster), range(from, to));
    let (table, _) = known(ask(&repository, geometry, &range, elsewhere.path()));
    std::fs::remove_file(folder.path().join("wal/summaries")).unwrap();
    let (again, detail) = known(ask(&repository, geometry, &range, elsewhere.path()));
    assert_eq!(detail.summaries, 0);
    assert_same("with and without room for summaries", &again, &table);
}

/// Archives every whole segment that the server has, as its archive_command would.
fn push_all(cluster: &TestCluster, repository: &Repository, geometry: WalGeometry, up_to: Lsn) {
    let options = PushOptions { level: 1, jobs: 1, ahead: 0, tool_version: "test" };
    let mut names: Vec<_> = std::fs::read_dir(cluster.pg_wal()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap();
        let Ok(segment) = WalSegment::parse(name, geometry.segment_size) else { continue };
        if segment.end_lsn(geometry.segment_size) <= up_to {
            push(repository, &path, &options).unwrap_or_else(|error| panic!("{name}: {} {error}", error.key()));
        }
    }
}

testkit::on_each_version!(an_interlude_that_is_not_logged_is_found_out, |version| {
    let cluster = TestCluster::new(version, &ClusterOptions::default().wal_segment_mb(1));
    let folder = TestFolder::new();
    let repository = repository_for(&cluster, folder.path());
    let before = checkpoint(&cluster);
    fill_segments(&cluster, 2);
    cluster.stop();
    cluster.start_with(&[("wal_level", "minimal"), ("max_wal_senders", "0")]);
    cluster.sql("BEGIN; CREATE TABLE t (a int); COPY t FROM PROGRAM 'seq 1 1000'; COMMIT");
    cluster.restart();
    let after = checkpoint(&cluster);
    fill_segments(&cluster, 2);
    let later = checkpoint(&cluster);
    let (geometry, over) = (geometry(&cluster), range(before, later));
    let is_minimal = |answer| match unknown(answer) {
        ChangesUnknown::ChangesWalLevelMinimal { lsn } => assert!(before.1 < lsn && lsn < after.1, "{lsn}"),
        other => panic!("{other:?}"),
    };
    is_minimal(ask(&repository, geometry, &over, cluster.data_directory()));
    push_all(&cluster, &repository, geometry, later.1);
    // Also the second time: no summary hides it.
    for _ in 0..2 {
        is_minimal(ask(&repository, geometry, &over, cluster.data_directory()));
    }
    assert!(!summaries(folder.path()).is_empty(), "of what was before");
    known(ask(&repository, geometry, &range(after, later), cluster.data_directory()));
});

#[test]
fn a_log_that_was_reset_has_no_known_changes() {
    for version in MajorVersion::ALL {
        let Some(program) = own_program(version, "pg_resetwal") else { continue };
        let cluster = TestCluster::new(version, &ClusterOptions::default().wal_segment_mb(1));
        let folder = TestFolder::new();
        let repository = repository_for(&cluster, folder.path());
        catch_up(&cluster, &repository);
        let before = checkpoint(&cluster);
        fill_segments(&cluster, 2);
        catch_up(&cluster, &repository);
        cluster.stop();
        let reset = cluster.owner().command(&program).arg("-f").arg(cluster.data_directory()).output().unwrap();
        assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
        cluster.start();
        let at_start = last_checkpoint(&cluster);
        fill_segments(&cluster, 1);
        let after = checkpoint(&cluster);
        let geometry = geometry(&cluster);
        for range in [range(before, after), range(at_start, after)] {
            let said = unknown(ask(&repository, geometry, &range, cluster.data_directory()));
            let about_wal =
                matches!(said, ChangesUnknown::ChangesWalMissing { .. } | ChangesUnknown::ChangesWalDamaged { .. });
            assert!(about_wal, "{version}: {said:?}");
        }
        // What is after it is known again.
        let (geometry, later) = (geometry, checkpoint(&cluster));
        known(ask(&repository, geometry, &range(after, later), cluster.data_directory()));
    }
}

#[test]
fn a_range_that_can_not_be_is_refused_with_its_reason() {
    let received = Received::new(MajorVersion::V14);
    let ChangeRange { from_lsn, to_lsn, .. } = received.range;
    let asked = |range: &ChangeRange, data: &Path| unknown(ask(&received.repository, received.geometry, range, data));
    let elsewhere = received.elsewhere.path();
    let backwards = ChangeRange { from_lsn: to_lsn, to_lsn: from_lsn, ..received.range };
    let said = asked(&backwards, elsewhere);
    assert_eq!(said, ChangesUnknown::ChangesBaseLater { from_lsn: to_lsn, to_lsn: from_lsn });
    assert!(said.is_about_base());
    let timeline = pgformat::TimelineId(7);
    let of_nowhere = ChangeRange { to_timeline: timeline, ..received.range };
    assert_eq!(asked(&of_nowhere, elsewhere), ChangesUnknown::ChangesHistoryMissing { timeline });
    // A log that goes on in the air.
    let beyond = ChangeRange { to_lsn: Lsn(to_lsn.0 + (64 << 20)), ..received.range };
    let said = asked(&beyond, received.cluster.data_directory());
    assert!(matches!(said, ChangesUnknown::ChangesWalMissing { .. } | ChangesUnknown::ChangesWalDamaged { .. }));
    // An address at which no record begins: the summary of its whole segment tells more than enough.
    let amid = ChangeRange { from_lsn: Lsn(from_lsn.0 + 4), ..received.range };
    let (whole, _) = known(received.ask());
    let (more, _) = known(ask(&received.repository, received.geometry, &amid, elsewhere));
    for (key, entry) in whole.entries() {
        let other = more.entry(key.locator, key.fork).unwrap();
        assert!(entry.blocks().all(|block| other.contains(block)), "{key:?}");
    }
    forget_summaries(received.folder.path());
    assert!(matches!(asked(&amid, elsewhere), ChangesUnknown::ChangesWalDamaged { .. }));
}

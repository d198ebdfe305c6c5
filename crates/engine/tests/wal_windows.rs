//! The windows of real servers: where they begin and end, what interrupts them, and that their edges can be restored.

mod point_support;

use engine::restore::{RecoveryRequest, RecoveryTarget, TimelineChoice};
use engine::wal::{CaughtUp, ReceiverState, RestorableWindows, windows};
use jiff::Timestamp;
use pgformat::{Lsn, MajorVersion, TimelineId, WalSegment};
use point_support::*;
use testkit::is_available;
use vault::storage::LockAttempt;

fn found(world: &World) -> RestorableWindows {
    windows(&world.repository).unwrap()
}

testkit::on_each_version!(a_window_reaches_from_the_first_backup_to_the_end_of_what_is_archived, |version| {
    let world = World::archiving(version);
    let source = &world.source;
    assert!(found(&world).windows.is_empty());
    let alone = world.back_up();
    assert_eq!(found(&world).isolated_backups, [alone.id]);
    let first = tick(source);
    source.sql("SELECT pg_create_restore_point('in_it')");
    world.archive();
    let second = world.back_up();
    tick(source);
    let last = tick(source);
    world.archive();

    let all = found(&world);
    assert!(all.gaps.is_empty() && all.isolated_backups.is_empty() && all.findings.is_empty(), "{version}: {all:?}");
    let [window] = all.windows.as_slice() else { panic!("{version}: {all:?}") };
    assert_eq!((window.timeline, window.first_backup), (TimelineId(1), alone.id));
    assert_eq!(window.backups, [alone.id, second.id]);
    assert_eq!(Some(window.first_lsn), alone.stop_lsn);
    assert!(window.first_time <= first.committed_at, "{version}");
    assert_eq!((window.last_commit_time, window.last_time), (Some(last.committed_at), last.committed_at));
    let points: Vec<&str> = window.restore_points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!(points, ["in_it"]);
    // Both edges can be had, and what is beyond them can't.
    for (time, reachable) in [
        (window.first_time, true),
        (window.first_time - micros(1), false),
        (window.last_time, true),
        (window.last_time + micros(1), false),
    ] {
        assert_eq!(world.plan("data", at(time)).is_ok(), reachable, "{version} {time}");
    }
    let end = |lsn: Lsn| world.plan("data", to(RecoveryTarget::Lsn(lsn))).is_ok();
    assert!(end(window.first_lsn) && end(window.last_lsn) && !end(Lsn(window.last_lsn.0 + 48)), "{version}");
    assert!(!end(Lsn(window.first_lsn.0 - 1)));
});

#[test]
fn a_damaged_archive_is_told_and_hides_no_window_but_its_own() {
    let version = MajorVersion::V17;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let first = world.back_up();
    tick(&world.source);
    world.archive();
    let second = world.back_up();
    tick(&world.source);
    world.archive();
    // Without these segments in the archive, the backup's own are needed, and so the backup's archive is.
    let (size, timeline) = (first.wal_segment_size.unwrap(), first.timeline.unwrap());
    let numbered = |lsn: Lsn| WalSegment::containing(timeline, lsn, size).number;
    let storage = world.repository.storage().describe();
    for number in numbered(first.start_lsn.unwrap())..=numbered(Lsn(first.stop_lsn.unwrap().0 - 1)) {
        let name = WalSegment { timeline, number }.file_name(size);
        std::fs::remove_file(format!("{storage}/wal/{:08X}/{name}.zst", timeline.0)).unwrap();
    }
    assert_eq!(found(&world).windows.len(), 1, "the backup stands on its own");
    let archive = std::path::Path::new(&storage).join("full").join(&first.archive_name);
    std::fs::write(&archive, vec![0; std::fs::metadata(&archive).unwrap().len() as usize]).unwrap();

    let all = found(&world);
    let told: Vec<_> = all.findings.iter().map(|finding| (finding["key"].as_str(), finding["id"].as_str())).collect();
    assert_eq!(told, [(Some("window-backup-broken"), Some(first.id.to_string().as_str()))]);
    let [window] = all.windows.as_slice() else { panic!("{all:?}") };
    assert_eq!((window.first_backup, Some(window.first_lsn)), (second.id, second.stop_lsn));
}

#[test]
fn missing_and_damaged_segments_divide_a_window_until_the_next_backup() {
    let version = MajorVersion::V16;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let source = &world.source;
    let first = world.back_up();
    let mut names = Vec::new();
    for _ in 0..5 {
        tick(source);
        names.push(source.sql("SELECT pg_walfile_name(pg_current_wal_lsn())"));
        world.archive();
    }
    let second = world.back_up();
    tick(source);
    world.archive();
    assert_eq!(found(&world).windows.len(), 1);

    std::fs::remove_file(world.segment_path(&names[1])).unwrap();
    let path = world.segment_path(&names[3]);
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    let all = found(&world);
    let backups: Vec<_> = all.windows.iter().map(|window| window.backups.clone()).collect();
    assert_eq!(backups, [vec![first.id], vec![second.id]], "{all:?}");
    let causes: Vec<&str> = all.gaps.iter().map(|gap| gap.cause["key"].as_str().unwrap()).collect();
    assert_eq!(causes, ["gap-segments-missing", "gap-segment-damaged"], "{all:?}");
    assert_eq!(all.gaps[0].from_lsn, all.windows[0].last_lsn);
    assert_eq!(all.gaps[0].to_lsn.0 - all.gaps[0].from_lsn.0, SEGMENT_BYTES);
    assert_eq!(all.findings[0]["segment"].as_str(), Some(names[3].as_str()));

    // In the gap: the instants on both sides are named.
    let inside = all.windows[0].last_time + micros(1);
    let error = serde_json::to_value(world.plan("data", at(inside)).unwrap_err()).unwrap();
    assert_eq!(error["key"].as_str(), Some("restore-wal-missing"), "{error}");
    assert_eq!(error["earlier_at"].as_str().unwrap(), all.windows[0].last_time.to_string());
    assert_eq!(error["later_at"].as_str().unwrap(), all.windows[1].first_time.to_string());
}

#[test]
fn both_timelines_of_a_fork_are_windows_and_a_plain_promotion_makes_one() {
    let version = MajorVersion::V17;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let source = &world.source;
    let backup = world.back_up();
    let first = tick(source);
    world.archive();
    let (copy, ..) = world.restore("fork", at(first.committed_at));
    copy.sql("INSERT INTO clock VALUES (102)");
    let on_copy = rows(&copy)[1];
    archive_wal_of(&copy, &world.repository);
    let all = found(&world);
    let timelines = |all: &RestorableWindows| all.windows.iter().map(|window| window.timeline.0).collect::<Vec<_>>();
    assert!(all.windows.iter().all(|window| window.first_backup == backup.id));
    // The copy left where the original's archived log ends: that one's window is the beginning of the copy's.
    assert_eq!(timelines(&all), [2], "{all:?}");
    assert_eq!(all.windows[0].last_commit_time, Some(on_copy.committed_at));

    let second = tick(source);
    world.archive();
    let all = found(&world);
    assert_eq!(timelines(&all), [1, 2], "{all:?}");
    assert_eq!((all.windows[0].last_time, all.windows[1].last_time), (second.committed_at, on_copy.committed_at));
    let older = RecoveryRequest { timeline: TimelineChoice::Number(TimelineId(1)), ..at(second.committed_at) };
    assert!(world.plan("data", older).is_ok());
    assert!(all.gaps.is_empty() && all.findings.is_empty(), "{all:?}");
}

#[test]
fn a_receiver_that_had_everything_makes_the_window_longer() {
    let version = MajorVersion::V15;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let source = &world.source;
    world.back_up();
    let row = tick(source);
    let durable_lsn = source.current_lsn();
    archive_partial_of(source, &world.repository, world.folder.path());
    let last = found(&world).windows[0].clone();
    assert_eq!((last.last_lsn, last.last_time), (durable_lsn, row.committed_at));
    let later = Timestamp::now() + micros(5_000_000);
    assert!(world.plan("data", at(later)).is_err());
    let state = |caught_up: Option<Lsn>| ReceiverState {
        host: "here".to_owned(),
        pid: 1,
        slot: "cadena".to_owned(),
        streaming_since: Some(row.committed_at),
        timeline: TimelineId(1),
        durable_lsn,
        server_lsn: durable_lsn,
        behind_since: None,
        caught_up: caught_up.map(|lsn| CaughtUp { at: later, timeline: TimelineId(1), lsn }),
        // When it wrote this says nothing of what it had heard.
        updated_at: later,
    };
    let elsewhere = Lsn(durable_lsn.0 + (16 << 20));
    for (caught_up, reachable) in [(None, false), (Some(elsewhere), false), (Some(durable_lsn), true)] {
        let text = serde_json::to_vec(&state(caught_up)).unwrap();
        let attempt = world.repository.storage().try_lock("wal/receiver", &|_| text.clone()).unwrap();
        let LockAttempt::Acquired { guard, .. } = attempt else { panic!("the lock is held") };
        assert_eq!(found(&world).windows[0].last_time == later, reachable);
        let plan = world.plan("data", at(later));
        assert_eq!(plan.is_ok(), reachable, "{plan:?}");
        // Dead, it still told the truth.
        drop(guard);
        assert_eq!(found(&world).windows[0].last_time == later, reachable);
    }
    let (copy, plan, _) = world.restore("data", at(later));
    assert_eq!((numbers(&copy), plan.recovery.unwrap().stop_lsn), (vec![1], durable_lsn));
}

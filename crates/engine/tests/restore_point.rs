//! Restores of real servers to instants, addresses and restore points: exactly the rows that were committed by then.

mod point_support;

use engine::restore::{
    ArchiveMode, RecoveryRequest, RecoveryStop, RecoveryTarget, RestoreNote, TargetAction, TimelineChoice, WalDelivery,
};
use pgformat::{Lsn, MajorVersion, TimelineId};
use point_support::*;
use testkit::{TestCluster, is_available};

fn assert_rows(copy: &TestCluster, last: u64, what: &str) {
    let expected: Vec<u64> = (1..=last).collect();
    assert_eq!(numbers(copy), expected, "{what}");
    assert_eq!(copy.sql("SELECT pg_is_in_recovery()"), "f", "{what}");
}

fn instant(value: &serde_json::Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

testkit::on_each_version!(instants_addresses_and_names_hold_exactly_the_rows_that_were_committed, |version| {
    let world = World::archiving(version);
    let source = &world.source;
    (0..3).for_each(|_| {
        tick(source);
    });
    world.back_up();
    let third = rows(source)[2];
    let fourth = tick(source);
    // A transaction that is rolled back stops recovery, too; one that is only prepared does not.
    source.sql("BEGIN; INSERT INTO clock VALUES (1000); ROLLBACK");
    source.sql("BEGIN; INSERT INTO clock VALUES (1001); PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'");
    let fifth = tick(source);
    let before_point = lsn(&source.sql("SELECT pg_create_restore_point('here')"));
    let after_fifth = source.current_lsn();
    world.archive();
    let sixth = tick(source);
    source.sql("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 4000)");
    let seventh = tick(source);
    world.archive();
    let eighth = tick(source);
    let end = source.current_lsn();
    archive_partial_of(source, &world.repository, world.folder.path());

    let check = |name: &str, recovery: RecoveryRequest, last: u64| {
        let (copy, plan, started) = world.restore(name, recovery);
        let what = format!("{version} {name}");
        assert_rows(&copy, last, &what);
        let recovery = plan.recovery.unwrap();
        assert_eq!(started.timeline, Some(TimelineId(2)), "{what}");
        assert!(started.recovered_lsn.is_some_and(|lsn| lsn <= recovery.stop_lsn), "{what}");
        assert_eq!(copy.sql("SHOW archive_mode"), "off", "{what}");
        copy.stop();
        std::fs::remove_dir_all(copy.data_directory()).unwrap();
        recovery
    };
    let on = check("exactly-on", at(fifth.committed_at), 5);
    assert_eq!(on.last_commit.map(|commit| commit.time), Some(fifth.committed_at));
    check("just-before", at(fifth.committed_at - micros(1)), 4);
    check("between", at(fourth.committed_at + micros(1)), 4);
    check("across-segments", at(seventh.committed_at - micros(1)), 6);
    check("lsn", to(RecoveryTarget::Lsn(after_fifth)), 5);
    check("name", to(RecoveryTarget::Name("here".to_owned())), 5);
    let latest = check("latest", to(RecoveryTarget::Latest), 8);
    assert_eq!((latest.stop, latest.stop_lsn), (RecoveryStop::EndOfWal, end));
    assert_eq!(latest.last_commit.map(|commit| commit.time), Some(eighth.committed_at));
    check("end-lsn", to(RecoveryTarget::Lsn(end)), 8);
    assert!(before_point <= after_fifth && third.committed_at < fourth.committed_at);
    assert!(sixth.committed_at < seventh.committed_at);
});

#[test]
fn what_can_not_be_reached_is_refused_with_the_nearest_instants_and_nothing_is_written() {
    let version = MajorVersion::V17;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let source = &world.source;
    let before = tick(source);
    let record = world.back_up();
    let first = tick(source);
    let second = tick(source);
    world.archive();
    let end = source.current_lsn();

    let refused = |name: &str, recovery: RecoveryRequest| {
        let error = world.plan(name, recovery).unwrap_err();
        assert!(!world.target(name).exists());
        (error.key(), serde_json::to_value(&error).unwrap())
    };
    let (key, error) = refused("early", at(before.committed_at - micros(1)));
    assert_eq!(key, "restore-target-unreachable");
    assert!(error["earlier_at"].is_null() && error["later_lsn"] == record.stop_lsn.unwrap().to_string(), "{error}");
    // The nearest instant that is named can be had.
    let named = instant(&error["later_at"]);
    assert!(world.plan("named", at(named)).is_ok());
    assert!(world.plan("named", at(named - micros(1))).is_err());

    let (key, error) = refused("future", at(second.committed_at + micros(60_000_000)));
    assert_eq!(key, "restore-target-unreachable");
    assert_eq!(instant(&error["earlier_at"]), second.committed_at);
    assert!(world.plan("last", at(second.committed_at)).is_ok());

    let (key, _) = refused("address", to(RecoveryTarget::Lsn(Lsn(end.0 + (64 << 20)))));
    assert_eq!(key, "restore-target-unreachable");
    let (key, error) = refused("inside", to(RecoveryTarget::Lsn(Lsn(record.stop_lsn.unwrap().0 - 8))));
    assert_eq!(
        (key.as_str(), error["later_lsn"].as_str()),
        ("restore-target-unreachable", Some(record.stop_lsn.unwrap().to_string().as_str()))
    );

    let (key, error) = refused("name", to(RecoveryTarget::Name("nowhere".to_owned())));
    assert_eq!((key.as_str(), error["known"].as_str()), ("restore-unknown-point", Some("-")));
    source.sql("SELECT pg_create_restore_point('twice')");
    let third = tick(source);
    source.sql("SELECT pg_create_restore_point('twice')");
    world.archive();
    let (key, error) = refused("name", to(RecoveryTarget::Name("twice".to_owned())));
    assert_eq!(key, "restore-target-ambiguous");
    assert_eq!(error["found"].as_str().unwrap().matches("twice").count(), 2, "{error}");

    let unknown = RecoveryRequest { timeline: TimelineChoice::Number(TimelineId(7)), ..at(first.committed_at) };
    let (key, error) = refused("timeline", unknown);
    assert_eq!((key.as_str(), error["known"].as_str()), ("restore-unknown-timeline", Some("1")));
    let fetch = RecoveryRequest { delivery: WalDelivery::Fetch, ..at(third.committed_at) };
    assert_eq!(refused("fetch", fetch).0, "restore-fetch-unusable");
}

#[test]
fn the_newest_backup_that_holds_nothing_after_the_target_is_the_base() {
    let version = MajorVersion::V16;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let source = &world.source;
    let older = world.back_up();
    let first = tick(source);
    world.archive();
    let newer = world.back_up();
    let second = tick(source);
    world.archive();
    let base = |recovery: RecoveryRequest| world.plan("data", recovery).unwrap().backups[0].id;
    assert_eq!(base(at(second.committed_at)), newer.id);
    // Nothing happened between the first row and the newer backup.
    assert_eq!(base(at(first.committed_at)), newer.id);
    assert_eq!(base(at(first.committed_at - micros(1))), older.id);
    assert_eq!(base(to(RecoveryTarget::Lsn(newer.stop_lsn.unwrap()))), newer.id);
    assert_eq!(base(to(RecoveryTarget::Lsn(Lsn(newer.stop_lsn.unwrap().0 - 1)))), older.id);
    assert_eq!(base(to(RecoveryTarget::Latest)), newer.id);
}

#[test]
fn missing_and_damaged_segments_are_refused_before_anything_is_written() {
    let version = MajorVersion::V15;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let source = &world.source;
    world.back_up();
    let mut marks = Vec::new();
    for _ in 0..4 {
        let row = tick(source);
        marks.push((row, source.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")));
        world.archive();
    }
    let (last, _) = marks[3];
    let (_, name) = &marks[2];
    let path = world.segment_path(name);
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[40] ^= 0x10;
    std::fs::write(&path, &bad).unwrap();
    let plan = world.plan("data", at(last.committed_at)).unwrap();
    let error = world.apply(&plan).unwrap_err();
    let value = serde_json::to_value(&error).unwrap();
    assert_eq!((error.key().as_str(), value["segment"].as_str()), ("restore-wal-damaged", Some(name.as_str())));
    assert!(!world.target("data").exists());
    let nearest = instant(&value["earlier_at"]);
    assert_eq!(nearest, marks[1].0.committed_at);
    let (copy, ..) = world.restore("nearest", at(nearest));
    assert_rows(&copy, 2, "the instant named");

    std::fs::remove_file(&path).unwrap();
    let error = world.plan("data", at(last.committed_at)).unwrap_err();
    let value = serde_json::to_value(&error).unwrap();
    assert_eq!((error.key().as_str(), value["segment"].as_str()), ("restore-wal-missing", Some(name.as_str())));
    assert_eq!(instant(&value["earlier_at"]), marks[1].0.committed_at);
    assert!(!world.target("data").exists());
    // Found again, it is all well.
    std::fs::write(&path, &good).unwrap();
    let (copy, ..) = world.restore("again", at(last.committed_at));
    assert_rows(&copy, 4, "with the segment");
}

#[test]
fn each_timeline_keeps_its_own_rows_after_a_fork() {
    for version in [MajorVersion::V14, MajorVersion::V18] {
        if !is_available(version) {
            continue;
        }
        let world = World::archiving(version);
        let source = &world.source;
        world.back_up();
        let first = tick(source);
        let second = tick(source);
        world.archive();
        // The copy becomes timeline 2 right after the first row, and the original goes on.
        let preserve = RecoveryRequest { archive_mode: ArchiveMode::Preserve, ..at(first.committed_at) };
        let (copy, _, started) = world.restore("fork", preserve);
        assert_eq!(started.timeline, Some(TimelineId(2)));
        copy.sql("INSERT INTO clock VALUES (102)");
        let on_copy = rows(&copy)[1];
        archive_wal_of(&copy, &world.repository);
        copy.sql("INSERT INTO clock VALUES (103)");
        archive_wal_of(&copy, &world.repository);
        let third = tick(source);
        world.archive();
        copy.stop();

        let on = |number: u32, recovery: RecoveryRequest| RecoveryRequest {
            timeline: TimelineChoice::Number(TimelineId(number)),
            ..recovery
        };
        let check = |name: &str, recovery: RecoveryRequest, expected: &[u64]| {
            let (copy, plan, started) = world.restore(name, recovery);
            assert_eq!(numbers(&copy), expected, "{version} {name}");
            // Never the number of one that is there.
            assert_eq!(started.timeline, Some(TimelineId(3)), "{version} {name}");
            plan.recovery.unwrap().timelines
        };
        let both = [TimelineId(1), TimelineId(2)];
        assert_eq!(check("newest", to(RecoveryTarget::Latest), &[1, 102, 103]), both);
        assert_eq!(check("newest-at", at(on_copy.committed_at), &[1, 102]), both);
        assert_eq!(check("older", on(1, to(RecoveryTarget::Latest)), &[1, 2, 3]), [TimelineId(1)]);
        assert_eq!(check("older-at", on(1, at(second.committed_at)), &[1, 2]), [TimelineId(1)]);
        // What stops recovery is the newer timeline's first transaction.
        assert_eq!(check("shared", at(first.committed_at), &[1]), both);

        // Only the older timeline goes that far.
        let far = source.current_lsn();
        (0..8).for_each(|_| {
            tick(source);
            world.archive();
        });
        let error = world.plan("far", to(RecoveryTarget::Lsn(Lsn(far.0 + 4 * SEGMENT_BYTES)))).unwrap_err();
        let value = serde_json::to_value(&error).unwrap();
        assert_eq!((error.key().as_str(), value["timelines"].as_str()), ("restore-target-unreachable", Some("1")));
        assert!(third.committed_at > second.committed_at);

        // A backup that the original took after the fork leads nowhere on timeline 2.
        let late = world.back_up();
        let plan = world.plan("late", to(RecoveryTarget::Latest)).unwrap();
        assert_ne!(plan.backups[0].id, late.id);
    }
}

#[test]
fn the_end_of_the_log_stays_where_it_was_planned_when_more_arrives() {
    let version = MajorVersion::V18;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    let source = &world.source;
    world.back_up();
    tick(source);
    world.archive();
    tick(source);
    archive_partial_of(source, &world.repository, world.folder.path());
    let plan = world.plan("data", to(RecoveryTarget::Latest)).unwrap();
    tick(source);
    world.archive();
    tick(source);
    world.archive();
    let outcome = world.apply(&plan).unwrap();
    assert_eq!(outcome.stop_lsn, plan.recovery.as_ref().map(|recovery| recovery.stop_lsn));
    assert!(outcome.notes.contains(&RestoreNote::RestoreArchivingOff {}));
    let copy = TestCluster::adopt(version, plan.target.as_deref().unwrap());
    let started = start_as(&copy, plan.recovery.clone()).unwrap();
    assert_rows(&copy, 2, "planned");
    assert_eq!(started.recovered_lsn, outcome.stop_lsn);
}

#[test]
fn a_recovery_that_ends_elsewhere_is_an_error_and_its_server_is_stopped() {
    let version = MajorVersion::V15;
    if !is_available(version) {
        return;
    }
    let world = World::archiving(version);
    world.back_up();
    tick(&world.source);
    world.archive();
    tick(&world.source);
    world.archive();
    let plan = world.plan("data", to(RecoveryTarget::Latest)).unwrap();
    world.apply(&plan).unwrap();
    let target = plan.target.clone().unwrap();
    // Somebody removes the last segment that was staged.
    let mut staged: Vec<_> =
        std::fs::read_dir(target.join("pg_wal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    staged.retain(|path| path.is_file());
    staged.sort();
    std::fs::remove_file(staged.last().unwrap()).unwrap();
    let copy = TestCluster::adopt(version, &target);
    let error = start_as(&copy, plan.recovery.clone()).unwrap_err();
    assert_eq!(error.key(), "restore-ended-short");
    assert!(!copy.is_running());
}

testkit::on_each_version!(a_server_pauses_or_stops_at_its_target, |version| {
    let world = World::archiving(version);
    let source = &world.source;
    world.back_up();
    let first = tick(source);
    tick(source);
    world.archive();
    for (name, target, last) in
        [("before", RecoveryTarget::Time(first.committed_at), 1), ("end", RecoveryTarget::Latest, 2)]
    {
        let pause = RecoveryRequest { action: TargetAction::Pause, ..to(target.clone()) };
        let (copy, plan, started) = world.restore(&format!("pause-{name}"), pause);
        assert!(started.running && started.timeline.is_none(), "{version} {name}");
        copy.wait_until("SELECT pg_get_wal_replay_pause_state() = 'paused'");
        assert_eq!(copy.sql("SELECT count(*), pg_is_in_recovery() FROM clock"), format!("{last}|t"), "{version}");
        let replayed = lsn(&copy.sql("SELECT pg_last_wal_replay_lsn()"));
        assert!(replayed <= plan.recovery.unwrap().stop_lsn, "{version}");
        copy.sql("SELECT pg_wal_replay_resume()");
        copy.wait_until("SELECT NOT pg_is_in_recovery()");
        assert_rows(&copy, last, "resumed");
        copy.stop();

        let shutdown = RecoveryRequest { action: TargetAction::Shutdown, ..to(target) };
        let (copy, _, started) = world.restore(&format!("shutdown-{name}"), shutdown);
        assert!(!started.running && !copy.is_running(), "{version} {name}");
    }
});

#[test]
fn without_archived_wal_the_latest_is_the_backup_s_end() {
    let version = MajorVersion::V17;
    if !is_available(version) {
        return;
    }
    let world = World::new(version);
    tick(&world.source);
    world.back_up();
    tick(&world.source);
    let (copy, plan, _) = world.restore("data", to(RecoveryTarget::Latest));
    assert!(plan.recovery.is_none());
    assert_rows(&copy, 1, "latest");
    assert_eq!(world.plan("time", at(jiff::Timestamp::now())).unwrap_err().key(), "restore-target-unreachable");
}

//! The calendar of retention, case by case: months of different lengths, hours that a clock repeats or leaves out, days.

mod retention_support;

use engine::retention::{Policy, RetentionReason, WalRetention, plan};
use jiff::{Timestamp, Zoned};
use retention_support::*;
use vault::repository::BackupKind;

const ZONE: &str = "America/Santiago";

fn policy() -> Policy {
    Policy { name: "calendar".to_owned(), min_chains: 1, ..Policy::standard() }
}

/// Tells whether a backup of `kind` stays that began at `started_at`, by the clock on the wall, when it is cleaned up at `now`.
fn stays(policy: &Policy, kind: BackupKind, started_at: &str, now: &str) -> bool {
    let zoned =
        |text: &str| -> Zoned { format!("{text}[{ZONE}]").parse().unwrap_or_else(|error| panic!("{text}: {error}")) };
    let mut world = World::new();
    // The FULL that it stands on, itself, and a newer FULL that stays in any case.
    for kind in [BackupKind::Full, kind, BackupKind::Full] {
        world.take(&Step::BackUp { kind, bytes: SEGMENT, minutes: 1 });
    }
    let now = zoned(now);
    let long_ago: Timestamp = "2000-01-01T00:00:00Z".parse().unwrap();
    for (record, at) in world.records.iter_mut().zip([long_ago, zoned(started_at).timestamp(), now.timestamp()]) {
        (record.started_at, record.finished_at) = (at, Some(at));
    }
    let plan = plan(&world.view(), policy, &now);
    let verdict = &plan.backups[1];
    assert_eq!(verdict.kind, kind);
    let is_in_period = matches!(verdict.reason, RetentionReason::RetentionInPeriod { .. });
    assert_eq!(verdict.stays, is_in_period, "{:?}", verdict.reason);
    verdict.stays
}

#[test]
fn months_weeks_and_days_are_those_of_the_calendar_and_a_day_counts_whole() {
    use BackupKind::{Differential, Full, Incremental};
    for (kind, first, last_before) in [
        (Full, "2025-11-24T00:00:00", "2025-11-23T23:59:59"),
        (Differential, "2026-09-29T00:00:00", "2026-09-28T23:59:59"),
        (Incremental, "2026-11-17T00:00:00", "2026-11-16T23:59:59"),
    ] {
        for now in ["2026-11-24T00:00:00", "2026-11-24T02:00:00", "2026-11-24T23:59:59"] {
            assert!(stays(&policy(), kind, first, now), "{kind:?} {now}");
            assert!(!stays(&policy(), kind, last_before, now), "{kind:?} {now}");
        }
        assert!(!stays(&policy(), kind, first, "2026-11-25T00:00:00"), "{kind:?}");
    }
}

#[test]
fn a_month_back_from_a_day_that_it_lacks_is_its_last() {
    let one_month = Policy { full_months: 1, ..policy() };
    for (now, first) in [
        ("2026-03-31T12:00:00", "2026-02-28"),
        ("2026-03-29T12:00:00", "2026-02-28"),
        ("2028-03-31T12:00:00", "2028-02-29"),
        ("2026-05-31T12:00:00", "2026-04-30"),
        ("2026-01-31T12:00:00", "2025-12-31"),
    ] {
        let first: jiff::civil::Date = first.parse().unwrap();
        let at = |date: jiff::civil::Date| date.at(12, 0, 0, 0).to_string();
        assert!(stays(&one_month, BackupKind::Full, &at(first), now), "{now}");
        assert!(!stays(&one_month, BackupKind::Full, &at(first.yesterday().unwrap()), now), "{now}");
    }
    // A leap day a year later.
    assert!(stays(&policy(), BackupKind::Full, "2027-02-28T12:00:00", "2028-02-29T12:00:00"));
    assert!(stays(&policy(), BackupKind::Full, "2028-02-29T12:00:00", "2029-02-28T12:00:00"));
    assert!(!stays(&policy(), BackupKind::Full, "2028-02-29T12:00:00", "2029-03-01T12:00:00"));
}

#[test]
fn days_that_begin_an_hour_late_or_have_an_hour_twice_count_as_days() {
    let days = Policy { incremental_days: 1, ..policy() };
    // Chile's clocks go forward at midnight, to one o'clock, on 2026-09-06, and back at midnight, to eleven in the evening, on 2026-04-05.
    assert!(stays(&days, BackupKind::Incremental, "2026-09-06T01:00:00", "2026-09-07T12:00:00"));
    assert!(!stays(&days, BackupKind::Incremental, "2026-09-05T23:59:59", "2026-09-07T12:00:00"));
    for offset in ["-03", "-04"] {
        let repeated = format!("2026-04-04T23:30:00{offset}");
        assert!(stays(&days, BackupKind::Incremental, &repeated, "2026-04-05T12:00:00"), "{offset}");
        assert!(!stays(&days, BackupKind::Incremental, &repeated, "2026-04-06T00:00:00"), "{offset}");
    }
}

#[test]
fn nothing_goes_when_the_clock_says_that_it_is_not_yet() {
    assert!(stays(&policy(), BackupKind::Incremental, "2026-11-24T00:00:00", "1999-01-01T00:00:00"));
    let longest = Policy { full_months: 1_200, differential_weeks: 5_200, incremental_days: 36_500, ..policy() };
    assert!(stays(&longest, BackupKind::Incremental, "1950-01-01T00:00:00", "2026-11-24T00:00:00"));
}

#[test]
fn without_wal_or_without_backups_there_is_nothing_to_decide() {
    let world = World::new();
    let now: Zoned = "2026-11-24T00:00:00[UTC]".parse().unwrap();
    for wal in [WalRetention::WithBackups, WalRetention::Days(0)] {
        let empty = plan(&Default::default(), &Policy { wal, ..policy() }, &now);
        assert!(empty.is_empty() && empty.findings.is_empty());
        assert!(plan(&world.view(), &Policy { wal, ..policy() }, &now).is_empty());
    }
    // WAL that came before the first backup waits for it.
    let mut world = World::new();
    world.take(&Step::Write { bytes: 9 * SEGMENT });
    let waiting = plan(&world.view(), &policy(), &now);
    assert_eq!((waiting.wal.segments, waiting.wal.kept_segments), (0, 9));
}

#[test]
fn dumps_go_by_their_own_age_displace_no_chain_and_the_newest_stays() {
    let mut world = World::new();
    let day = 24 * 60;
    let full = |world: &mut World| {
        world.take(&Step::BackUp { kind: BackupKind::Full, bytes: SEGMENT, minutes: 1 });
    };
    full(&mut world);
    full(&mut world);
    for _ in 0..3 {
        world.take(&Step::Wait { minutes: day });
        world.take(&Step::Dump { minutes: 1 });
    }
    // Everything is far too old, so that only what is needed stays: two chains, though three newer FULLs are there, and one dump.
    world.take(&Step::Wait { minutes: 3 * 365 * day });
    let two_chains = Policy { min_chains: 2, ..policy() };
    let now = world.clock().to_zoned(jiff::tz::TimeZone::UTC);
    let verdicts = plan(&world.view(), &two_chains, &now).backups;
    let stays: Vec<bool> = verdicts.iter().map(|verdict| verdict.stays).collect();
    assert_eq!(stays, [true, true, false, false, true]);
    assert_eq!(verdicts[4].reason, RetentionReason::RetentionNewestLogical {});
    // A dump that is not too old stays, too, as a FULL would.
    let sooner = now.checked_sub(jiff::ToSpan::days(3 * 365 - 360)).unwrap();
    let stays: Vec<bool> = plan(&world.view(), &two_chains, &sooner).backups.iter().map(|one| one.stays).collect();
    assert_eq!(stays, [true; 5]);
}

#[test]
fn dumps_keep_no_wal() {
    let mut world = World::new();
    world.take(&Step::Dump { minutes: 1 });
    world.take(&Step::Write { bytes: 5 * SEGMENT });
    world.take(&Step::BackUp { kind: BackupKind::Full, bytes: SEGMENT, minutes: 1 });
    let now = world.clock().to_zoned(jiff::tz::TimeZone::UTC);
    let plan = plan(&world.view(), &policy(), &now);
    assert!(plan.backups.iter().all(|verdict| verdict.stays));
    assert!(plan.wal.segments >= 4, "what lies before the only FULL is needed by nobody: {:?}", plan.wal);
}

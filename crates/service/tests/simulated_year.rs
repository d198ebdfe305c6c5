//! A year and two months with the seed's schedule and policy, on a clock of our own and in a real repository: every backup is taken when
//! it is due, also on the days on which the clock is changed, and what exists on each day is what the policy promises.

mod support;

use engine::retention::{Policy, PolicyChoice, PolicySource, apply};
use engine::{Cancel, Error};
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde_json::Value;
use service::scheduler::{
    Clock, FileRules, Job, RuleFile, Rules, Run, RunFailure, RunNote, RunSummary, Runner, Scheduler,
};
use std::collections::BTreeSet;
use std::sync::Mutex;
use support::{Ears, FakeClock, Jump, create, fast_folder, take_backup};
use vault::repository::{BackupId, BackupKind, BackupRecord, BackupState, Repository};

struct Defaults(TimeZone);

impl RuleFile for Defaults {
    fn read(&self) -> Result<FileRules, Value> {
        Ok(FileRules { rules: Rules::new(), zone: self.0.clone() })
    }
}

/// Takes small backups, cleans up for real, and looks each night at what is there.
struct Year<'a> {
    repository: &'a Repository,
    clock: &'a FakeClock,
    zone: TimeZone,
    /// Every backup ever taken: what the repository should have been told, whatever it forgot.
    taken: Mutex<Vec<BackupRecord>>,
    nights: Mutex<usize>,
    cleanups: Mutex<usize>,
}

impl Runner for Year<'_> {
    fn run(&self, run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        let now = self.clock.now().to_zoned(self.zone.clone());
        assert!(now.timestamp() >= run.due_at);
        match run.job {
            Job::Validate => {
                self.assert_promises_kept(&now);
                *self.nights.lock().expect("no panic") += 1;
            }
            Job::Cleanup => {
                let choice = PolicyChoice { policy: Policy::standard(), source: PolicySource::Standard };
                apply(self.repository, &choice, &now, cancel)?;
                self.assert_promises_kept(&now);
                self.assert_nothing_else(&now);
                *self.cleanups.lock().expect("no panic") += 1;
            }
            // What it proves has tests of its own, with servers.
            Job::Drill => self.assert_promises_kept(&now),
            job => {
                let kind = job.backup_kind().expect("a backup");
                let record = take_backup(self.repository, kind, &now, Some(run.due_at)).map_err(Error::from)?;
                assert_eq!(record.kind, kind, "each has a base");
                self.taken.lock().expect("no panic").push(record);
                // A FULL takes so long that the next one, if any is due, waits.
                self.clock.pass(if kind == BackupKind::Full { 2400 } else { 60 });
            }
        }
        Ok(RunSummary::fine(&RunNote::RunNoteNothing {}))
    }
}

impl Year<'_> {
    fn here(&self) -> Vec<BackupRecord> {
        let contents = self.repository.contents().expect("contents");
        assert!(contents.unreadable.is_empty() && contents.orphan_archives.is_empty(), "{contents:?}");
        assert!(contents.without_archive.is_empty(), "{contents:?}");
        assert!(contents.records.iter().all(|record| record.state == BackupState::Completed));
        contents.records
    }

    fn day_of(&self, record: &BackupRecord) -> Date {
        record.started_at.to_zoned(self.zone.clone()).date()
    }

    /// What the seed's policy promises on a day: 12 months of FULLs, 8 weeks of DIFERENCIALs, 7 days of INCREMENTALs, two chains.
    fn promised(&self, now: &Zoned) -> BTreeSet<BackupId> {
        let taken = self.taken.lock().expect("no panic");
        let today = now.date();
        let first_day = |kind| match kind {
            BackupKind::Full => today - 12.months(),
            BackupKind::Differential => today - 8.weeks(),
            BackupKind::Incremental => today - 7.days(),
        };
        let in_period = taken.iter().filter(|record| self.day_of(record) >= first_day(record.kind));
        let fulls = taken.iter().rev().filter(|record| record.kind == BackupKind::Full).take(2);
        in_period.chain(fulls).map(|record| record.id).collect()
    }

    /// With all that they stand on.
    fn assert_promises_kept(&self, now: &Zoned) {
        let here: BTreeSet<BackupId> = self.here().iter().map(|record| record.id).collect();
        let lost: Vec<_> = self.with_bases(self.promised(now)).difference(&here).copied().collect();
        assert!(lost.is_empty(), "{now}: {lost:?} are lost");
    }

    /// Right after a cleanup nothing is there that nothing needs.
    fn assert_nothing_else(&self, now: &Zoned) {
        let here: BTreeSet<BackupId> = self.here().iter().map(|record| record.id).collect();
        let needed = self.with_bases(self.promised(now));
        let surplus: Vec<_> = here.difference(&needed).collect();
        // The newest may be the base of the next, however old it is; here it always is of last night.
        assert!(surplus.is_empty(), "{now}: {surplus:?} are still there");
    }

    fn with_bases(&self, mut ids: BTreeSet<BackupId>) -> BTreeSet<BackupId> {
        let taken = self.taken.lock().expect("no panic");
        for record in taken.iter().rev().filter(|record| record.base_id.is_some()) {
            if ids.contains(&record.id) {
                ids.extend(record.base_id);
            }
        }
        ids
    }

    /// The local days for which backups of a kind were taken.
    fn days(&self, kind: BackupKind) -> Vec<Date> {
        let taken = self.taken.lock().expect("no panic");
        let due = |record: &BackupRecord| record.scheduled_for.expect("scheduled").to_zoned(self.zone.clone()).date();
        taken.iter().filter(|record| record.kind == kind).map(due).collect()
    }
}

fn days(from: Date, until: Date, wanted: impl Fn(Date) -> bool) -> Vec<Date> {
    from.series(1.day()).take_while(|day| *day < until).filter(|day| wanted(*day)).collect()
}

/// Lives through it in one zone, from the 20th of December before the year on.
fn live_through(zone_name: &str, year: i16) {
    let zone = TimeZone::get(zone_name).expect("a zone");
    let (first, last) = (date(year - 1, 12, 20), date(year + 1, 3, 1));
    let at_noon = |day: Date| day.at(12, 0, 0, 0).to_zoned(zone.clone()).expect("noon").timestamp();
    let folder = fast_folder();
    let repository = create(folder.path());
    let clock =
        FakeClock::new(at_noon(first), at_noon(last), Jump::NextDue(Box::new(support::schedule(&[], zone_name))));
    let (nights, cleanups) = (Mutex::new(0), Mutex::new(0));
    let simulation =
        Year { repository: &repository, clock: &clock, zone: zone.clone(), taken: Mutex::default(), nights, cleanups };
    let ears = Ears::default();
    let rule_file = Defaults(zone.clone());
    let scheduler =
        Scheduler { repository: &repository, rule_file: &rule_file, runner: &simulation, clock: &clock, watch: &ears };
    scheduler.run(&Cancel::new()).unwrap_or_else(|error| panic!("{:?}", error.into_value()));

    // At the first start a FULL, then everything on its days, once: those on which the clock was changed too.
    let firsts = days(first, last.tomorrow().expect("a day"), |day| day.day() == 1);
    assert_eq!(simulation.days(BackupKind::Full), [vec![first], firsts].concat());
    assert_eq!(simulation.days(BackupKind::Differential), days(first, last, |day| day.weekday() == Weekday::Sunday));
    assert_eq!(simulation.days(BackupKind::Incremental), days(first, last, |_| true));
    let nights = days(first.tomorrow().expect("a day"), last.tomorrow().expect("a day"), |_| true).len();
    assert_eq!(*simulation.nights.lock().expect("no panic"), nights);
    let mondays =
        days(first.tomorrow().expect("a day"), last.tomorrow().expect("a day"), |day| day.weekday() == Weekday::Monday);
    assert_eq!(*simulation.cleanups.lock().expect("no panic"), mondays.len());
    for key in ["run-failed", "run-missed", "run-replaced", "clock-set-back", "run-waiting"] {
        assert_eq!(ears.heard(key), 0, "{key}");
    }

    // In the end there are a year of FULLs, eight weeks of DIFERENCIALs, a week of INCREMENTALs with what they stand on.
    let count = |kind| simulation.here().iter().filter(|record| record.kind == kind).count();
    assert!((12..=14).contains(&count(BackupKind::Full)), "{}", count(BackupKind::Full));
    assert!((8..=10).contains(&count(BackupKind::Differential)), "{}", count(BackupKind::Differential));
    assert!((7..=24).contains(&count(BackupKind::Incremental)), "{}", count(BackupKind::Incremental));
    let names: BTreeSet<String> = simulation.here().into_iter().map(|record| record.archive_name).collect();
    assert_eq!(names.len(), simulation.here().len());
    let now: Timestamp = clock.now();
    assert_eq!(now, at_noon(last));
}

#[test]
fn madrid_2026_with_both_changes_of_the_clock() {
    live_through("Europe/Madrid", 2026);
}

#[test]
fn buenos_aires_2008_with_a_midnight_that_is_not_and_an_evening_hour_that_is_twice() {
    live_through("America/Argentina/Buenos_Aires", 2008);
}

//! The scheduler on a storage that fails or dies at every one of its calls in turn: no due time gets two backups, none that was due last
//! goes without, and what can't be read or written is told.

mod support;

use engine::{Cancel, Error};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use service::scheduler::{
    Clock, FileRules, Job, MEMORY_KEY, RuleFile, Run, RunFailure, RunNote, RunSummary, Runner, SCHEDULE_KEY, Scheduler,
    SchedulerStartError,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::{Ears, FakeClock, Jump, create, fast_folder, later, rules, take_backup, time};
use vault::repository::{BackupKind, BackupRecord, BackupState, Repository};
use vault::storage::fault::{FaultMode, FaultyStorage};
use vault::storage::{LocalFolder, Storage};

/// DIFERENCIAL and INCREMENTAL at 23:00, nothing else but the first FULL.
struct Evening;

impl RuleFile for Evening {
    fn read(&self) -> Result<FileRules, Value> {
        let jobs = [
            (Job::Differential, "0 23 * * *"),
            (Job::Incremental, "0 23 * * *"),
            (Job::Validate, "off"),
            (Job::Cleanup, "off"),
            (Job::Drill, "off"),
        ];
        Ok(FileRules { rules: rules(&jobs), zone: TimeZone::UTC })
    }
}

/// Takes small backups.
struct Small<'a> {
    repository: &'a Repository,
    clock: &'a FakeClock,
}

impl Runner for Small<'_> {
    fn run(&self, run: &Run, _cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        let now = self.clock.now().to_zoned(TimeZone::UTC);
        let kind = run.job.backup_kind().expect("a backup");
        let record = take_backup(self.repository, kind, &now, Some(run.due_at)).map_err(Error::from)?;
        Ok(RunSummary::fine(&RunNote::of_backup(&record)))
    }
}

fn evening_of(storage: Arc<dyn Storage>, from: &str, until: &str, ears: &Ears) -> Result<(), SchedulerStartError> {
    let Ok(repository) = Repository::open(storage) else { return Ok(()) };
    let clock = FakeClock::new(time(from), time(until), Jump::Seconds(60));
    let runner = Small { repository: &repository, clock: &clock };
    let scheduler =
        Scheduler { repository: &repository, rule_file: &Evening, runner: &runner, clock: &clock, watch: ears };
    scheduler.run(&Cancel::new())
}

fn folder_storage(folder: &Path) -> Arc<dyn Storage> {
    Arc::new(LocalFolder::new(folder))
}

fn completed(folder: &Path, when: &str) -> Vec<BackupRecord> {
    let contents = Repository::open(folder_storage(folder)).expect("a repository").contents().expect("contents");
    assert!(contents.unreadable.is_empty() && contents.without_archive.is_empty(), "{when}: {contents:?}");
    contents.records.into_iter().filter(|record| record.state == BackupState::Completed).collect()
}

#[test]
fn a_storage_that_fails_or_dies_at_any_call_loses_and_doubles_nothing() {
    let calls = {
        let folder = fast_folder();
        create(folder.path());
        let storage = Arc::new(FaultyStorage::new(folder_storage(folder.path()), 0, FaultMode::Fail));
        evening_of(storage.clone(), "2026-11-24T22:55:00Z", "2026-11-24T23:05:00Z", &Ears::default()).expect("a start");
        storage.calls().len()
    };
    assert!(calls > 100, "{calls}");
    let mut remembered = 0;
    for mode in
        [FaultMode::Fail, FaultMode::FailAfterwards, FaultMode::StaysFull, FaultMode::Dead, FaultMode::DeadAfterwards]
    {
        for at in 1..=calls {
            let when = format!("{mode:?} at call {at}");
            let folder = fast_folder();
            create(folder.path());
            let storage = Arc::new(FaultyStorage::new(folder_storage(folder.path()), at, mode));
            let ears = Ears::default();
            let began = evening_of(storage, "2026-11-24T22:55:00Z", "2026-11-24T23:05:00Z", &ears);
            let remembers = folder.path().join(MEMORY_KEY).exists();
            remembered += usize::from(remembers);
            assert!(began.is_ok() || ears.heard("run-started") == 0, "{when}");
            // Whatever it was, the next start makes it good.
            let next = evening_of(
                folder_storage(folder.path()),
                "2026-11-24T23:20:00Z",
                "2026-11-24T23:59:00Z",
                &Ears::default(),
            );
            next.unwrap_or_else(|error| panic!("{when}: {:?}", error.into_value()));
            assert_taken(&completed(folder.path(), &when), remembers, &when);
        }
    }
    assert!(remembered > 4 * calls, "{remembered}");
}

fn assert_taken(records: &[BackupRecord], remembers: bool, when: &str) {
    let mut seen = BTreeSet::new();
    for record in records {
        assert!(seen.insert((record.kind, record.scheduled_for)), "{when}: {} twice", record.archive_name);
    }
    let due = Some(time("2026-11-24T23:00:00Z"));
    let firsts = seen.iter().filter(|(kind, scheduled_for)| *kind == BackupKind::Full && *scheduled_for != due);
    assert_eq!(firsts.count(), 1, "{when}: {seen:?}");
    if remembers {
        // When the base's record could not be read at that moment, a FULL was taken instead.
        let missing = |kind| !seen.contains(&(kind, due));
        let lost =
            [BackupKind::Differential, BackupKind::Incremental].into_iter().filter(|kind| missing(*kind)).count();
        let instead = usize::from(seen.contains(&(BackupKind::Full, due)));
        assert_eq!(lost, instead, "{when}: {seen:?}");
    }
}

#[test]
fn a_lost_memory_is_told_and_repeats_nothing() {
    let folder = fast_folder();
    create(folder.path());
    let storage = || folder_storage(folder.path());
    evening_of(storage(), "2026-11-24T22:55:00Z", "2026-11-24T23:05:00Z", &Ears::default()).expect("a start");
    assert_eq!(completed(folder.path(), "before").len(), 3);
    for garbage in ["{", "{\"format_version\": 2}", "[]"] {
        std::fs::write(folder.path().join(MEMORY_KEY), garbage).expect("a write");
        let ears = Ears::default();
        evening_of(storage(), "2026-11-24T23:10:00Z", "2026-11-24T23:30:00Z", &ears).expect("a start");
        assert_eq!((ears.heard("scheduler-memory-lost"), ears.heard("run-started")), (1, 0), "{garbage}");
    }
}

#[test]
fn rules_that_can_not_be_read_at_the_start_are_an_error() {
    let folder = fast_folder();
    create(folder.path());
    for garbage in
        ["{", r#"{"format_version": 1, "jobs": {"FULL": "0 0 30 2 *"}}"#, r#"{"format_version": 2, "jobs": {}}"#]
    {
        std::fs::write(folder.path().join(SCHEDULE_KEY), garbage).expect("a write");
        let began =
            evening_of(folder_storage(folder.path()), "2026-11-24T22:55:00Z", "2026-11-24T23:05:00Z", &Ears::default());
        let error = began.err().map(SchedulerStartError::into_value).unwrap_or_default();
        assert_eq!(
            (&error["key"], &error["object"]),
            (&json!("schedule-unreadable"), &json!(SCHEDULE_KEY)),
            "{garbage}"
        );
    }
    // A job of a newer program is none of ours.
    std::fs::write(folder.path().join(SCHEDULE_KEY), r#"{"format_version": 1, "jobs": {"BLESS": {"every": "moon"}}}"#)
        .expect("a write");
    evening_of(folder_storage(folder.path()), "2026-11-24T22:55:00Z", "2026-11-24T22:57:00Z", &Ears::default())
        .expect("a start");
}

/// Says other things as time goes by.
struct Changing<'a>(&'a FakeClock);

impl RuleFile for Changing<'_> {
    fn read(&self) -> Result<FileRules, Value> {
        let minute = |text: &str| self.0.now() < time(text);
        if minute("2026-11-24T22:58:00Z") {
            Evening.read()
        } else if minute("2026-11-24T23:10:00Z") {
            Err(json!({"key": "config-syntax"}))
        } else {
            let jobs = [
                (Job::Incremental, "*/15 * * * *"),
                (Job::Validate, "off"),
                (Job::Cleanup, "off"),
                (Job::Drill, "off"),
            ];
            Ok(FileRules { rules: rules(&jobs), zone: TimeZone::UTC })
        }
    }
}

#[test]
fn a_broken_file_is_told_once_and_the_old_rules_go_on_until_it_is_mended() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let clock = FakeClock::new(time("2026-11-24T22:55:00Z"), time("2026-11-24T23:50:00Z"), Jump::Seconds(10));
    let runner = Small { repository: &repository, clock: &clock };
    let (ears, rule_file) = (Ears::default(), Changing(&clock));
    let scheduler =
        Scheduler { repository: &repository, rule_file: &rule_file, runner: &runner, clock: &clock, watch: &ears };
    scheduler.run(&Cancel::new()).unwrap_or_else(|error| panic!("{:?}", error.into_value()));
    assert_eq!((ears.heard("schedule-reload-failed"), ears.heard("schedule-changed")), (1, 2));
    let increments: Vec<Timestamp> = completed(folder.path(), "at the end")
        .into_iter()
        .filter(|record| record.kind == BackupKind::Incremental)
        .filter_map(|record| record.scheduled_for)
        .collect();
    assert_eq!(increments, [0, 15, 30, 45].map(|minutes| later(time("2026-11-24T23:00:00Z"), minutes * 60)));
}

/// Another backup runs for a while.
struct Occupied<'a>(Small<'a>, Mutex<u32>);

impl Runner for Occupied<'_> {
    fn run(&self, run: &Run, cancel: &Cancel) -> Result<RunSummary, RunFailure> {
        let mut tries = self.1.lock().expect("no panic");
        *tries += 1;
        match *tries {
            1..=5 => Err(RunFailure::Busy(json!({"key": "repository-busy"}))),
            6..=8 => Err(RunFailure::Failed(json!({"key": "cluster-connect"}))),
            _ => self.0.run(run, cancel),
        }
    }
}

#[test]
fn a_run_waits_for_others_and_tries_again_after_failures() {
    let folder = fast_folder();
    let repository = create(folder.path());
    let clock = FakeClock::new(time("2026-11-24T12:00:00Z"), time("2026-11-24T12:30:00Z"), Jump::Seconds(1));
    let runner = Occupied(Small { repository: &repository, clock: &clock }, Mutex::new(0));
    let ears = Ears::default();
    let scheduler =
        Scheduler { repository: &repository, rule_file: &Evening, runner: &runner, clock: &clock, watch: &ears };
    scheduler.run(&Cancel::new()).unwrap_or_else(|error| panic!("{:?}", error.into_value()));
    let heard = ["run-waiting", "run-failed", "run-finished"].map(|key| ears.heard(key));
    assert_eq!(heard, [1, 3, 1]);
    // 5 × 5 s for the others, then 1, 2 and 4 minutes.
    let record = completed(folder.path(), "at the end").remove(0);
    assert_eq!(record.started_at, time("2026-11-24T12:07:25Z"));
    assert_eq!(record.scheduled_for, Some(time("2026-11-24T12:00:00Z")));
    let statuses = ears.statuses.lock().expect("no panic");
    assert!(
        statuses.iter().any(|status| status.running.is_some())
            && statuses.last().is_some_and(|last| last.running.is_none())
    );
}

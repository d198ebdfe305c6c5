//! The planner, driven by a clock of our own: what is due when, whatever died in between.

mod support;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use service::scheduler::{Job, Memory, Planner, Run, RunNote, Schedule, SchedulerEvent};
use support::{completed, later, schedule, time};
use vault::repository::{BackupId, BackupMethod, BackupName, BackupRecord};

/// The default schedule.
fn seed() -> Schedule {
    schedule(&[], "UTC")
}

fn keys(events: &[SchedulerEvent]) -> Vec<String> {
    let key = |event| serde_json::to_value(event).expect("JSON")["key"].as_str().unwrap_or_default().to_owned();
    events.iter().map(key).collect()
}

fn record(number: u64, job: Job, due_at: Option<Timestamp>) -> BackupRecord {
    let kind = job.backup_kind().expect("a backup");
    let full =
        BackupName::new(kind, jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0), u32::try_from(number).expect("small"));
    completed(BackupId(number), &full, None, b"x", Timestamp::UNIX_EPOCH, due_at)
}

/// Runs everything that is due at an instant, all with success; returns what ran.
fn drain(planner: &mut Planner, records: &mut Vec<BackupRecord>, now: Timestamp) -> Vec<(Job, Timestamp)> {
    let mut ran = Vec::new();
    loop {
        planner.look(now);
        let Some(run) = planner.next(now) else { return ran };
        if planner.already_taken(&run, records).is_none() {
            planner.begin(&run, BackupId(records.len() as u64), now);
            if run.job.backup_kind().is_some() {
                records.push(record(records.len() as u64 + 1, run.job, Some(run.due_at)));
            }
            ran.push((run.job, run.due_at));
        }
        planner.done(&run, now, now, RunNote::RunNoteNothing {}.value());
        assert!(ran.len() < 1000, "it never ends");
    }
}

#[test]
fn the_very_first_start_takes_a_full_and_makes_nothing_up() {
    let now = time("2026-11-24T12:00:00Z");
    let (mut planner, events) = Planner::new(None, seed(), &[], now);
    assert_eq!(keys(&events), [""; 0]);
    let mut records = Vec::new();
    assert_eq!(drain(&mut planner, &mut records, now), [(Job::Full, now)]);
    assert_eq!(planner.wake_at(now), time("2026-11-24T13:00:00Z"), "nothing is due within an hour");
    let evening = time("2026-11-24T23:00:00Z");
    assert_eq!(drain(&mut planner, &mut records, evening), [(Job::Incremental, evening)]);
}

#[test]
fn with_a_backup_there_the_first_start_waits_for_what_is_due() {
    let now = time("2026-11-24T12:00:00Z");
    let mut records = vec![record(1, Job::Full, None)];
    let (mut planner, _) = Planner::new(None, seed(), &records, now);
    assert_eq!(drain(&mut planner, &mut records, now), []);
}

#[test]
fn a_full_by_hand_makes_the_first_one_unneeded() {
    let now = time("2026-11-24T12:00:00Z");
    let (mut planner, _) = Planner::new(None, seed(), &[], now);
    planner.look(now);
    let run = planner.next(now).expect("a FULL");
    assert_eq!((run.job, run.due_at), (Job::Full, now));
    assert!(planner.already_taken(&run, &[]).is_none());
    assert!(planner.already_taken(&run, &[record(1, Job::Full, None)]).is_some());
}

#[test]
fn a_dump_does_for_no_backup_that_is_due() {
    let now = time("2026-11-24T12:00:00Z");
    let dump = || {
        let mut dump = record(1, Job::Full, Some(now));
        dump.method = BackupMethod::Logical;
        dump
    };
    let (mut planner, _) = Planner::new(None, seed(), &[dump()], now);
    planner.look(now);
    let run = planner.next(now).expect("the first FULL is still owed");
    assert_eq!((run.job, run.due_at), (Job::Full, now));
    assert!(planner.already_taken(&run, &[dump()]).is_none());
}

#[test]
fn missed_runs_are_made_up_once_each_and_in_order() {
    let begin = time("2026-11-24T12:00:00Z");
    let mut records = vec![record(1, Job::Full, None)];
    let (planner, _) = Planner::new(None, seed(), &records, begin);
    let memory = planner.memory().clone();
    // Off for six weeks.
    let now = time("2027-01-05T12:00:00Z");
    let (mut planner, _) = Planner::new(Some(memory), seed(), &records, now);
    let events = planner.look(now);
    assert_eq!(keys(&events), ["run-missed"; 6]);
    let wanted = [
        (Job::Full, time("2027-01-01T00:00:00Z")),
        (Job::Differential, time("2027-01-03T23:30:00Z")),
        (Job::Incremental, time("2027-01-04T23:00:00Z")),
        (Job::Validate, time("2027-01-05T01:00:00Z")),
        (Job::Cleanup, time("2027-01-04T02:00:00Z")),
        (Job::Drill, time("2027-01-03T04:00:00Z")),
    ];
    assert_eq!(drain(&mut planner, &mut records, now), wanted);
    assert_eq!(drain(&mut planner, &mut records, now), []);
    // And never again.
    let memory = planner.memory().clone();
    let (mut planner, _) = Planner::new(Some(memory), seed(), &records, later(now, 60));
    assert_eq!(drain(&mut planner, &mut records, later(now, 60)), []);
}

#[test]
fn a_host_that_slept_through_a_due_time_makes_it_up_and_says_so() {
    let begin = time("2026-11-24T12:00:00Z");
    let mut records = vec![record(1, Job::Full, None)];
    let (mut planner, _) = Planner::new(None, seed(), &records, begin);
    assert_eq!(drain(&mut planner, &mut records, begin), []);
    planner.wake_at(begin);
    let events = planner.look(time("2026-11-25T08:00:00Z"));
    assert_eq!(keys(&events), ["run-missed", "run-missed"]);
}

#[test]
fn a_newer_due_time_replaces_one_that_waits() {
    let begin = time("2026-11-24T12:00:00Z");
    let records = vec![record(1, Job::Full, None)];
    let hourly = schedule(&[(Job::Incremental, "0 * * * *"), (Job::Validate, "off")], "UTC");
    let (mut planner, _) = Planner::new(None, hourly, &records, begin);
    let one = time("2026-11-24T13:00:00Z");
    planner.wake_at(begin);
    assert_eq!(keys(&planner.look(one)), [""; 0]);
    let run = planner.next(one).expect("a run");
    planner.begin(&run, BackupId(1), one);
    let pause = planner.failed(&run, one, one, json!({"key": "x"}));
    assert_eq!(pause, SignedDuration::from_mins(1));
    let two = time("2026-11-24T14:00:00Z");
    let events = planner.look(two);
    assert_eq!(events, [SchedulerEvent::RunReplaced { job: Job::Incremental, due_at: one, next_at: two }]);
    assert_eq!(planner.next(two), Some(Run { job: Job::Incremental, due_at: two, attempt: 1 }));
}

#[test]
fn failures_are_tried_again_after_longer_and_longer_pauses() {
    let begin = time("2026-11-24T22:59:59Z");
    let records = vec![record(1, Job::Full, None)];
    let pauses = |schedule: Schedule, tries: usize| -> Vec<i64> {
        let (mut planner, _) = Planner::new(None, schedule, &records, begin);
        let mut now = time("2026-11-24T23:00:00Z");
        let mut found = Vec::new();
        for _ in 0..tries {
            planner.look(now);
            let run = planner.next(now).expect("a run");
            let pause = planner.failed(&run, now, now, json!({"key": "x"}));
            assert_eq!(planner.next(later(now, pause.as_secs() - 1)), None, "not before the pause is over");
            found.push(pause.as_secs());
            now = later(now, pause.as_secs());
        }
        found
    };
    assert_eq!(pauses(seed(), 8), [60, 120, 240, 480, 960, 1800, 1800, 1800]);
    let often = schedule(&[(Job::Incremental, "*/10 * * * *"), (Job::Validate, "off")], "UTC");
    assert_eq!(pauses(often, 4), [60, 75, 75, 75]);
    let accelerated = schedule(&[(Job::Incremental, "*/3 * * * * *"), (Job::Validate, "off")], "UTC");
    assert_eq!(pauses(accelerated, 2), [1, 1]);
}

#[test]
fn a_job_that_is_always_due_leaves_the_others_their_turn() {
    let begin = time("2026-11-24T12:00:00Z");
    let jobs = [(Job::Full, "* * * * * *"), (Job::Incremental, "*/10 * * * * *"), (Job::Cleanup, "*/20 * * * * *")];
    let (mut planner, _) = Planner::new(None, schedule(&jobs, "UTC"), &[record(1, Job::Full, None)], begin);
    let mut now = begin;
    let mut turns = std::collections::BTreeMap::new();
    while now < later(begin, 60) {
        planner.look(now);
        let Some(run) = planner.next(now) else {
            now = later(now, 1);
            continue;
        };
        // Each takes two seconds: there is always another FULL due.
        now = later(now, 2);
        planner.done(&run, now, now, RunNote::RunNoteNothing {}.value());
        *turns.entry(run.job).or_insert(0) += 1;
    }
    assert_eq!((turns[&Job::Incremental], turns[&Job::Cleanup]), (5, 2), "{turns:?}");
}

#[test]
fn busy_is_no_failure_and_is_told_once() {
    let begin = time("2026-11-24T22:59:59Z");
    let records = vec![record(1, Job::Full, None)];
    let (mut planner, _) = Planner::new(None, seed(), &records, begin);
    let mut now = time("2026-11-24T23:00:00Z");
    for round in 0..5 {
        planner.look(now);
        let run = planner.next(now).expect("a run");
        assert_eq!(run.attempt, 1);
        assert_eq!(planner.begin(&run, BackupId(1), now), round == 0);
        assert_eq!(planner.busy(&run, now), round == 0);
        assert_eq!(planner.next(now), None);
        now = later(now, 5);
    }
}

#[test]
fn a_small_step_back_of_the_clock_repeats_nothing_and_a_big_one_stops_nothing() {
    let begin = time("2026-11-24T12:00:00Z");
    let mut records = vec![record(1, Job::Full, None)];
    let (mut planner, _) = Planner::new(None, seed(), &records, begin);
    let evening = time("2026-11-24T23:00:01Z");
    assert_eq!(drain(&mut planner, &mut records, evening).len(), 1);
    for minutes in [-30, -10, -1, 0, 1] {
        assert_eq!(drain(&mut planner, &mut records, later(evening, minutes * 60)), [], "{minutes} minutes");
    }
    // It ran three years ahead, and everything was done there; then it is set right.
    let ahead = time("2029-11-24T23:00:01Z");
    assert!(!drain(&mut planner, &mut records, ahead).is_empty());
    assert_eq!(keys(&planner.look(later(evening, 600))), ["clock-set-back"]);
    assert_eq!(drain(&mut planner, &mut records, later(evening, 600)), []);
    let next = time("2026-11-25T23:00:00Z");
    assert!(drain(&mut planner, &mut records, next).contains(&(Job::Incremental, next)));
}

#[test]
fn a_changed_rule_makes_nothing_up_and_forgets_nothing() {
    let begin = time("2026-11-24T12:00:00Z");
    let mut records = vec![record(1, Job::Full, None)];
    let (mut planner, _) = Planner::new(None, seed(), &records, begin);
    // By the new rule the 10th of November would have been due.
    let events = planner.adopt(schedule(&[(Job::Full, "0 0 10 * *")], "UTC"), begin);
    assert_eq!(keys(&events), ["schedule-changed"]);
    assert_eq!(drain(&mut planner, &mut records, begin), []);
    // The evening's run fails, and the rule changes before it is tried again.
    let evening = time("2026-11-24T23:00:00Z");
    planner.look(evening);
    let run = planner.next(evening).expect("a run");
    planner.failed(&run, evening, evening, json!({"key": "x"}));
    let night = later(evening, 30);
    planner.adopt(schedule(&[(Job::Incremental, "0 4 * * *")], "UTC"), night);
    assert_eq!(drain(&mut planner, &mut records, later(night, 60)), [(Job::Incremental, evening)]);
    // Switched off, it owes nothing.
    let next = time("2026-11-25T04:00:00Z");
    planner.look(next);
    planner.adopt(schedule(&[(Job::Incremental, "off")], "UTC"), next);
    let ran = drain(&mut planner, &mut records, time("2026-11-26T12:00:00Z"));
    assert!(ran.iter().all(|(job, _)| *job == Job::Validate), "{ran:?}");
}

#[test]
fn records_stand_in_for_a_lost_memory() {
    let due = time("2026-11-24T23:00:00Z");
    let mut records = vec![record(1, Job::Full, None), record(2, Job::Incremental, Some(due))];
    let now = time("2026-11-25T10:00:00Z");
    let (mut planner, _) = Planner::new(None, seed(), &records, now);
    assert_eq!(drain(&mut planner, &mut records, now), []);
    // Two days later the one of the 25th was missed.
    let later = time("2026-11-26T10:00:00Z");
    let (mut planner, _) = Planner::new(None, seed(), &records, later);
    assert_eq!(drain(&mut planner, &mut records, later), [(Job::Incremental, time("2026-11-25T23:00:00Z"))]);
}

#[test]
fn an_increment_that_became_a_full_is_known_after_a_crash() {
    let begin = time("2026-11-24T12:00:00Z");
    let mut records = vec![record(1, Job::Full, None)];
    let (mut planner, _) = Planner::new(None, seed(), &records, begin);
    let due = time("2026-11-24T23:00:00Z");
    planner.look(due);
    let run = planner.next(due).expect("a run");
    planner.begin(&run, BackupId(1), due);
    let memory: Memory = planner.memory().clone();
    // It was committed as a FULL, and the process died before it could remember.
    records.push(record(2, Job::Full, Some(due)));
    let (mut planner, _) = Planner::new(Some(memory), seed(), &records, later(due, 60));
    assert_eq!(drain(&mut planner, &mut records, later(due, 60)), []);
}

/// One thing that happens to the daemon.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It stays up for so long.
    Up(i64),
    /// It is off for so long; the next thing begins with a start.
    Off(i64),
    /// The next run fails, or is busy.
    Fails,
    Busy,
    /// It is killed at the next run: before the memory is durable, after it, after the commit.
    KilledBefore,
    KilledDuring,
    KilledAfter,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1_i64..200_000).prop_map(Step::Up),
        2 => (1_i64..2_000_000).prop_map(Step::Off),
        1 => Just(Step::Fails),
        1 => Just(Step::Busy),
        1 => Just(Step::KilledBefore),
        1 => Just(Step::KilledDuring),
        1 => Just(Step::KilledAfter),
    ];
    prop::collection::vec(step, 1..40)
}

/// The daemon, its disk, and the repository's records.
struct World {
    schedule: Schedule,
    now: Timestamp,
    disk: Option<Memory>,
    records: Vec<BackupRecord>,
    planner: Option<Planner>,
    first_start: Timestamp,
    trouble: Option<Step>,
    /// What ran since the last start, within the first round.
    since_start: Vec<(Job, Timestamp)>,
}

impl World {
    fn start(&mut self) {
        let (planner, _) = Planner::new(self.disk.clone(), self.schedule.clone(), &self.records, self.now);
        self.disk = Some(planner.memory().clone());
        self.planner = Some(planner);
        self.since_start.clear();
    }

    /// Stays up until an instant, running what is due; killed on the way, it starts again at once.
    fn up_to(&mut self, end: Timestamp) {
        while self.now < end {
            if self.planner.is_none() {
                self.start();
            }
            let planner = self.planner.as_mut().expect("a planner");
            planner.look(self.now);
            match planner.next(self.now) {
                Some(run) => self.run(&run),
                None => self.now = planner.wake_at(self.now).max(later(self.now, 1)).min(end),
            }
        }
    }

    fn run(&mut self, run: &Run) {
        // Only ever the last due time, however many were missed.
        let is_first_full = run.job == Job::Full && run.due_at == self.first_start;
        let last = self.schedule.latest_due(run.job, self.first_start, self.now);
        assert!(last == Some(run.due_at) || is_first_full, "{run:?} at {}, last due {last:?}", self.now);
        let planner = self.planner.as_mut().expect("a planner");
        if planner.already_taken(run, &self.records).is_some() {
            planner.done(run, self.now, self.now, RunNote::RunNoteNothing {}.value());
            self.disk = Some(planner.memory().clone());
            return;
        }
        let trouble = self.trouble.take();
        if matches!(trouble, Some(Step::KilledBefore)) {
            return self.planner = None;
        }
        planner.begin(run, BackupId(self.records.len() as u64), self.now);
        self.disk = Some(planner.memory().clone());
        self.now = later(self.now, 7);
        match trouble {
            Some(Step::KilledDuring) => return self.planner = None,
            Some(Step::Fails) => {
                planner.failed(run, self.now, self.now, json!({"key": "x"}));
            }
            Some(Step::Busy) => {
                planner.busy(run, self.now);
            }
            _ => {
                if run.job.backup_kind().is_some() {
                    self.records.push(record(self.records.len() as u64 + 1, run.job, Some(run.due_at)));
                }
                if matches!(trouble, Some(Step::KilledAfter)) {
                    return self.planner = None;
                }
                planner.done(run, self.now, self.now, RunNote::RunNoteNothing {}.value());
                self.since_start.push((run.job, run.due_at));
            }
        }
        self.disk = Some(planner.memory().clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn whatever_dies_each_last_due_time_gets_one_backup_and_no_other_gets_any(
        steps in steps(),
        start in 1_760_000_000_i64..1_800_000_000,
        which in 0_usize..3,
    ) {
        let schedule = match which {
            0 => schedule(&[], "Europe/Madrid"),
            1 => schedule(&[(Job::Full, "0 0 * * MON"), (Job::Differential, "0 */6 * * *"), (Job::Incremental, "30 * * * *")],
                "America/Argentina/Buenos_Aires"),
            // All due together.
            _ => schedule(&[(Job::Full, "0 0 * * *"), (Job::Differential, "0 */12 * * *"), (Job::Incremental, "0 */4 * * *"),
                (Job::Validate, "off"), (Job::Cleanup, "off"), (Job::Drill, "off")], "UTC"),
        };
        let first_start = Timestamp::from_second(start).expect("a time");
        let mut world = World { schedule, now: first_start, disk: None, records: Vec::new(), planner: None, first_start,
            trouble: None, since_start: Vec::new() };
        world.start();
        for step in steps {
            match step {
                Step::Up(seconds) => world.up_to(later(world.now, seconds)),
                Step::Off(seconds) => {
                    world.planner = None;
                    world.now = later(world.now, seconds);
                    world.start();
                    let started = world.now;
                    let is_smooth = world.trouble.is_none();
                    // Time enough for what is made up: each job once, in their order.
                    world.up_to(later(started, 40));
                    if !is_smooth {
                        continue;
                    }
                    let made_up = world.since_start.iter().filter(|(_, due_at)| *due_at <= started);
                    let jobs: Vec<Job> = made_up.map(|(job, _)| *job).collect();
                    let mut in_order = jobs.clone();
                    in_order.sort_unstable();
                    in_order.dedup();
                    prop_assert_eq!(jobs, in_order);
                }
                trouble => world.trouble = Some(trouble),
            }
        }
        // In the end all is quiet: whatever was due last is there, and nothing twice.
        world.trouble = None;
        world.up_to(later(world.now, 4000));
        let mut taken: Vec<_> = world.records.iter().map(|record| (record.kind, record.scheduled_for)).collect();
        let all = taken.len();
        taken.sort_unstable();
        taken.dedup();
        prop_assert_eq!(taken.len(), all, "a due time was taken twice");
        for job in [Job::Full, Job::Differential, Job::Incremental] {
            let Some(last) = world.schedule.latest_due(job, first_start, later(world.now, -60)) else { continue };
            let is_there = world.records.iter().any(|record| {
                Some(record.kind) == job.backup_kind() && record.scheduled_for.is_some_and(|due| due >= last)
            });
            prop_assert!(is_there, "{} of {} is lost", job, last);
        }
    }
}

//! What is to run now? Decided from the schedule, from what is remembered and from the time of day, and from nothing else.
//!
//! A job is due for the *last* due time that is not done: of several that were missed one run is made up. A backup's due time is
//! done when a completed record says that it was taken for it, so that neither a crash between the record and the memory nor a
//! clock that is set back repeats a run.

use super::memory::{JobMemory, LastRun, RunningJob};
use super::{Job, Memory, Pattern, Rule, Run, RunNote, Schedule, SchedulerEvent};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::VecDeque;
use vault::repository::{BackupId, BackupRecord, BackupState};

/// Waking up so much later than was asked for means that the host slept, or that its clock was set.
const OVERSLEPT: SignedDuration = SignedDuration::from_secs(60);
/// A clock that is further back than this was wrong before: what it then called done must not keep everything waiting.
const BACK_TOO_FAR: SignedDuration = SignedDuration::from_hours(24);
/// The first pause after a failure, and the longest.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);
/// How long to let others work before looking again.
const BUSY_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Of a job that runs often: no pause is longer than this part of the time between two runs, or shorter than a second.
const PAUSES_A_PERIOD: i32 = 8;
const SHORTEST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// When nothing is due ever.
const IDLE: SignedDuration = SignedDuration::from_hours(1);

/// Decides what runs.
pub struct Planner {
    schedule: Schedule,
    memory: Memory,
    jobs: [Progress; Job::ALL.len()],
    /// The jobs that were due when this round began: each gets its turn before any gets a second one.
    round: VecDeque<Job>,
    /// Since then somebody has watched the clock without a break.
    watched_from: Timestamp,
    /// When we look again at the latest.
    expected: Timestamp,
    looked_at: Timestamp,
    is_changed: bool,
}

/// How far a job's due time has come.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    due_at: Option<Timestamp>,
    failures: u32,
    pause: Option<Pause>,
    told_started: bool,
    told_waiting: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    from: Timestamp,
    until: Timestamp,
}

impl Planner {
    /// Begins, or goes on where an earlier process ended in whatever way. `records` are all of the repository.
    ///
    /// At the very first start nothing is made up, but without a completed backup a FULL is due at once.
    pub fn new(
        memory: Option<Memory>,
        schedule: Schedule,
        records: &[BackupRecord],
        now: Timestamp,
    ) -> (Planner, Vec<SchedulerEvent>) {
        let is_first = memory.is_none();
        let mut memory = memory.unwrap_or_else(|| Memory::new(now));
        let mut events = Vec::new();
        for job in Job::ALL {
            let rule = schedule.rule(job).clone();
            memory.jobs.entry(job).or_insert_with(|| {
                let taken = records.iter().filter(|record| is_completed_for(record, job));
                let done_until = taken.filter_map(|record| record.scheduled_for).max().unwrap_or(now);
                JobMemory { rule, done_until, owed: None, last: None }
            });
        }
        let has_backup = records.iter().any(is_whole_cluster);
        if is_first && !has_backup && *schedule.rule(Job::Full) != Rule::Off {
            memory.entry(Job::Full).owed = Some(memory.first_start);
        }
        let mut planner = Planner {
            schedule: schedule.clone(),
            memory,
            jobs: Default::default(),
            round: VecDeque::new(),
            watched_from: now,
            expected: now,
            looked_at: now,
            is_changed: true,
        };
        planner.recover(records, now);
        events.extend(planner.adopt(schedule, now));
        (planner, events)
    }

    /// Settles the run during which an earlier process ended.
    fn recover(&mut self, records: &[BackupRecord], now: Timestamp) {
        let Some(running) = self.memory.running.take() else { return };
        // A DIFERENCIAL without a base became a FULL: the run is known by when it was due and by when its number was drawn.
        let taken = records.iter().find(|record| {
            record.state == BackupState::Completed
                && record.scheduled_for == Some(running.due_at)
                && record.id > running.after_id
        });
        if let (Some(record), Some(_)) = (taken, running.job.backup_kind()) {
            let run = Run { job: running.job, due_at: running.due_at, attempt: 1 };
            let finished_at = record.finished_at.unwrap_or(now);
            self.done(&run, running.started_at, finished_at, RunNote::of_backup(record).value());
        }
    }

    /// Takes over changed rules. What was due by an old rule and is not done stays due, unless the job was switched off; what
    /// would have been due by a new rule before now is not.
    pub fn adopt(&mut self, schedule: Schedule, now: Timestamp) -> Vec<SchedulerEvent> {
        let mut events = Vec::new();
        for job in Job::ALL {
            let rule = schedule.rule(job).clone();
            if self.memory.entry(job).rule == rule {
                continue;
            }
            let zone = self.schedule.zone().clone();
            let entry = self.memory.entry(job);
            // The remembered rule may be one that this program can't read any more: then nothing is known to be due by it.
            let old = Pattern::of(&entry.rule).ok();
            let due = old.and_then(|old| old.latest_due(&zone, entry.done_until, now)).max(entry.owed);
            entry.owed = if rule == Rule::Off { None } else { due };
            entry.done_until = entry.done_until.max(now);
            entry.rule = rule.clone();
            self.is_changed = true;
            let next = schedule.next_after(job, now);
            let next_at = next.map_or(Value::Null, |next| Value::String(next.to_string()));
            events.push(SchedulerEvent::ScheduleChanged { job, rule: rule.to_string(), next_at });
        }
        self.schedule = schedule;
        events
    }

    /// Looks at the clock: what has fallen due, and what became of it meanwhile.
    pub fn look(&mut self, now: Timestamp) -> Vec<SchedulerEvent> {
        let mut events = Vec::new();
        if add(now, OVERSLEPT) < self.looked_at {
            events.push(SchedulerEvent::ClockSetBack { from_at: self.looked_at, to_at: now });
        }
        if now > add(self.expected, OVERSLEPT) {
            self.watched_from = now;
        }
        (self.looked_at, self.expected) = (now, self.expected.max(now));
        for job in Job::ALL {
            self.mend_clock(job, now);
            let due = self.due(job, now);
            let (before, first_start, watched_from) =
                (self.progress(job).due_at, self.memory.first_start, self.watched_from);
            if due == before {
                continue;
            }
            *self.progress(job) = Progress { due_at: due, ..Progress::default() };
            let Some(due_at) = due else { continue };
            if let Some(before) = before {
                events.push(SchedulerEvent::RunReplaced { job, due_at: before, next_at: due_at });
            }
            if due_at < watched_from && due_at != first_start {
                events.push(SchedulerEvent::RunMissed { job, due_at });
            }
        }
        events
    }

    /// A clock that ran ahead and was set right again must not keep a job waiting until it is as late again.
    fn mend_clock(&mut self, job: Job, now: Timestamp) {
        let latest = add(now, BACK_TOO_FAR);
        let entry = self.memory.entry(job);
        if entry.done_until > latest {
            entry.done_until = now;
            self.is_changed = true;
        }
        if entry.owed.is_some_and(|owed| owed > latest) {
            entry.owed = Some(now);
            self.is_changed = true;
        }
        let progress = self.progress(job);
        progress.pause = progress.pause.filter(|pause| pause.from <= now);
    }

    /// Returns the due time that is not done.
    fn due(&self, job: Job, now: Timestamp) -> Option<Timestamp> {
        let entry = self.memory.jobs.get(&job)?;
        let owed = entry.owed.filter(|owed| *owed <= now);
        self.schedule.latest_due(job, entry.done_until, now).max(owed)
    }

    /// Chooses what runs now. To be called after [`Planner::look`].
    pub fn next(&mut self, now: Timestamp) -> Option<Run> {
        if self.round.is_empty() {
            self.round = Job::ALL.into_iter().filter(|job| self.is_ready(*job, now)).collect();
        }
        while let Some(job) = self.round.pop_front() {
            if let Some(due_at) = self.progress(job).due_at.filter(|_| self.is_ready(job, now)) {
                return Some(Run { job, due_at, attempt: self.progress(job).failures.saturating_add(1) });
            }
        }
        None
    }

    fn is_ready(&self, job: Job, now: Timestamp) -> bool {
        let progress = &self.jobs[job.index()];
        progress.due_at.is_some() && progress.pause.is_none_or(|pause| now >= pause.until)
    }

    /// Returns when to look again, if nothing else happens.
    pub fn wake_at(&mut self, now: Timestamp) -> Timestamp {
        let mut wake = add(now, IDLE);
        for job in Job::ALL {
            let progress = *self.progress(job);
            let pause = progress.due_at.map(|_| progress.pause.map_or(now, |pause| pause.until));
            wake = [self.schedule.next_after(job, now), pause].into_iter().flatten().fold(wake, Timestamp::min);
        }
        self.expected = wake.max(now);
        wake
    }

    /// Returns the next due time of all jobs.
    pub fn next_due(&self, now: Timestamp) -> Option<(Job, Timestamp)> {
        let each = Job::ALL.into_iter().filter_map(|job| Some((job, self.schedule.next_after(job, now)?)));
        each.min_by_key(|(job, due)| (*due, *job))
    }

    /// Returns the record that makes a run unneeded: its backup is there.
    pub fn already_taken<'a>(&self, run: &Run, records: &'a [BackupRecord]) -> Option<&'a BackupRecord> {
        let is_first_full = run.job == Job::Full && run.due_at == self.memory.first_start;
        records.iter().rev().find(|record| {
            let is_it = is_completed_for(record, run.job) && record.scheduled_for == Some(run.due_at);
            is_it || (is_first_full && is_whole_cluster(record))
        })
    }

    /// Notes that a run begins. [`Planner::memory`] has to be durable before it does. Returns whether that is news.
    pub fn begin(&mut self, run: &Run, after_id: BackupId, now: Timestamp) -> bool {
        self.memory.running = Some(RunningJob { job: run.job, due_at: run.due_at, after_id, started_at: now });
        self.is_changed = true;
        !std::mem::replace(&mut self.progress(run.job).told_started, true)
    }

    /// Notes that a run came to its end.
    pub fn done(&mut self, run: &Run, started_at: Timestamp, now: Timestamp, note: Value) {
        let entry = self.memory.entry(run.job);
        entry.done_until = entry.done_until.max(run.due_at);
        entry.owed = entry.owed.filter(|owed| *owed > run.due_at);
        entry.last = Some(LastRun { due_at: run.due_at, started_at, finished_at: now, note: Some(note), error: None });
        *self.progress(run.job) = Progress::default();
        self.ended(now);
    }

    /// Notes that a run failed. Returns the pause before the next attempt.
    pub fn failed(&mut self, run: &Run, started_at: Timestamp, now: Timestamp, error: Value) -> SignedDuration {
        let last = LastRun { due_at: run.due_at, started_at, finished_at: now, note: None, error: Some(error) };
        self.memory.entry(run.job).last = Some(last);
        let doublings = run.attempt.saturating_sub(1).min(16);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let pause = self.shortened(run, pause);
        let progress = self.progress(run.job);
        progress.failures = run.attempt;
        progress.pause = Some(Pause { from: now, until: add(now, pause) });
        (progress.told_started, progress.told_waiting) = (false, false);
        self.ended(now);
        pause
    }

    /// Notes that a run has to wait for somebody else. Returns whether that is news.
    pub fn busy(&mut self, run: &Run, now: Timestamp) -> bool {
        let pause = self.shortened(run, BUSY_PAUSE);
        let progress = self.progress(run.job);
        progress.pause = Some(Pause { from: now, until: add(now, pause) });
        let is_news = !std::mem::replace(&mut progress.told_waiting, true);
        self.ended(now);
        is_news
    }

    /// Notes that a run was stopped with the daemon.
    pub fn stopped(&mut self, now: Timestamp) {
        self.ended(now);
    }

    fn ended(&mut self, now: Timestamp) {
        self.memory.running = None;
        self.is_changed = true;
        // While it ran, nobody looked at the clock, and that was as it should be.
        self.expected = now;
    }

    fn shortened(&self, run: &Run, pause: SignedDuration) -> SignedDuration {
        let next = self.schedule.next_after(run.job, run.due_at);
        let Some(period) = next.map(|next| next.duration_since(run.due_at)) else { return pause };
        pause.min((period / PAUSES_A_PERIOD).max(SHORTEST_PAUSE))
    }

    /// Returns what is to be remembered.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Returns whether that has changed since it was last said to be written.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Takes note that the memory is durable as it is now.
    pub fn written(&mut self) {
        self.is_changed = false;
    }

    /// Returns the rules.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn progress(&mut self, job: Job) -> &mut Progress {
        &mut self.jobs[job.index()]
    }
}

impl Memory {
    /// Returns what is known of a job; [`Planner::new`] has made one for each.
    fn entry(&mut self, job: Job) -> &mut JobMemory {
        let first_start = self.first_start;
        self.jobs.entry(job).or_insert_with(|| JobMemory {
            rule: job.default_rule(),
            done_until: first_start,
            owed: None,
            last: None,
        })
    }
}

/// Tells whether a record is of a completed backup of a job's kind.
fn is_completed_for(record: &BackupRecord, job: Job) -> bool {
    is_whole_cluster(record) && Some(record.kind) == job.backup_kind()
}

/// Tells whether a record is of a completed backup of the whole cluster. Dumps, which somebody takes beside the schedule, do for nothing
/// that is due.
fn is_whole_cluster(record: &BackupRecord) -> bool {
    record.state == BackupState::Completed && record.is_physical()
}

fn add(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    instant.checked_add(duration).unwrap_or(Timestamp::MAX)
}

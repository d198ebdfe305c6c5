use super::{
    Clock, Job, Memory, Planner, Rules, Run, RunFailure, RunNote, Runner, Schedule, ScheduleError, SchedulerEvent,
    stored_rules,
};
use engine::Cancel;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use vault::repository::{BackupId, Repository, RepositoryError};

/// How often the rules are read anew.
const RELOAD: SignedDuration = SignedDuration::from_secs(3);

/// What the configuration file says of the schedule, read anew whenever it is asked.
pub trait RuleFile: Send + Sync {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the file: `{"key": …, arguments}`.
    fn read(&self) -> Result<FileRules, Value>;
}

/// What stands in the configuration file.
#[derive(Debug, Clone)]
pub struct FileRules {
    /// The rules that it sets.
    pub rules: Rules,
    /// The zone that times of day are meant in.
    pub zone: TimeZone,
}

/// What the scheduler is doing, for whoever shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SchedulerStatus {
    /// What runs, and since when.
    pub running: Option<(Job, Timestamp)>,
    /// What is due next, and when.
    pub next: Option<(Job, Timestamp)>,
}

/// Is told what the scheduler does. Called from its thread.
pub trait SchedulerWatch: Send + Sync {
    /// Something happened.
    fn event(&self, event: SchedulerEvent);
    /// It has come around once more. Not called while a run is under way.
    fn alive(&self) {}
    /// What it does has changed.
    fn status(&self, _status: &SchedulerStatus) {}
}

/// Runs the schedule of one repository, one run after another.
pub struct Scheduler<'a> {
    /// Whose records tell what is done, and where rules and memory lie.
    pub repository: &'a Repository,
    /// The configuration file.
    pub rule_file: &'a dyn RuleFile,
    /// Does the work.
    pub runner: &'a dyn Runner,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Is told.
    pub watch: &'a dyn SchedulerWatch,
}

/// What changes from one time around to the next.
struct State {
    planner: Planner,
    reloaded_at: Timestamp,
    /// A fault is told once, not every few seconds.
    told_reload: Option<Value>,
    told_memory: Option<Value>,
    status: SchedulerStatus,
}

impl Scheduler<'_> {
    /// Runs what is due until cancelled.
    ///
    /// # Errors
    /// Only at the beginning: rules that can't be read, records that can't be listed. Everything later is told and tried again.
    /// # Cancellation
    /// A run that is under way is stopped, and made up at the next start.
    pub fn run(&self, cancel: &Cancel) -> Result<(), SchedulerStartError> {
        let mut state = self.begin()?;
        while !cancel.is_cancelled() {
            self.watch.alive();
            self.reload(&mut state);
            let now = self.clock.now();
            state.planner.look(now).into_iter().for_each(|event| self.watch.event(event));
            let _told = self.keep(&mut state);
            self.show(&mut state, None, now);
            match state.planner.next(now) {
                Some(run) => self.execute(&mut state, &run, cancel),
                None => {
                    let wake = state.planner.wake_at(now).min(later(now, RELOAD));
                    self.clock.wait_until(wake, cancel);
                }
            }
        }
        Ok(())
    }

    fn begin(&self) -> Result<State, SchedulerStartError> {
        let schedule = self.schedule()?;
        let memory = match Memory::read(self.repository) {
            Ok(memory) => memory,
            // A storage that does not answer may hold a good one.
            Err(error @ ScheduleError::Storage(_)) => return Err(error.into()),
            Err(error) => {
                self.watch.event(SchedulerEvent::SchedulerMemoryLost { error: value(&error) });
                None
            }
        };
        let records = self.repository.contents()?.records;
        let now = self.clock.now();
        let (planner, events) = Planner::new(memory, schedule, &records, now);
        events.into_iter().for_each(|event| self.watch.event(event));
        let status = SchedulerStatus::default();
        let mut state = State { planner, reloaded_at: now, told_reload: None, told_memory: None, status };
        let _told = self.keep(&mut state);
        Ok(state)
    }

    fn schedule(&self) -> Result<Schedule, SchedulerStartError> {
        let file = self.rule_file.read().map_err(SchedulerStartError::File)?;
        Ok(Schedule::of(&file.rules, &stored_rules(self.repository)?, file.zone)?)
    }

    /// Takes over what was changed in the configuration file and in the repository. The contents are compared, not the times of
    /// the files: a file that was put back is no change, and one that was changed twice in a second is.
    fn reload(&self, state: &mut State) {
        let now = self.clock.now();
        let since = now.duration_since(state.reloaded_at);
        if since < RELOAD && !since.is_negative() {
            return;
        }
        state.reloaded_at = now;
        match self.schedule() {
            Ok(schedule) => {
                state.told_reload = None;
                if schedule != *state.planner.schedule() {
                    state.planner.adopt(schedule, now).into_iter().for_each(|event| self.watch.event(event));
                }
            }
            Err(error) => {
                let error = error.into_value();
                if state.told_reload.as_ref() != Some(&error) {
                    self.watch.event(SchedulerEvent::ScheduleReloadFailed { error: error.clone() });
                    state.told_reload = Some(error);
                }
            }
        }
    }

    /// Makes the memory durable if it has changed; tells, once, why it can't.
    fn keep(&self, state: &mut State) -> Result<(), Value> {
        if !state.planner.is_changed() {
            return Ok(());
        }
        match state.planner.memory().write(self.repository) {
            Ok(()) => {
                state.planner.written();
                state.told_memory = None;
                Ok(())
            }
            Err(error) => {
                let error = value(&error);
                if state.told_memory.as_ref() != Some(&error) {
                    self.watch.event(SchedulerEvent::SchedulerMemoryUnwritten { error: error.clone() });
                    state.told_memory = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    fn show(&self, state: &mut State, running: Option<(Job, Timestamp)>, now: Timestamp) {
        let status = SchedulerStatus { running, next: state.planner.next_due(now) };
        if status != state.status {
            self.watch.status(&status);
            state.status = status;
        }
    }

    /// Runs one job, and takes note of how it ended.
    fn execute(&self, state: &mut State, run: &Run, cancel: &Cancel) {
        let Run { job, due_at, attempt } = *run;
        let started_at = self.clock.now();
        let records = match self.repository.contents() {
            Ok(contents) => contents.records,
            Err(error) => return self.fail(state, run, started_at, value(&error)),
        };
        if let Some(record) = state.planner.already_taken(run, &records) {
            let note = RunNote::of_backup(record).value();
            self.watch.event(SchedulerEvent::RunUnneeded { job, due_at, note: note.clone() });
            return state.planner.done(run, started_at, started_at, note);
        }
        let after_id = records.iter().map(|record| record.id).max().unwrap_or(BackupId(0));
        let is_news = state.planner.begin(run, after_id, started_at);
        // Without it a crash after the commit could take the same backup twice.
        if let Err(error) = self.keep(state) {
            return self.fail(state, run, started_at, error);
        }
        if is_news {
            self.watch.event(SchedulerEvent::RunStarted { job, due_at });
        }
        self.show(state, Some((job, started_at)), started_at);
        let result = self.runner.run(run, cancel);
        let now = self.clock.now();
        let seconds = now.duration_since(started_at).as_secs().unsigned_abs();
        match result {
            Ok(summary) => {
                state.planner.done(run, started_at, now, summary.note.clone());
                let note = summary.note;
                self.watch.event(match summary.has_faults {
                    false => SchedulerEvent::RunFinished { job, due_at, seconds, note },
                    true => SchedulerEvent::RunFoundFaults { job, due_at, seconds, note },
                });
            }
            Err(RunFailure::Stopped) if cancel.is_cancelled() => {
                state.planner.stopped(now);
                self.watch.event(SchedulerEvent::RunStopped { job, due_at });
            }
            Err(RunFailure::Stopped) => {
                // Somebody else cancelled it, on the server, say.
                let error = serde_json::json!({"key": "cancelled"});
                self.fail(state, &Run { job, due_at, attempt }, started_at, error);
            }
            Err(RunFailure::Busy(error)) => {
                if state.planner.busy(run, now) {
                    self.watch.event(SchedulerEvent::RunWaiting { job, due_at, error });
                }
            }
            Err(RunFailure::Failed(error)) => self.fail(state, run, started_at, error),
        }
        // What can't be written now is written the next time around; until then this process remembers.
        let _told = self.keep(state);
    }

    fn fail(&self, state: &mut State, run: &Run, started_at: Timestamp, error: Value) {
        let pause = state.planner.failed(run, started_at, self.clock.now(), error.clone());
        let (job, due_at, attempt) = (run.job, run.due_at, u64::from(run.attempt));
        let seconds = pause.as_secs().unsigned_abs();
        self.watch.event(SchedulerEvent::RunFailed { job, due_at, attempt, seconds, error });
    }
}

/// Why the schedule can't begin.
#[derive(Debug)]
pub enum SchedulerStartError {
    /// What is wrong with the configuration file: `{"key": …, arguments}`.
    File(Value),
    /// The rules in the repository.
    Schedule(ScheduleError),
    /// The repository itself.
    Repository(RepositoryError),
}

impl SchedulerStartError {
    /// Returns it as logs hold it.
    pub fn into_value(self) -> Value {
        match self {
            SchedulerStartError::File(error) => error,
            SchedulerStartError::Schedule(error) => value(&error),
            SchedulerStartError::Repository(error) => value(&error),
        }
    }
}

impl From<ScheduleError> for SchedulerStartError {
    fn from(error: ScheduleError) -> Self {
        SchedulerStartError::Schedule(error)
    }
}

impl From<RepositoryError> for SchedulerStartError {
    fn from(error: RepositoryError) -> Self {
        SchedulerStartError::Repository(error)
    }
}

fn value<E: serde::Serialize>(error: &E) -> Value {
    serde_json::to_value(error).unwrap_or_default()
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

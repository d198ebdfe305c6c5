use super::jobs::{DaemonHooks, JobRunner};
use super::monitor::Pulse;
use super::receiver::keep_receiving;
use super::teller::Teller;
use super::{DaemonError, DaemonEvent, DaemonLock, DaemonLog, DaemonMonitor, DaemonState, ReceiverSettings, lock};
use crate::replica::{ReplicaEvent, ReplicaLog, ReplicaPolicies, ReplicaSettings, keep_replica};
use crate::scheduler::{RuleFile, Scheduler, SystemClock};
use engine::Cancel;
use engine::backup::BackupOptions;
use engine::cluster::ConnectionSettings;
use engine::wal::ReceiveOptions;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};
use vault::journal::Journal;
use vault::repository::Repository;

/// How often the parts are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often they are said to be alive.
const ALIVE: Duration = Duration::from_secs(1);

/// What the daemon works with.
pub struct DaemonSettings<'a> {
    /// The server.
    pub connection: ConnectionSettings,
    /// Where backups and WAL go.
    pub repository: Repository,
    /// How WAL is received; `None` when it is not. `stop` is overridden.
    pub receive: Option<ReceiveOptions>,
    /// How the schedule is run; `None` when it is not.
    pub schedule: Option<ScheduleSettings<'a>>,
    /// The replicas that are kept.
    pub replicas: Vec<ReplicaSettings>,
    /// What their retention stands on.
    pub policies: &'a dyn ReplicaPolicies,
}

/// What the schedule is run with.
pub struct ScheduleSettings<'a> {
    /// How backups are taken.
    pub backups: BackupOptions,
    /// The rules that the configuration file sets.
    pub rule_file: &'a dyn RuleFile,
    /// Does everything that is no backup.
    pub hooks: &'a dyn DaemonHooks,
}

/// One part of the daemon, in a thread of its own.
struct Part<'scope> {
    name: &'static str,
    thread: ScopedJoinHandle<'scope, Result<(), DaemonError>>,
}

/// Stays up until cancelled: receives WAL and runs the schedule.
///
/// # Errors
/// `DaemonBusy` when another daemon works for this repository; what makes the receiver or the schedule hopeless at the beginning;
/// `DaemonPartDied`. Everything else is logged and tried again.
/// # Cancellation
/// A run that is under way is stopped, and made up at the next start; everything received is durable.
pub fn run(
    settings: &DaemonSettings<'_>,
    log: &dyn DaemonLog,
    monitor: &dyn DaemonMonitor,
    cancel: &Cancel,
) -> Result<(), DaemonError> {
    run_holding(lock::take_lock(settings)?, settings, log, monitor, cancel)
}

/// Does the same with a lock that was taken already.
///
/// # Errors
/// Those of [`run`]; `DaemonLockLost` when another daemon took over, because this one was paused, or cut off, for longer than its lock
/// lasts: then it has stopped all that it did.
/// # Cancellation
/// As [`run`].
pub fn run_holding(
    lock: DaemonLock,
    settings: &DaemonSettings<'_>,
    log: &dyn DaemonLog,
    monitor: &dyn DaemonMonitor,
    cancel: &Cancel,
) -> Result<(), DaemonError> {
    monitor.state(DaemonState::Starting);
    let result = run_locked(lock, settings, log, monitor, cancel);
    monitor.state(DaemonState::Stopped);
    result
}

fn run_locked(
    lock: DaemonLock,
    settings: &DaemonSettings<'_>,
    log: &dyn DaemonLog,
    monitor: &dyn DaemonMonitor,
    cancel: &Cancel,
) -> Result<(), DaemonError> {
    let repository = &settings.repository;
    let teller = Teller::new(log, Journal::of(repository));
    let storage = repository.storage().describe();
    teller.record(&DaemonEvent::DaemonStarted { pid: std::process::id(), repository: storage });
    let pulse = Pulse::new(&teller, monitor);
    // The parts are stopped together, by a signal or by the end of one of them.
    let stop = Cancel::new();
    let told = ReplicaTeller(&teller);
    let result = std::thread::scope(|scope| {
        let mut parts = Vec::new();
        parts.extend(receiver(scope, settings, &teller, &stop));
        parts.extend(scheduler(scope, settings, &lock, &pulse, &stop));
        parts.extend(settings.replicas.iter().map(|replica| replica_part(scope, settings, replica, &told, &stop)));
        supervise(&parts, &lock, settings.schedule.is_some().then_some(&pulse), monitor, cancel);
        if lock.is_lost() {
            let (host, pid, since) = lock::words(lock::daemon_holder(repository).ok().flatten());
            teller.record(&DaemonEvent::DaemonLockLost { host, pid, since });
        }
        monitor.state(DaemonState::Stopping);
        stop.cancel();
        // All are waited for, whatever the first one says.
        let ends: Vec<_> = parts.into_iter().map(end_of).collect();
        ends.into_iter().find(Result::is_err).unwrap_or(Ok(()))
    });
    teller.record(&DaemonEvent::DaemonStopped {});
    let is_lost = lock.is_lost();
    lock.release();
    match result {
        // What its parts met then, they met because of it.
        _ if is_lost => {
            let (host, pid, since) = lock::words(lock::daemon_holder(repository).ok().flatten());
            Err(DaemonError::DaemonLockLost { host, pid, since })
        }
        result => result,
    }
}

fn receiver<'scope>(
    scope: &'scope Scope<'scope, '_>,
    settings: &'scope DaemonSettings<'_>,
    log: &'scope dyn DaemonLog,
    stop: &'scope Cancel,
) -> Option<Part<'scope>> {
    let receiver = ReceiverSettings {
        connection: settings.connection.clone(),
        repository: settings.repository.clone(),
        receive: settings.receive.clone()?,
    };
    let is_alone = settings.schedule.is_none();
    let thread = scope.spawn(move || Ok(keep_receiving(&receiver, is_alone, log, stop)?));
    Some(Part { name: "receiver", thread })
}

fn scheduler<'scope>(
    scope: &'scope Scope<'scope, '_>,
    settings: &'scope DaemonSettings<'_>,
    lock: &'scope DaemonLock,
    pulse: &'scope Pulse<'_>,
    stop: &'scope Cancel,
) -> Option<Part<'scope>> {
    let schedule = settings.schedule.as_ref()?;
    let thread = scope.spawn(move || {
        let runner = JobRunner {
            connection: &settings.connection,
            repository: &settings.repository,
            backups: &schedule.backups,
            hooks: schedule.hooks,
            lock,
        };
        let scheduler = Scheduler {
            repository: &settings.repository,
            rule_file: schedule.rule_file,
            runner: &runner,
            clock: &SystemClock,
            watch: pulse,
        };
        Ok(scheduler.run(stop)?)
    });
    Some(Part { name: "scheduler", thread })
}

/// Takes what replicas tell into the log.
struct ReplicaTeller<'a>(&'a dyn DaemonLog);

impl ReplicaLog for ReplicaTeller<'_> {
    fn replica_event(&self, event: ReplicaEvent) {
        self.0.record(&DaemonEvent::Replica(event));
    }
}

fn replica_part<'scope>(
    scope: &'scope Scope<'scope, '_>,
    settings: &'scope DaemonSettings<'_>,
    replica: &'scope ReplicaSettings,
    log: &'scope dyn ReplicaLog,
    stop: &'scope Cancel,
) -> Part<'scope> {
    let thread = scope.spawn(move || {
        keep_replica(&settings.repository, replica, settings.policies, log, stop);
        Ok(())
    });
    Part { name: "replica", thread }
}

/// Watches the parts until one of them ends, the lock is lost, or until cancelled. What it calls alive is alive: each thread is there, and the
/// scheduler's comes around.
fn supervise(
    parts: &[Part<'_>],
    lock: &DaemonLock,
    pulse: Option<&Pulse<'_>>,
    monitor: &dyn DaemonMonitor,
    cancel: &Cancel,
) {
    let mut is_running = false;
    let mut told_alive: Option<Instant> = None;
    while !cancel.is_cancelled() && !lock.is_lost() && parts.iter().all(|part| !part.thread.is_finished()) {
        if !is_running && pulse.is_none_or(Pulse::has_begun) {
            monitor.state(DaemonState::Running);
            is_running = true;
        }
        if told_alive.is_none_or(|told| told.elapsed() >= ALIVE) && pulse.is_none_or(Pulse::is_alive) {
            monitor.alive();
            told_alive = Some(Instant::now());
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits for a part.
fn end_of(part: Part<'_>) -> Result<(), DaemonError> {
    match part.thread.join() {
        Ok(result) => result,
        Err(_) => Err(DaemonError::DaemonPartDied { part: part.name.to_owned() }),
    }
}

use super::{DaemonEvent, DaemonLog};
use crate::scheduler::{SchedulerEvent, SchedulerStatus, SchedulerWatch};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A scheduler that has not come around for so long, and runs nothing, hangs. It lists the repository each time around.
const STALE: Duration = Duration::from_secs(120);

/// How far the daemon is: the states that a service manager knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonState {
    /// It takes its lock and reads the schedule.
    Starting,
    /// It works.
    Running,
    /// It was told to stop, and ends what is under way.
    Stopping,
    /// It has ended.
    Stopped,
}

/// Is told how the daemon is: the door to systemd, to Windows' service manager, and to tests. Called from the daemon's threads.
pub trait DaemonMonitor: Send + Sync {
    /// It has entered a state.
    fn state(&self, state: DaemonState);
    /// Every part has shown that it is alive; about once a second.
    fn alive(&self) {}
    /// What the scheduler does has changed.
    fn scheduler(&self, _status: &SchedulerStatus) {}
}

/// Takes no interest.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMonitor;

impl DaemonMonitor for NoMonitor {
    fn state(&self, _state: DaemonState) {}
}

/// What the scheduler's thread shows of itself.
pub(super) struct Pulse<'a> {
    log: &'a dyn DaemonLog,
    monitor: &'a dyn DaemonMonitor,
    begin: Instant,
    /// Milliseconds after `begin`, plus one; 0 before the first time around.
    beat: AtomicU64,
    is_working: AtomicBool,
}

impl<'a> Pulse<'a> {
    pub fn new(log: &'a dyn DaemonLog, monitor: &'a dyn DaemonMonitor) -> Self {
        let (beat, is_working) = (AtomicU64::new(0), AtomicBool::new(false));
        Pulse { log, monitor, begin: Instant::now(), beat, is_working }
    }

    /// Tells whether it has begun its work.
    pub fn has_begun(&self) -> bool {
        self.beat.load(Ordering::Relaxed) > 0
    }

    /// Tells whether it came around lately, or has a run under way, which may take as long as it takes.
    pub fn is_alive(&self) -> bool {
        let age = self.now().saturating_sub(self.beat.load(Ordering::Relaxed));
        self.is_working.load(Ordering::Relaxed) || Duration::from_millis(age) < STALE
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl SchedulerWatch for Pulse<'_> {
    fn event(&self, event: SchedulerEvent) {
        self.log.record(&DaemonEvent::Schedule(event));
    }

    fn alive(&self) {
        self.beat.store(self.now(), Ordering::Relaxed);
    }

    fn status(&self, status: &SchedulerStatus) {
        self.is_working.store(status.running.is_some(), Ordering::Relaxed);
        self.monitor.scheduler(status);
    }
}

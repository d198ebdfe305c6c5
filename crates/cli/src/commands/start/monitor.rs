//! How does a service manager know how the daemon is? systemd is told over its socket; without one nobody is.

use crate::app::Session;
use cadena::daemon::{DaemonMonitor, DaemonState};
use cadena::scheduler::SchedulerStatus;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tells systemd, if it asked (`NOTIFY_SOCKET`), of readiness, of what is being done, and that the daemon is alive.
pub struct ServiceManager<'a> {
    session: &'a Session,
    /// How often it wants to hear that the daemon is alive (`WATCHDOG_USEC`).
    watchdog: Option<Duration>,
    told_alive: Mutex<Option<Instant>>,
}

impl<'a> ServiceManager<'a> {
    /// Makes one for this process.
    pub fn of(session: &'a Session) -> Self {
        ServiceManager { session, watchdog: watchdog(), told_alive: Mutex::new(None) }
    }

    fn status_text(&self, status: &SchedulerStatus) -> String {
        let (locale, zone) = (&self.session.locale, self.session.zone());
        let words = |job: cadena::scheduler::Job, at| {
            [("job", job.word().into()), ("time", crate::render::units::local_time(at, zone).into())]
        };
        match (status.running, status.next) {
            (Some((job, since)), _) => locale.say_with("service-running", &words(job, since)),
            (None, Some((job, due))) => locale.say_with("service-next", &words(job, due)),
            (None, None) => locale.say("service-idle"),
        }
    }
}

impl DaemonMonitor for ServiceManager<'_> {
    fn state(&self, state: DaemonState) {
        match state {
            DaemonState::Running => notify(Message::Ready),
            DaemonState::Stopping => notify(Message::Stopping),
            DaemonState::Starting | DaemonState::Stopped => {}
        }
    }

    fn alive(&self) {
        let Some(watchdog) = self.watchdog else { return };
        let mut told = self.told_alive.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= watchdog / 4) {
            notify(Message::Alive);
            *told = Some(Instant::now());
        }
    }

    fn scheduler(&self, status: &SchedulerStatus) {
        notify(Message::Status(&self.status_text(status)));
    }
}

/// What systemd is told.
enum Message<'a> {
    Ready,
    Stopping,
    Alive,
    Status(&'a str),
}

#[cfg(unix)]
fn notify(message: Message<'_>) {
    let state = match message {
        Message::Ready => sd_notify::NotifyState::Ready,
        Message::Stopping => sd_notify::NotifyState::Stopping,
        Message::Alive => sd_notify::NotifyState::Watchdog,
        Message::Status(text) => sd_notify::NotifyState::Status(text),
    };
    // A manager that went away is no reason to stop; if it misses the message, it acts on that itself.
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

#[cfg(unix)]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Windows' service manager asks over a handle that only a process registered with it has; it would be told from here.
#[cfg(not(unix))]
fn notify(message: Message<'_>) {
    if let Message::Status(text) = message {
        tracing::debug!(text, "no service manager");
    }
}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}

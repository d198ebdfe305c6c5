use super::{DaemonEvent, DaemonLog};
use engine::wal::{ReceiveEvent, ReceiveObserver};
use jiff::Timestamp;
use pgformat::{Lsn, TimelineId};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Behind for so long is worth a warning.
const LAG_WARNING_SECONDS: i64 = 60;

/// Passes what the receiver tells on to the log, and watches its lag.
pub struct StreamObserver<'a> {
    log: &'a dyn DaemonLog,
    has_streamed: AtomicBool,
    durable: Mutex<Lsn>,
    is_lagging: AtomicBool,
}

impl<'a> StreamObserver<'a> {
    /// Makes one for one attempt.
    pub fn new(log: &'a dyn DaemonLog) -> Self {
        StreamObserver {
            log,
            has_streamed: AtomicBool::new(false),
            durable: Mutex::new(Lsn::default()),
            is_lagging: AtomicBool::new(false),
        }
    }

    /// Tells whether streaming ever began.
    pub fn has_streamed(&self) -> bool {
        self.has_streamed.load(Ordering::Relaxed)
    }
}

impl ReceiveObserver for StreamObserver<'_> {
    fn event(&self, event: ReceiveEvent) {
        if matches!(event, ReceiveEvent::WalStreaming { .. }) {
            self.has_streamed.store(true, Ordering::Relaxed);
        }
        self.log.record(&DaemonEvent::Receive(event));
    }

    fn position(&self, _timeline: TimelineId, durable_lsn: Lsn, server_lsn: Lsn, behind_since: Option<Timestamp>) {
        *self.durable.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = durable_lsn;
        let seconds = behind_since.map_or(0, |since| Timestamp::now().as_second() - since.as_second());
        if seconds >= LAG_WARNING_SECONDS {
            if !self.is_lagging.swap(true, Ordering::Relaxed) {
                let lag_bytes = server_lsn.0.saturating_sub(durable_lsn.0);
                self.log.record(&DaemonEvent::DaemonLagging { lag_bytes, seconds: seconds.unsigned_abs() });
            }
        } else if behind_since.is_none() && self.is_lagging.swap(false, Ordering::Relaxed) {
            self.log.record(&DaemonEvent::DaemonCaughtUp { lsn: durable_lsn });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<&'static str>>);

    impl DaemonLog for Seen {
        fn record(&self, event: &DaemonEvent) {
            let name = match event {
                DaemonEvent::DaemonLagging { .. } => "lagging",
                DaemonEvent::DaemonCaughtUp { .. } => "caught up",
                _ => "other",
            };
            self.0.lock().unwrap().push(name);
        }
    }

    #[test]
    fn a_lag_is_told_once_and_its_end_too() {
        let seen = Seen::default();
        let observer = StreamObserver::new(&seen);
        let long_ago = Timestamp::now().checked_sub(jiff::SignedDuration::from_secs(120)).unwrap();
        let tell = |since| observer.position(TimelineId(1), Lsn(1), Lsn(9), since);
        tell(None);
        tell(Some(Timestamp::now()));
        assert!(seen.0.lock().unwrap().is_empty());
        tell(Some(long_ago));
        tell(Some(long_ago));
        tell(Some(Timestamp::now()));
        tell(None);
        tell(None);
        assert_eq!(*seen.0.lock().unwrap(), ["lagging", "caught up"]);
    }
}

use engine::Cancel;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How often a wait looks at whether to end.
const CANCEL_CHECK: Duration = Duration::from_millis(100);
/// The longest wait before the time of day is looked at anew: it may have been set, and the host may have slept.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Tells the time of day, and waits. Tests have one of their own.
pub trait Clock: Send + Sync {
    /// Returns the time.
    fn now(&self) -> Timestamp;
    /// Returns at `instant`, or earlier, as soon as `cancel` is set or the clock should be looked at again.
    fn wait_until(&self, instant: Timestamp, cancel: &Cancel);
}

/// The host's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn wait_until(&self, instant: Timestamp, cancel: &Cancel) {
        let begin = Instant::now();
        while !cancel.is_cancelled() {
            let left = Duration::try_from(instant.duration_since(Timestamp::now())).unwrap_or_default();
            let waited = begin.elapsed();
            if left.is_zero() || waited >= LONGEST_WAIT {
                return;
            }
            std::thread::sleep(left.min(CANCEL_CHECK));
        }
    }
}

use super::{Cancel, PipelineError};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Holds a flow to so many bytes a second, over all its workers.
///
/// Each taker books its bytes on one time line and sleeps until its turn, so that bursts are no longer than a quarter of a second.
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: Option<u64>,
    /// When the bytes booked so far will have been paid for.
    paid_until: Mutex<Instant>,
}

/// How far an idle flow may catch up.
const BURST: Duration = Duration::from_millis(250);
/// How long a sleeper goes without looking at its [`Cancel`].
const NAP: Duration = Duration::from_millis(100);

impl RateLimit {
    /// Makes a limit; `None` limits nothing.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        RateLimit { bytes_per_second, paid_until: Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` may flow.
    ///
    /// # Errors
    /// `Cancelled` when `cancel` is set while waiting.
    pub fn take(&self, bytes: u64, cancel: &Cancel) -> Result<(), PipelineError> {
        let Some(rate) = self.bytes_per_second else { return Ok(()) };
        let turn = {
            // A poisoned clock is still a clock: the value is one Instant.
            let mut paid_until = self.paid_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let earliest = Instant::now().checked_sub(BURST).unwrap_or_else(Instant::now);
            let turn = (*paid_until).max(earliest);
            *paid_until = turn + Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
            turn
        };
        loop {
            cancel.check()?;
            let wait = turn.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Ok(());
            }
            std::thread::sleep(wait.min(NAP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_over_several_takers() {
        let limit = RateLimit::new(Some(10_000_000));
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        limit.take(100_000, &Cancel::new()).unwrap();
                    }
                });
            }
        });
        // 10 MB at 10 MB/s, less the burst and the last booking.
        assert!(begin.elapsed() >= Duration::from_millis(700), "{:?}", begin.elapsed());
    }

    #[test]
    fn a_waiting_taker_sees_its_cancel() {
        let limit = RateLimit::new(Some(1));
        let cancel = Cancel::new();
        limit.take(1_000_000, &cancel).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| limit.take(1, &cancel));
            cancel.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(PipelineError::Cancelled {})));
        });
    }
}

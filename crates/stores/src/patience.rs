//! How long is a request tried? Attempts further and further apart, no sooner than the store asks for, and not for ever.

use crate::failure::Failure;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long one attempt may take, beside the time that its bytes need.
    pub call: Duration,
    /// After how long no further attempt is made.
    pub give_up_after: Duration,
}

/// What was met last, and how long it was tried.
#[derive(Debug)]
pub(crate) struct GaveUp {
    pub failure: Failure,
    pub seconds: u64,
}

impl Patience {
    /// Tries until it succeeds, until trying again makes no sense, or until the time is up. The attempt is told its number, from 0.
    pub fn run<T>(&self, mut attempt: impl FnMut(u32) -> Result<T, Failure>) -> Result<T, GaveUp> {
        let begin = Instant::now();
        for number in 0.. {
            let failure = match attempt(number) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let pause = pause_after(number, &failure);
            if !failure.is_transient() || begin.elapsed() + pause >= self.give_up_after {
                return Err(GaveUp { failure, seconds: begin.elapsed().as_secs() });
            }
            tracing::debug!(?failure, number, ?pause, "another attempt");
            std::thread::sleep(pause);
        }
        Err(GaveUp {
            failure: Failure::Unreachable("no attempt is left".to_owned()),
            seconds: begin.elapsed().as_secs(),
        })
    }
}

/// Twice as long each time, by chance up to a half more, so that many who failed together don't come back together; never
/// sooner than the store asked for.
fn pause_after(number: u32, failure: &Failure) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << number.min(10)).min(LONGEST_PAUSE);
    let chance = RandomState::new().build_hasher().finish() % 500;
    let pause = doubled + doubled.mul_f64(chance as f64 / 1000.0);
    match failure {
        Failure::Throttled { retry_after: Some(wanted), .. } => pause.max(*wanted),
        _ => pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Patience = Patience { call: Duration::from_secs(1), give_up_after: Duration::from_secs(1) };

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let mut attempts = 0;
        let done = SHORT.run(|_| {
            attempts += 1;
            if attempts < 3 { Err(Failure::Unreachable("reset".to_owned())) } else { Ok(attempts) }
        });
        assert_eq!(done.unwrap(), 3);
        attempts = 0;
        let refused = SHORT.run(|_| {
            attempts += 1;
            Err::<(), _>(Failure::Denied("no".to_owned()))
        });
        assert!(matches!(refused.unwrap_err().failure, Failure::Denied(_)));
        assert_eq!(attempts, 1);
    }

    #[test]
    fn it_ends_in_time() {
        let begin = Instant::now();
        assert!(SHORT.run(|_| Err::<(), _>(Failure::Unreachable("reset".to_owned()))).is_err());
        assert!(begin.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_store_that_asks_for_more_time_than_there_is_gets_no_second_attempt() {
        let mut attempts = 0;
        let refused = SHORT.run(|_| {
            attempts += 1;
            Err::<(), _>(Failure::Throttled { cause: "503".to_owned(), retry_after: Some(Duration::from_secs(60)) })
        });
        assert!(refused.is_err());
        assert_eq!(attempts, 1);
        // And one that asks for less is not asked sooner.
        let begin = Instant::now();
        let wanted = Some(Duration::from_millis(700));
        let done = SHORT.run(|number| match number {
            0 => Err(Failure::Throttled { cause: "429".to_owned(), retry_after: wanted }),
            _ => Ok(()),
        });
        assert!(done.is_ok() && begin.elapsed() >= Duration::from_millis(700));
    }
}

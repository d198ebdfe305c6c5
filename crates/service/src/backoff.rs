use std::time::Duration;

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Says how long to wait before the next attempt: one second, then twice as long each time, up to a minute.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the next pause. `was_up` says that the attempt before went well for a while: then it starts from one second.
    pub fn next(&mut self, was_up: bool) -> Duration {
        if was_up {
            self.failures = 0;
        }
        let pause = Duration::from_secs(1_u64 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_start_anew_after_success() {
        let mut backoff = Backoff::default();
        let mut seconds = |was_up| backoff.next(was_up).as_secs();
        assert_eq!([(); 8].map(|()| seconds(false)), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!([seconds(true), seconds(false)], [1, 2]);
        assert!((0..100).all(|_| seconds(false) <= 60));
    }
}

//! A pause that ends early when its work is called off.

use engine::Cancel;
use std::time::{Duration, Instant};

/// How often it is looked whether to end.
const CANCEL_CHECK: Duration = Duration::from_millis(100);

/// Waits for `pause`, or until it is cancelled.
pub(crate) fn wait(pause: Duration, cancel: &Cancel) {
    let end = Instant::now() + pause;
    while !cancel.is_cancelled() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(CANCEL_CHECK));
    }
}

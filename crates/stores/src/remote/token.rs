//! Names for writes, so that ours are told from those of others.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns a name that nobody else has.
pub(crate) fn new() -> String {
    // Each hasher has keys of its own, from the system's random numbers.
    let random = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos()));
        hasher.finish()
    };
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_the_same() {
        let many: std::collections::HashSet<String> = (0..10_000).map(|_| super::new()).collect();
        assert_eq!(many.len(), 10_000);
    }
}

//! Numbers that look random and are the same for the same seed, on every machine and with every version of every library.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Prng {
    state: u64,
}

impl Prng {
    /// Starts the sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, or 0 when that is 0. The bias is below 2^-32 for the small bounds of tests.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// Returns a number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Returns true in so many cases of a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// Returns the position of one of `count` things, or `None` when there is none.
    pub fn position(&mut self, count: usize) -> Option<usize> {
        if count == 0 {
            return None;
        }
        // Below `count`, which fits.
        Some(self.below(count as u64) as usize)
    }

    /// Returns one of several things.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        let position = self.position(things.len()).expect("something to pick from");
        &things[position]
    }

    /// Returns one of several things, each as likely as its weight says.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick_weighted<'a, T>(&mut self, things: &'a [(u64, T)]) -> &'a T {
        let mut left = self.below(things.iter().map(|(weight, _)| weight).sum());
        for (weight, thing) in things {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return thing,
            }
        }
        panic!("nothing to pick from");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        // From the reference implementation, seed 1234567.
        let mut random = Prng::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn keeps_to_bounds_and_weights() {
        let mut random = Prng::new(1);
        assert!((0..1000).map(|_| random.between(3, 5)).all(|number| (3..=5).contains(&number)));
        let often = (0..1000).filter(|_| *random.pick_weighted(&[(9, true), (0, false), (1, false)])).count();
        assert!((850..950).contains(&often), "{often}");
        assert_eq!((random.below(0), random.position(0)), (0, None));
    }
}

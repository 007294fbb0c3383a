//! Randomness that is a function of named numbers: the same everywhere, on every attempt.

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A generator whose whole output is decided by the numbers it is made from.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Makes a generator from numbers such as a seed, an epoch and a partition.
    pub fn new(parts: &[u64]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(hasher.finalize().into()))
    }

    /// Draws any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.random()
    }

    /// Draws a number below `end`, which must be above 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end.max(1))
    }

    /// Puts items in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_give_the_same_draws_and_others_do_not() {
        let draw = |parts: &[u64]| Random::new(parts).next_u64();
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert!((0..1_000).all(|i| Random::new(&[i]).below(3) < 3));
    }
}

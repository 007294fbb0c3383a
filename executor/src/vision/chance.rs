use crate::rdd::Augmentation;

/// The odd constant by which splitmix64 advances.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Random numbers that cost next to nothing and are the same on every machine
/// (splitmix64; Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", figure 14).
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// Starts a generator that depends on all of `parts` and their order.
    pub(super) fn new(parts: &[u64]) -> Self {
        let mut chance = Self(0);
        for part in parts {
            chance.0 ^= part;
            chance.0 = chance.next();
        }
        chance
    }

    /// Starts the generator of one operator for one picture in one epoch: an attempt that comes again sees the
    /// same picture again.
    pub(super) fn of_picture(augmentation: Augmentation, key: u64, operator: &str) -> Self {
        let name = operator.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(257) + u64::from(byte));
        Self::new(&[augmentation.seed, u64::from(augmentation.epoch.0), key, name])
    }

    /// Draws 64 random bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Draws evenly from `low` up to, but without, `high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        let unit = (self.next() >> 40) as f32 / (1u64 << 24) as f32;
        low + unit * (high - low)
    }

    /// Says yes with this probability.
    pub(super) fn happens(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::Epoch;

    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs of the reference implementation for seed 1234567.
        let mut chance = Chance(1_234_567);
        assert_eq!(chance.next(), 6_457_827_717_110_365_317);
        assert_eq!(chance.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn every_part_of_a_pictures_identity_counts() {
        let first = |seed, epoch, key, operator| {
            Chance::of_picture(Augmentation { seed, epoch: Epoch(epoch) }, key, operator).next()
        };
        let drawn = first(1, 2, 3, "flip");
        assert_eq!(first(1, 2, 3, "flip"), drawn);
        for other in
            [first(2, 2, 3, "flip"), first(1, 3, 3, "flip"), first(1, 2, 4, "flip"), first(1, 2, 3, "rotate")]
        {
            assert_ne!(other, drawn);
        }
        assert_ne!(first(1, 3, 2, "flip"), first(1, 2, 3, "flip"));
    }

    #[test]
    fn draws_fill_their_range_evenly() {
        let mut chance = Chance::new(&[7]);
        let draws: Vec<f32> = (0..10_000).map(|_| chance.between(-2.0, 6.0)).collect();
        assert!(draws.iter().all(|draw| (-2.0..6.0).contains(draw)));
        let mean = draws.iter().sum::<f32>() / 10_000.0;
        assert!((mean - 2.0).abs() < 0.1, "{mean}");
    }
}

use howdah_proto::Partition;

use crate::{
    random::Random,
    rdd::{Batch, RddError, Step, function::each},
};

/// The records whose draw falls between two bounds: a sample without replacement, or a part of a split. The draw of a
/// record depends on the seed, the partition and its place alone, so that the parts of a split have no record in common.
#[derive(Debug)]
pub struct Draw {
    from: f64,
    to: f64,
    random: Random,
}

impl Draw {
    /// Chooses the records whose draw from [0, 1) is in [from, to).
    pub fn new(from: f64, to: f64, seed: u64, partition: Partition) -> Self {
        Self { from, to, random: Random::new(&[seed, partition.0.into()]) }
    }
}

impl Step for Draw {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        each(input, from, out, |row, out| {
            // The 53 bits that a float can tell apart below 1.
            let draw = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            if self.from <= draw && draw < self.to {
                out.push(row)?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::step;

    fn chosen(from: f64, to: f64, partition: u32) -> Vec<u64> {
        let all: Vec<u64> = (0..2000).collect();
        step(&mut Draw::new(from, to, 7, Partition(partition)), &all)
    }

    #[test]
    fn the_parts_of_a_split_are_the_whole() {
        let mut parts = [chosen(0.0, 0.25, 1), chosen(0.25, 0.5, 1), chosen(0.5, 1.0, 1)].concat();
        parts.sort_unstable();
        assert_eq!(parts, (0..2000).collect::<Vec<_>>());
    }

    #[test]
    fn a_sample_has_its_share_the_same_each_time_and_another_in_each_partition() {
        let sample = chosen(0.0, 0.25, 1);
        assert!((420..580).contains(&sample.len()), "{}", sample.len());
        assert_eq!(sample, chosen(0.0, 0.25, 1));
        assert_ne!(sample, chosen(0.0, 0.25, 2));
        assert!(chosen(0.0, 0.0, 1).is_empty());
        assert_eq!(chosen(0.0, 1.0, 1).len(), 2000);
    }
}

use howdah_proto::Partition;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

use crate::{
    random::Random,
    rdd::{Batch, RddError, Step, function::each},
};

/// A sample with replacement: each record as often as a draw from the Poisson distribution says.
#[derive(Debug)]
pub struct PoissonSample {
    /// None if nothing is ever chosen.
    times: Option<Poisson<f64>>,
    random: ChaCha8Rng,
}

impl PoissonSample {
    /// Chooses a record `mean` times on average.
    pub fn new(mean: f64, seed: u64, partition: Partition) -> Self {
        let first = Random::new(&[seed, partition.0.into()]).next_u64();
        // A mean of 0 has no distribution, and gives nothing.
        Self { times: Poisson::new(mean).ok(), random: ChaCha8Rng::seed_from_u64(first) }
    }
}

impl Step for PoissonSample {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        let Some(times) = self.times else { return Ok(input.len()) };
        each(input, from, out, |row, out| {
            let times = times.sample(&mut self.random) as u64;
            (0..times).try_for_each(|_| out.push(row)).map_err(Into::into)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::step;

    fn chosen(mean: f64, partition: u32) -> Vec<u64> {
        let all: Vec<u64> = (0..2000).collect();
        step(&mut PoissonSample::new(mean, 7, Partition(partition)), &all)
    }

    #[test]
    fn a_record_comes_as_often_as_asked_on_average() {
        let sample = chosen(2.5, 1);
        assert!((4700..5300).contains(&sample.len()), "{}", sample.len());
        assert!(sample.windows(3).any(|three| three[0] == three[2]), "nothing came three times");
        assert_eq!(sample, chosen(2.5, 1));
        assert_ne!(sample, chosen(2.5, 2));
        assert!(chosen(0.0, 1).is_empty());
    }
}

use howdah_executor::rdd::Data;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::rdd::{ContextError, Rdd, Replacement};

impl<T: Data> Rdd<T> {
    /// So many records chosen by chance, in random order; all of them if there are fewer and none comes twice. The same
    /// seed chooses the same.
    ///
    /// ```
    /// # use howdah_driver::rdd::{Context, ContextError, Replacement};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), ContextError> {
    /// # let context = Context::builder().in_process(1).start().await?;
    /// let numbers = context.range(0..1000, 4);
    /// assert_eq!(numbers.take_sample(Replacement::Without, 10, 1).await?.len(), 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn take_sample(
        &self,
        replacement: Replacement,
        count: usize,
        seed: u64,
    ) -> Result<Vec<T>, ContextError> {
        let all = self.count().await?;
        if count == 0 || all == 0 {
            return Ok(Vec::new());
        }
        let mut chance = StdRng::seed_from_u64(seed);
        let enough = replacement == Replacement::Without && count as u64 >= all;
        let mut chosen = if enough { self.collect().await? } else { Vec::new() };
        let mut seeds = (0u64..).map(|turn| seed.wrapping_add(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        while chosen.len() < count && !enough {
            let fraction = fraction(replacement, count as f64, all as f64);
            let seed = seeds.next().unwrap_or(seed);
            chosen = self.sample(replacement, fraction, seed).collect().await?;
        }
        chosen.shuffle(&mut chance);
        chosen.truncate(count);
        Ok(chosen)
    }
}

/// A fraction that gives at least so many records of all but once in ten thousand times. Spark's formulas
/// (`SamplingUtils.computeFractionForSampleSize`): five or nine standard deviations more for a Poisson process, and a
/// Chernoff bound for a binomial one.
fn fraction(replacement: Replacement, wanted: f64, all: f64) -> f64 {
    match replacement {
        Replacement::With => {
            let deviations = if wanted < 12.0 { 9.0 } else { 5.0 };
            (wanted + deviations * wanted.sqrt()) / all
        }
        Replacement::Without => {
            let gamma = -(1e-4f64.ln()) / all;
            let share = wanted / all;
            (share + gamma + (gamma * gamma + 2.0 * gamma * share).sqrt()).clamp(1e-10, 1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_drawn_a_little_larger_than_wanted() {
        let without = fraction(Replacement::Without, 100.0, 10_000.0);
        assert!((0.01..0.02).contains(&without), "{without}");
        let with = fraction(Replacement::With, 100.0, 10_000.0);
        assert!((with - 0.015).abs() < 1e-9, "{with}");
        assert_eq!(fraction(Replacement::Without, 9.0, 10.0), 1.0);
    }
}

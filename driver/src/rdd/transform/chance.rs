use howdah_executor::rdd::Data;
use howdah_proto::lineage::NodeKind;

use crate::rdd::{Rdd, lineage::Made};

/// Whether a record may be chosen more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Replacement {
    /// It may.
    With,
    /// It may not.
    Without,
}

/// # Records chosen by chance
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError, Replacement};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let numbers = context.range(0..1000, 4);
/// let some = numbers.sample(Replacement::Without, 0.1, 42).count().await?;
/// assert!((50..150).contains(&some));
/// let parts = numbers.random_split(&[3.0, 1.0], 42);
/// assert_eq!(parts[0].count().await? + parts[1].count().await?, 1000);
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// Chooses records. `fraction` is the chance of each, or how often each comes on average with replacement. The same
    /// seed chooses the same.
    pub fn sample(&self, replacement: Replacement, fraction: f64, seed: u64) -> Self {
        self.derive("sample", |build, plan| {
            let with_replacement = replacement == Replacement::With;
            build.add(NodeKind::Sample { with_replacement, fraction, seed }, &[plan], Made::like(plan))
        })
    }

    /// Deals the records out to as many RDDs as there are weights, in proportion to them. Each record is in one of them.
    pub fn random_split(&self, weights: &[f64], seed: u64) -> Vec<Self> {
        let sum: f64 = weights.iter().sum();
        let usable = sum.is_finite() && sum > 0.0 && weights.iter().all(|weight| *weight >= 0.0);
        let mut before = 0.0;
        let mut below = 0.0;
        let last = weights.len().saturating_sub(1);
        let split = weights.iter().enumerate().map(|(place, weight)| {
            before += weight;
            let from = below;
            // The last one takes all that is left, whatever rounding did.
            let to = if place == last { 1.0 } else { (before / sum).min(1.0) };
            below = to;
            self.derive("random_split", |build, plan| {
                if !usable {
                    return Err(build
                        .wrong(format!("{weights:?} are no weights: they must not be negative, nor all 0")));
                }
                build.add(NodeKind::Split { from, to, seed }, &[plan], Made::like(plan))
            })
        });
        split.collect()
    }
}

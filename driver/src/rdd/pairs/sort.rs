use std::ops::ControlFlow;

use howdah_executor::rdd::{Data, KeyBy};
use howdah_proto::{
    lineage::{NodeKind, Order, Reshape},
    pb::{CollectAction, action::Kind},
};

use super::place::ranges;
use crate::rdd::{
    ContextError, Rdd,
    lineage::{By, Made, Target},
    records,
};

/// In which order records are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

/// How many keys are looked at for each partition, and at most for all. Spark's figures (`RangePartitioner`).
const SAMPLES: u64 = 60;
const MOST_SAMPLES: u64 = 1_000_000;

/// # Sorting
///
/// Keys are compared as they are encoded, which is as they compare themselves; floats in their total order. The records
/// are counted and some keys looked at first, which is two jobs.
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError, Direction};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let pairs = context.parallelize([(2, 'b'), (3, 'c'), (1, 'a')], 2);
/// let sorted = pairs.sort_by_key(Direction::Descending).await?;
/// assert_eq!(sorted.values().collect().await?, ['c', 'b', 'a']);
/// # Ok(())
/// # }
/// ```
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// Sorts by key, over all partitions.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn sort_by_key(&self, direction: Direction) -> Result<Self, ContextError> {
        let target = self.bounds(direction).await?;
        let order = match direction {
            Direction::Ascending => Order::KeyAscending,
            Direction::Descending => Order::KeyDescending,
        };
        Ok(self.derive("sort_by_key", |build, plan| {
            let plan = build.pairs(plan)?;
            build.shuffle(&plan, By::Key, &target, order, None)
        }))
    }

    /// Finds bounds between which there are about equally many keys.
    async fn bounds(&self, direction: Direction) -> Result<Target, ContextError> {
        let descending = direction == Direction::Descending;
        let plan = self.plan()?;
        let partitions = plan.wished.unwrap_or(plan.partitions);
        if partitions <= 1 {
            return Ok(ranges(Vec::new(), descending));
        }
        let count: u64 = self.counts("sort_by_key", 0..plan.partitions).await?.iter().sum();
        let samples = (SAMPLES * u64::from(partitions)).min(MOST_SAMPLES);
        let fraction = (samples as f64 / count.max(1) as f64).min(1.0);
        let sample: Rdd<K> = self.derive("sort_by_key", |build, plan| {
            let plan = build.pairs(plan)?;
            let chosen = if fraction < 1.0 {
                let kind =
                    NodeKind::Sample { with_replacement: false, fraction, seed: u64::from(plan.node.0) };
                build.add(kind, &[&plan], Made::like(&plan))?
            } else {
                plan
            };
            build.add(NodeKind::Reshape(Reshape::Keys), &[&chosen], Made::new(chosen.partitions).unmarked())
        });
        let mut keys = Vec::new();
        for frames in sample.act("sort_by_key", Kind::Collect(CollectAction {})).await?.values() {
            records::each_row("sort_by_key", frames, |row| {
                keys.push(row.bytes().to_vec());
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(ranges(quantiles(keys, partitions), descending))
    }
}

impl<T: Data> Rdd<T> {
    /// Sorts by a key that a function finds, over all partitions.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn sort_by<F: KeyBy<Record = T>>(
        &self,
        function: F,
        direction: Direction,
    ) -> Result<Self, ContextError> {
        Ok(self.key_by(function).sort_by_key(direction).await?.values())
    }
}

/// Chooses bounds that cut keys into so many parts of about equal size, or fewer.
fn quantiles(mut keys: Vec<Vec<u8>>, partitions: u32) -> Vec<Vec<u8>> {
    keys.sort_unstable();
    let (count, parts) = (keys.len() as u64, u64::from(partitions));
    let places = (1..parts).filter_map(|part| (part * count / parts).checked_sub(1));
    let mut bounds: Vec<Vec<u8>> = places.map(|place| keys[place as usize].clone()).collect();
    bounds.dedup();
    // No key is above the largest.
    if bounds.last() == keys.last() {
        bounds.pop();
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(keys: &[u8], partitions: u32) -> Vec<u8> {
        quantiles(keys.iter().map(|key| vec![*key]).collect(), partitions).concat()
    }

    #[test]
    fn bounds_cut_keys_into_parts_of_equal_size() {
        assert_eq!(bounds(&[5, 3, 1, 2, 4, 6], 3), [2, 4]);
        assert_eq!(bounds(&[1, 2], 2), [1]);
    }

    #[test]
    fn equal_keys_and_few_keys_make_fewer_partitions() {
        assert!(bounds(&[7; 100], 4).is_empty());
        assert_eq!(bounds(&[1, 1, 1, 9], 4), [1]);
        assert!(bounds(&[], 4).is_empty());
        assert_eq!(bounds(&[1, 2], 10), [1]);
    }
}

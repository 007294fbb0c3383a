use howdah_executor::rdd::{Data, Filter, FlatMap, KeyBy, Kind, Map, MapPartitions, spec_of};

use crate::rdd::{Rdd, lineage::Made};

/// # One record after the other
///
/// ```
/// use howdah_driver::rdd::{Context, Failure, Filter, Function, Map, Registry};
/// use serde::{Deserialize, Serialize};
///
/// /// Multiplies numbers.
/// #[derive(Serialize, Deserialize)]
/// struct Times(i64);
///
/// impl Function for Times {
///     const NAME: &'static str = "times";
/// }
///
/// impl Map for Times {
///     type Input = i64;
///     type Output = i64;
///     fn map(&mut self, number: i64) -> Result<i64, Failure> {
///         number.checked_mul(self.0).ok_or_else(|| Failure::fatal(format!("{number} is too large")))
///     }
/// }
///
/// /// Keeps what can be divided by a number.
/// #[derive(Serialize, Deserialize)]
/// struct DivisibleBy(i64);
///
/// impl Function for DivisibleBy {
///     const NAME: &'static str = "divisible_by";
/// }
///
/// impl Filter for DivisibleBy {
///     type Record = i64;
///     fn keeps(&mut self, number: &i64) -> Result<bool, Failure> {
///         Ok(number % self.0 == 0)
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), howdah_driver::rdd::ContextError> {
/// let mut registry = Registry::new();
/// registry.map::<Times>().filter::<DivisibleBy>();
/// let context = Context::builder().registry(registry).in_process(2).start().await?;
/// let numbers = context.range(0..6, 3).map(Times(10)).filter(DivisibleBy(4));
/// assert_eq!(numbers.collect().await?, [0, 20, 40]);
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// Makes one record of each.
    pub fn map<F: Map<Input = T>>(&self, function: F) -> Rdd<F::Output> {
        self.derive("map", |build, plan| {
            build.function(plan, spec_of(&function), Kind::Map, Made::new(plan.partitions))
        })
    }

    /// Keeps the records that a function says so of.
    pub fn filter<F: Filter<Record = T>>(&self, function: F) -> Self {
        self.derive("filter", |build, plan| {
            build.function(plan, spec_of(&function), Kind::Filter, Made::like(plan))
        })
    }

    /// Makes any number of records of each.
    pub fn flat_map<F: FlatMap<Input = T>>(&self, function: F) -> Rdd<F::Output> {
        self.derive("flat_map", |build, plan| {
            build.function(plan, spec_of(&function), Kind::FlatMap, Made::new(plan.partitions))
        })
    }

    /// Makes the records of each partition anew. The function gets them as an iterator, and the number of the
    /// partition.
    pub fn map_partitions<F: MapPartitions<Input = T>>(&self, function: F) -> Rdd<F::Output> {
        self.derive("map_partitions", |build, plan| {
            build.function(plan, spec_of(&function), Kind::MapPartitions, Made::new(plan.partitions))
        })
    }

    /// The same as [`Self::map_partitions`], whose functions get the number of the partition anyway.
    pub fn map_partitions_with_index<F: MapPartitions<Input = T>>(&self, function: F) -> Rdd<F::Output> {
        self.map_partitions(function)
    }

    /// Makes pairs of a key and the record.
    pub fn key_by<F: KeyBy<Record = T>>(&self, function: F) -> Rdd<(F::Key, T)> {
        self.derive("key_by", |build, plan| {
            build.function(plan, spec_of(&function), Kind::KeyBy, Made::new(plan.partitions))
        })
    }
}

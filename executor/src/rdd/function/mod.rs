//! The functions that a user writes, one trait for each kind, and what becomes of them when types are forgotten.

mod aggregate;
mod combine;
mod contract;
mod extreme;
mod failure;
mod filter;
mod flat_map;
mod flat_map_values;
mod for_each;
mod key_by;
mod map;
mod map_partitions;
mod map_values;
mod number;
mod reduce;
mod slots;
mod step;
mod sum;
#[cfg(test)]
pub(crate) mod testing;

pub use aggregate::Aggregate;
pub use combine::Combine;
pub use contract::{Data, Function, spec_of};
pub use extreme::{Max, Min};
pub use failure::Failure;
pub use filter::Filter;
pub use flat_map::FlatMap;
pub use flat_map_values::FlatMapValues;
pub use for_each::{AnyForEach, ForEach};
pub use key_by::KeyBy;
pub use map::Map;
pub use map_partitions::{AnyMapPartitions, MapPartitions, Records};
pub use map_values::MapValues;
pub use number::{Number, NumberNames, Widened};
pub use reduce::Reduce;
pub use step::Step;
pub use sum::Sum;

pub(crate) use aggregate::Aggregator;
pub(crate) use combine::Gatherer;
pub(crate) use filter::Filtered;
pub(crate) use flat_map::FlatMapped;
pub(crate) use flat_map_values::ValuesFlatMapped;
pub(crate) use for_each::Visited;
pub(crate) use key_by::Keyed;
pub(crate) use map::Mapped;
pub(crate) use map_partitions::PartitionsMapped;
pub(crate) use map_values::ValuesMapped;
pub(crate) use reduce::Reducer;
pub(crate) use step::{Typed, each};

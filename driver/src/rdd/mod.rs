//! The public API of the RDD engine: [`Context`] and [`Rdd`].
//!
//! An [`Rdd`] is a description of records in partitions all over a cluster, and of how to compute them. Transformations
//! make one RDD of another and compute nothing; actions compute, and bring something back. What executors lose is
//! computed again.
//!
//! The types live in the program alone. What runs on executors are structs with parameters, [`Function`]s, which the
//! program registers by name in its `main`; executors are the same program in another role, see [`program`].
//!
//! In the folders beside this file, `lineage` is pure: it builds nodes. `wire` talks to the driver. `transform`, `pairs`
//! and `action` are the methods of [`Rdd`], and [`explain`] draws lineages.

mod action;
mod context;
mod error;
pub mod explain;
mod lineage;
mod pairs;
mod program;
mod records;
mod transform;
mod typed;
mod wire;

#[cfg(test)]
mod tests;

pub use crate::scheduler::{Pool, PoolMode, PoolName};
pub use howdah_executor::rdd::{
    Aggregate, Combine, Data, Failure, Filter, FlatMap, FlatMapValues, ForEach, Function, KeyBy, Map,
    MapPartitions, MapValues, Max, Min, Number, Records, Reduce, Registry, Sum,
    scope::{Accumulator, AccumulatorValue, Broadcast},
};
pub use howdah_proto::Partition;

pub use action::StorageLevel;
pub use context::{Context, ContextBuilder, RunOptions};
pub use error::ContextError;
pub use pairs::{Direction, Either, Partitioner, Three, Two};
pub use program::{Program, program};
pub use transform::Replacement;
pub use typed::Rdd;

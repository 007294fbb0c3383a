//! Programs over RDDs on whole clusters, after the suites of Spark.

mod actions;
mod checkpoint_and_save;
mod errors;
mod kills;
mod long_and_wide;
mod pairs;
mod persist;
mod shared;
mod shuffle;
mod sorting;
mod transformations;

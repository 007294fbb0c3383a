//! Prepared sets: what is in one, whether it is whole, and where it is.
//!
//! A set is a folder with shards, which the executors write, and a manifest, which the driver writes last: without it
//! the folder counts for nothing.

mod alike;
mod commit;
mod error;
mod find;
mod manifest;
mod shard;

pub use alike::same_pipeline;
pub use commit::{check_empty, commit};
pub use error::PreparedError;
pub use find::{PreparedSet, find, manifest_at, open};
#[cfg(test)]
pub(crate) use manifest::tests::manifest as example;
pub use manifest::{LeftOut, MANIFEST, Manifest, RoleSummary};
pub use shard::{SAMPLES, ShardEntry};

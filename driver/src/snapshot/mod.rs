//! Snapshots of all shards of a job: what is in one, when its parts belong together, and where they are.
//!
//! A snapshot is a folder with a file for each shard, which the parameter servers write, and a manifest, which the
//! driver writes last: without it the folder counts for nothing.

mod cut;
mod error;
mod location;
mod manifest;
mod retire;
mod store;

pub use cut::{AheadOf, check_sent, plan_ahead};
pub use error::SnapshotError;
pub(crate) use location::same_place;
pub use location::{Location, MANIFEST};
pub(crate) use manifest::is_fitted;
#[cfg(test)]
pub(crate) use manifest::tests::manifest as example;
pub use manifest::{Evaluated, Manifest, Progress, SavedFile, TrainSums, fingerprint};
pub use retire::{Lacking, retirable};
pub use store::{Found, Newest, Store};

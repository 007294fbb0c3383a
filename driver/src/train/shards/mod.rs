//! Who holds the shards of a job, and what is done when that changes: pure, as everything in [`crate::train`].
//!
//! [`Shards`] is told which parameter servers there are and how its steps ended; each call compares what is with
//! what should be, and gives the next [`ShardStep`]s.

mod change;
mod place;
mod state;
mod step;
mod tend;

#[cfg(test)]
mod tests;

pub use state::{Recovery, Server, Shards, Standbys};
pub use step::{OpId, ShardFault, ShardIo, ShardStep};

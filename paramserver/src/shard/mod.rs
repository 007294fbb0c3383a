//! The shard: a pure state machine over a contiguous range of the flat parameters.
//!
//! No clock, socket or lock is in here. One call of [`Shard::apply`] changes the weights and the mark of a task
//! together, so whoever sees one sees the other. [`HogwildShard`] is the same for threads that don't wait for each
//! other.

mod clocks;
mod correction;
mod cut;
mod error;
mod fence;
mod finite;
mod hogwild;
mod image;
mod machine;
mod mirrors;
mod push;
mod rounds;
mod staleness;
mod state;
mod tags;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod replay;

pub use clocks::{Clocks, News};
pub use cut::{CutId, PlanError};
pub use error::{MAX_CUTS, MAX_TAGS, MAX_TASKS, MAX_VALUES, ShardError};
pub use fence::{Decision, Fences, PushOutcome, Retired, Seen};
pub use finite::{Finite, Scan};
pub use hogwild::HogwildShard;
pub use image::{Image, ImageHeader, PendingRound};
pub use machine::Shard;
pub use mirrors::PulledFor;
pub use push::Push;
pub use state::Counters;
pub use tags::Tagged;

//! The shard: a pure state machine over a contiguous range of the flat parameters.
//!
//! No clock, socket or lock is in here. One call of [`Shard::apply`] changes the weights and the mark of a task
//! together, so whoever sees one sees the other.

mod error;
mod fence;
mod state;

#[cfg(test)]
mod interleavings;

pub use error::{MAX_TAGS, MAX_TASKS, MAX_VALUES, ShardError};
pub use fence::{Decision, Fences, PushOutcome, Seen};
pub use state::{Counters, Shard, Tagged};

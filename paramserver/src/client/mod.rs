//! The client of the shards: what executors and the driver use.
//!
//! [`Parameters`] speaks to all shards of a job at once, [`ShardClient`] to one of them. Every call has a
//! deadline, and is sent again if the server can't be reached for a moment. That is safe for each of them: a
//! push carries its fence, so that the shard acknowledges a second copy without applying it, and the other
//! calls have the same effect however often they are made.

mod balance;
mod call;
mod error;
mod outcome;
mod parameters;
mod places;
mod shard;
mod values;

pub use balance::balance;
pub use call::Patience;
pub use error::ParametersError;
pub use outcome::{Combined, Marks, Version};
pub use parameters::Parameters;
pub use places::{Place, PlacesError, places};
pub use shard::ShardClient;
pub use values::Values;

//! The client of the shards: what executors and the driver use.
//!
//! [`Parameters`] speaks to all shards of a job at once, [`ShardClient`] to one of them. Every call has a
//! deadline, and is sent again if the server can't be reached for a moment. That is safe for each of them: a
//! push carries its fence, so that the shard acknowledges a second copy without applying it, and the other
//! calls have the same effect however often they are made.
//!
//! A shard may move to another server while a call is under way. The driver tells the new places
//! ([`Parameters::relocate`]), and the call goes on there at once.

mod balance;
mod call;
mod clock;
mod connection;
mod driver;
mod error;
mod layout;
mod outcome;
mod parameters;
mod places;
mod replica;
mod shard;
mod transfer;
mod values;

pub use balance::balance;
pub use call::Patience;
pub use clock::Clock;
pub use driver::{CutState, LONG_POLL, SavedCut, ShardMarks};
pub use error::ParametersError;
pub use outcome::{Combined, Marks, Wanted};
pub use parameters::Parameters;
pub use places::{Place, PlacesError, places};
pub use replica::{Draft, PushKind, ReplicaClient, ReplicaOptions};
pub use shard::ShardClient;
pub use values::Values;

//! Keeping a standby of a shard.
//!
//! The primary applies a push and puts it in the queue of its [`Link`], under the lock of the shard, so that the queue
//! has the order of the shard. A forwarder sends the queue over one stream, and what the standby has acknowledged
//! leaves it. A push is acknowledged to its sender when the standby has all that was queued up to it.

mod detach;
mod forward;
mod link;
mod queue;
mod standby;

pub(super) use detach::detach;
pub(super) use forward::attach;
pub(super) use link::Link;
pub(super) use queue::Change;
pub(super) use standby::follow;

//! The sharded parameter server of Howdah, the client that talks to it, and what every role has in common.

pub mod cli;
pub mod client;
pub mod codec;
pub mod role;
pub mod rules;
pub mod server;
pub mod shard;
pub mod stores;

//! The gRPC services of an executor, blocks and map outputs for its peers, and the connections to them.

mod blocks;
mod chunks;
mod copies;
mod peers;
mod shuffles;

pub use blocks::BlocksService;
pub use copies::{read_block, write_block};
pub use peers::{PeerError, Peers};
pub use shuffles::ShufflesService;

pub(crate) use peers::within;

//! The gRPC services of an executor: its blocks, for its peers.

mod blocks;

pub use blocks::BlocksService;

//! Shards of prepared sets: files with the rows of pictures, which training begins with at once.

mod block;
mod error;
mod shard;

pub use block::PreparedBlock;
pub use error::ShardError;
pub use shard::{HEADER_BYTES, SetId, ShardInfo, decode, encode};

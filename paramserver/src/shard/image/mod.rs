//! Images: everything a shard is, as plain data, on its way to a standby, to a snapshot and back.

mod array;
mod assemble;
mod bytes;
mod header;
mod of_shard;

pub use array::Array;
pub use header::{ImageHeader, PendingRound};

/// Everything a shard is, as plain data: what a standby begins with and what a snapshot keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// What it says of itself.
    pub header: ImageHeader,
    /// The weights, the rule's arrays, the mean square, the contributions of the round that isn't complete, the
    /// weights before the last round, the tagged weights; each of the shard's length.
    pub arrays: Vec<Array>,
}

#[cfg(test)]
mod tests;

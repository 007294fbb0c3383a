//! Shuffles: records sent to the partitions that their keys belong to.
//!
//! The map side sorts a partition by reduce partition and key, in memory or with the help of scratch files, and
//! leaves one segment for each reduce partition. The reduce side fetches its segments and merges them by key. Keys
//! are encoded such that their bytes compare as keys do, so nothing here knows a type.

mod combined;
mod fetch;
mod key;
mod merge;
mod output;
mod passes;
mod reduce;
mod segments;
mod sort;
mod table;
mod workspace;
mod writer;

pub use output::{MapOutput, OutputId, OutputStore};
pub use reduce::{MapOutputAt, Reduce, Reducing, reduce};
pub use workspace::Workspace;
pub use writer::{MapOutputWriter, MapSide};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

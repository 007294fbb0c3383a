//! Transformations of any RDD.

mod chance;
mod each;
mod partitions;
mod sets;
mod zip;

pub use chance::Replacement;

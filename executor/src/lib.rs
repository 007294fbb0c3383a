//! The executor of Howdah: it computes partitions of a lineage, keeps their blocks, and trains replicas on them.

pub mod inference;
pub mod learn;
pub mod memory;
pub mod prepared;
pub mod random;
pub mod rdd;
pub mod role;
pub mod service;
pub mod shuffle;
pub mod source;
pub mod store;
pub mod task;
pub mod vision;
pub mod worker;

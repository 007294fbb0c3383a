//! A shard without a lock: pushes are added to the weights at the same time (Hogwild; Recht et al. 2011).

mod cuts;
#[cfg(test)]
mod interleavings;
mod machine;
mod quiet;
mod task;
#[cfg(test)]
mod tests;
mod weights;
mod word;

pub use machine::HogwildShard;

//! From a lineage to stages: pure.
//!
//! A stage is a run of narrow transformations. It ends at a shuffle, whose map outputs its tasks leave on their
//! executors, or at the action, whose results its tasks send to the driver.

#[cfg(test)]
pub(crate) mod fixture;
mod near;
mod stages;

pub use near::{Kept, kept_on_the_way, leads_to};
pub use stages::{Goal, Plan, Planned};

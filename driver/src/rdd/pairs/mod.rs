//! Transformations of pairs, by their keys.

mod cogroup;
mod combine;
mod group;
mod join;
mod place;
mod sort;
mod values;

pub use cogroup::{Three, Two};
pub use join::Either;
pub use place::Partitioner;
pub use sort::Direction;

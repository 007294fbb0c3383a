//! Where the records of a lineage begin.

mod frames;
mod range;

pub use frames::Frames;
pub use range::{NumberRange, share};

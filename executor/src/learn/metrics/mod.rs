//! What an evaluation gives: a [`Summary`] that adds up to the same bits however the samples were partitioned, and the
//! metrics that are computed from it.

mod calibration;
mod confusion;
mod exact_sum;
mod interval;
mod report;
mod scores;
mod summary;
mod wire;

pub use calibration::{Bin, CALIBRATION_BINS, Calibration};
pub use confusion::{Confusion, ConfusionError};
pub use exact_sum::ExactSum;
pub use scores::{Score, Scores};
pub use summary::{Summary, SummaryError, predicted};

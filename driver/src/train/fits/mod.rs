//! Operators that are fitted to the training pictures before they are used: what is gathered, and what comes of it.

mod gather;
mod plan;
mod state;

pub use plan::{ToFit, operators_to_fit};
pub use state::FitRequest;
pub(super) use state::Fits;

//! The jobs that run the actions of programs: pure. What they have received, and what comes of it.

mod accumulators;
mod job;
mod options;

pub use accumulators::Accumulators;
pub use job::{ActionJob, Ended, TooLarge};
pub use options::ActionOptions;

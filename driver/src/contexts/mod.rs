//! The contexts of programs: pure. What their lineages are, where their map outputs lie, and what executors have been
//! told of both.

mod outputs;
mod state;
mod told;

pub use outputs::MapOutputs;
pub use state::Context;

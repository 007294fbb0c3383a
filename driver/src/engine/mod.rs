//! The engine of the driver: it brings members, scheduler and jobs together.
//!
//! [`Engine`] is plain data with `on_…` methods that return [`Effect`]s. [`start`] puts the shell around it: one
//! task that takes [`Input`]s from the services, and carries the effects out.

mod clock;
mod effect;
mod input;
mod io;
mod jobs;
mod members;
mod rdd;
mod rounds;
mod shards;
mod shared;
mod shell;
mod state;
mod takes;
mod tasks;

#[cfg(test)]
mod tests;

pub use effect::{AskRequest, Collect, Effect, IoRequest};
pub use input::{EngineClosed, EngineHandle, Input, IoResult, MemberCounts};
pub use shell::{EngineOptions, start};
pub use state::Engine;

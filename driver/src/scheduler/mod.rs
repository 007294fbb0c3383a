//! The scheduler: a pure state machine that decides which task runs where, and what happens when one fails.
//!
//! Events go in through the `on_…` methods of [`Scheduler`], [`Command`]s come out. There is no socket, clock,
//! thread or randomness inside: the time is an argument, so that a thousand executors can be simulated and
//! every run can be repeated exactly. The shell around it sends the commands, and calls
//! [`Scheduler::on_tick`] when [`Scheduler::next_deadline`] has come.
//!
//! An event costs O(log n) in tasks and executors for each task that it touches: nothing scans all tasks or
//! all executors.

mod assign;
mod command;
mod error;
mod events;
mod executors;
mod jobs;
mod lanes;
mod locality;
mod options;
mod pending;
mod retry;
mod stages;
mod state;
mod time;
mod waiting;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod simulation;

pub use command::{Command, Ignored};
pub use error::{FailedAttempt, JobError};
pub use executors::Executor;
pub use options::{JobOptions, Options};
pub use stages::{StageCounts, TaskDescription};
pub use state::Scheduler;
pub use time::Millis;

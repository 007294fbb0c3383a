//! The scheduler: a pure state machine that decides which task runs where, and what happens when one fails.
//!
//! Events go in through the `on_…` methods of [`Scheduler`], [`Command`]s come out. There is no socket, clock,
//! thread or randomness inside: the time is an argument, so that a thousand executors can be simulated and
//! every run can be repeated exactly. The shell around it sends the commands, and calls
//! [`Scheduler::on_tick`] when [`Scheduler::next_deadline`] has come.
//!
//! An event costs O(log n) in tasks and executors for each task that it touches: nothing scans all tasks or
//! all executors. The rules and their defaults are those of Spark's DAGScheduler, TaskSetManager, HealthTracker
//! and FairSchedulingAlgorithm where nothing else is said.

mod assign;
mod command;
mod demand;
mod description;
mod error;
mod events;
mod exclusion;
mod executors;
mod hosts;
mod jobs;
mod lanes;
mod locality;
mod options;
mod outputs;
mod pending;
mod pool;
mod pools;
mod queues;
mod retry;
mod speculation;
mod stages;
mod state;
mod tasks;
mod time;
mod waiting;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use command::{Command, Ignored};
pub use description::{LostOutput, Output, StageDescription, TaskDescription};
pub use error::{FailedAttempt, JobError};
pub use executors::Executor;
pub use options::{Exclusion, JobOptions, Options, Speculation};
pub use pool::{Pool, PoolMode, PoolName, PoolView};
pub use stages::StageCounts;
pub use state::Scheduler;
pub use time::Millis;

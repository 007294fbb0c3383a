//! `train`: from pictures to a model, on a cluster of this command's own or on that of a driver.

mod args;
mod command;
mod effect;
mod merge;
mod report;
mod resume;
mod run;
mod stopped;

pub(super) use args::{Args, ChangeArgs, DataArgs, ExecutorArgs, FormatArg, PipelineArgs, absolute, named};
pub(super) use command::Command;
pub(super) use report::results;
pub(super) use run::{follow_to_the_end, follow_to_the_last, interruption, run, start_cluster};

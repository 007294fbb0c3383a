//! The command line. A command is one file or folder here: its flags, and what it does with them.

mod classify;
mod cross_validate;
mod drill;
mod ensemble;
mod error;
mod evaluate;
mod explain;
mod export;
mod follow;
mod line;
mod metrics;
mod models;
mod out;
mod parsed;
mod pipeline;
mod predict;
mod prepare;
mod preview;
mod reshard;
mod roles;
mod said;
mod search;
mod serve;
mod status;
mod study;
mod train;

use std::{ffi::OsString, process::ExitCode, time::Instant};

use clap::{Parser, Subcommand};
use howdah_executor::rdd::Registry;
use howdah_paramserver::role::{
    logging::LogFormat,
    process::{self, Flags, Threading},
};

pub use error::CliError;

use crate::driver::built_in;

/// Trains image classifiers on a cluster of ordinary machines.
///
/// `train` does the whole job: without --driver it starts a cluster of processes on this machine, and takes it
/// down again at the end. Without --data it draws a synthetic set of cats and dogs to try things on.
#[derive(Debug, Parser)]
#[command(
    name = "howdah-driver",
    version,
    propagate_version = true,
    after_help = "Examples:\n  howdah-driver train\n  howdah-driver train --data pictures --epochs 10\n  \
                  howdah-driver predict --model runs/NAME/model.safetensors photo.jpg\n  \
                  howdah-driver serve --listen 127.0.0.1:7077\n\n\
                  What it logs is set by RUST_LOG. Exit codes: 0 when all went well, 1 when it did not, \
                  2 when it was started wrongly, 130 after Ctrl-C."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The TOML file with settings: a table for each command, its keys named as the command's flags.
    #[arg(long, global = true, value_name = "FILE", env = "HOWDAH_CONFIG")]
    config: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model: on a cluster of its own, or on that of a driver.
    Train(Box<train::Command>),
    /// Search for good settings: many trials that share a cluster and the prepared pictures.
    Search(Box<search::Args>),
    /// Train as often as there are folds, each of which is held out once.
    CrossValidate(Box<cross_validate::Args>),
    /// Train several models that answer together.
    Ensemble(Box<ensemble::Args>),
    /// Classify pictures with a model.
    Predict(Box<predict::Args>),
    /// Compare what a model says of pictures with what they are.
    Evaluate(evaluate::Args),
    /// Write the network of a model for other programs.
    Export(export::Args),
    /// Prepare pictures once, so that trainings begin at once.
    Prepare(Box<prepare::Args>),
    /// Draw pictures after each step of a pipeline.
    Preview(preview::Args),
    /// List the presets of `--pipeline`, or write one as TOML.
    Pipeline(pipeline::Args),
    /// Run a driver that executors and parameter servers join, and that jobs are submitted to.
    Serve(serve::Args),
    /// List the members of a driver's cluster, and its training jobs.
    Status(status::Args),
    /// Spread the parameters of a job that trains over another number of shards.
    Reshard(reshard::Args),
    /// Show lineages, their stages, and what of them is kept where.
    Explain(Box<explain::Args>),
    /// Kill executors and parameter servers at random moments of a training and check that every batch counted exactly once.
    Drill(Box<drill::Args>),
    /// Run an executor that joins a driver.
    Executor(howdah_executor::role::Args),
    /// Run a parameter server that joins a driver.
    Paramserver(howdah_paramserver::cli::Args),
}

/// Runs the command line with the built-in operators.
pub fn main() -> ExitCode {
    run(std::env::args_os().collect(), built_in())
}

/// Runs the command line; `registry` has the operators that this binary knows.
pub fn run(args: Vec<OsString>, registry: Registry) -> ExitCode {
    let started = Instant::now();
    process::main(args, async |cli: Cli| cli.command.run(registry, started).await.and_then(|()| out::said()))
}

impl Flags for Cli {
    const SETTINGS: &'static str = "/etc/howdah/driver.toml";

    fn log_format(&self) -> LogFormat {
        match &self.command {
            Command::Serve(args) => args.log_format,
            Command::Executor(args) => args.log_format(),
            Command::Paramserver(args) => args.log_format(),
            _ => LogFormat::Text,
        }
    }

    /// Services say what they do; commands that a person waits for show it themselves.
    fn log_level(&self) -> &'static str {
        match &self.command {
            Command::Serve(_) => "info",
            Command::Executor(args) => args.log_level(),
            Command::Paramserver(args) => args.log_level(),
            // What their cluster waits for, and that an executor is started again.
            Command::Predict(_) | Command::Evaluate(_) => {
                "error,howdah_driver::rdd=warn,howdah_driver::local=warn"
            }
            _ => "error",
        }
    }

    fn threading(&self) -> Threading {
        match &self.command {
            Command::Executor(args) => args.threading(),
            Command::Paramserver(args) => args.threading(),
            _ => Threading::Cores,
        }
    }
}

impl Command {
    async fn run(self, registry: Registry, started: Instant) -> Result<(), CliError> {
        match self {
            Self::Train(command) => command.run(started).await,
            Self::Search(args) => search::run(*args, started).await,
            Self::CrossValidate(args) => cross_validate::run(*args).await,
            Self::Ensemble(args) => ensemble::run(*args).await,
            Self::Predict(args) => predict::run(&args, registry).await,
            Self::Evaluate(args) => evaluate::run(&args, registry).await,
            Self::Export(args) => export::run(&args),
            Self::Pipeline(args) => pipeline::run(&args),
            Self::Prepare(args) => prepare::run(*args, started).await,
            Self::Preview(args) => preview::run(&args, &registry),
            Self::Serve(args) => serve::run(args, registry).await,
            Self::Status(args) => status::run(&args).await,
            Self::Reshard(args) => reshard::run(&args).await,
            Self::Explain(args) => explain::run(&args).await,
            Self::Drill(args) => drill::run(*args).await,
            Self::Executor(args) => roles::executor(args, registry).await,
            Self::Paramserver(args) => roles::paramserver(args).await,
        }
    }
}

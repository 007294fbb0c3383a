//! The flags of `train`, a file for each heading.

mod cluster;
mod data;
mod learn;
mod mode;
mod pipeline;
mod recipe;
mod selection;
mod snapshots;
mod validation;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use howdah_proto::settings::{TrainSettings, Validation};

pub(in crate::cli) use cluster::{ExecutorArgs, LocalArgs};
pub(in crate::cli) use data::{DataArgs, FormatArg};
pub(in crate::cli) use learn::LearnArgs;
pub(in crate::cli) use mode::ModeArgs;
pub(in crate::cli::train) use mode::compression;
pub(in crate::cli) use pipeline::{ChangeArgs, PipelineArgs, named};
pub(in crate::cli) use selection::SelectionArgs;
pub(in crate::cli) use snapshots::{GoesOnFrom, SnapshotArgs, absolute};
pub(in crate::cli) use validation::ValidationArgs;

use crate::cli::{CliError, line::Base, parsed::Parsed, said::Said};

/// The flags of `train`.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(in crate::cli) said: Parsed<Said>,
    #[command(flatten)]
    pub(in crate::cli) line: Parsed<Base>,
    #[command(flatten)]
    pub(in crate::cli) data: DataArgs,
    #[command(flatten)]
    pub(in crate::cli) selection: SelectionArgs,
    #[command(flatten)]
    pub(in crate::cli) learn: LearnArgs,
    #[command(flatten)]
    pub(in crate::cli) validation: ValidationArgs,
    #[command(flatten)]
    pub(in crate::cli) mode: ModeArgs,
    #[command(flatten)]
    pub(in crate::cli) snapshots: SnapshotArgs,
    #[command(flatten)]
    pub(in crate::cli) cluster: LocalArgs,
    /// Submit the job to this driver instead of starting a cluster; --data is then a folder on the driver's machine.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER", conflicts_with_all = ["executors", "slots", "memory", "no_restart"])]
    pub(in crate::cli) driver: Option<String>,
    /// Where the results go; by default runs/NAME, or with --resume the folder of the run. It must not exist,
    /// or be empty.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) output: Option<PathBuf>,
    /// Write the network as ONNX, too: model.onnx, which `export` makes of a model file. Models that answer together
    /// become one.
    #[arg(long)]
    pub(in crate::cli) onnx: bool,
    /// The name of the run; by default made from the date and time.
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
}

impl Args {
    /// What the driver is told, but for snapshots, whose default place is in the run's folder.
    pub(in crate::cli) fn settings(&self) -> Result<TrainSettings, CliError> {
        self.with_validation(self.validation.settings()?)
    }

    /// The same for a run that goes on, which was validated as `earlier` says.
    pub(super) fn settings_after(&self, earlier: Option<Validation>) -> Result<TrainSettings, CliError> {
        self.with_validation(self.validation.settings_after(earlier, &self.said)?)
    }

    fn with_validation(&self, validation: Option<Validation>) -> Result<TrainSettings, CliError> {
        self.snapshots.check()?;
        let (learn, data) = (&self.learn, &self.data);
        let prepared = data.prepared()?;
        let recipe = data.recipe(prepared.as_ref());
        let (updates, rule, mode) = learn.exchange(&self.mode, recipe);
        let settings = TrainSettings {
            data: data.settings()?,
            pipeline: data.pipeline(prepared.as_ref())?,
            selection: self.selection.selection(),
            network: learn.network(recipe),
            epochs: learn.epochs(recipe),
            batch: learn.batch(recipe),
            learning: learn.learning(recipe)?,
            updates,
            rule,
            correction: self.mode.correction(),
            compression: self.mode.compression(&mode),
            mode,
            seed: learn.seed,
            validation,
            partitions: learn.partitions,
            shards: self.cluster.shards,
            shard_copies: self.cluster.replicas,
            snapshots: self.snapshots.settings(None),
            resume: None,
            prepare: None,
            max_bad_pictures: data.max_bad_pictures,
            task_attempts: self.cluster.executors.task_attempts,
            executor_wait_seconds: self.cluster.executors.executor_wait,
        };
        settings.validate()?;
        Ok(settings)
    }
}

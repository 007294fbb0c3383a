use std::time::Instant;

use super::{Args, effect, run};
use crate::cli::CliError;

/// `train` as it is called.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver train\n  \
                        howdah-driver train --data pictures --test-fraction 0.2 --epochs 10\n  \
                        howdah-driver train --data 'shards/{000..017}.tar'\n  \
                        howdah-driver train --data 's3://bucket/train-*.parquet' --test mine\n  \
                        howdah-driver train --data caltech101 --classes cat=Leopards,cougar_face dog=dalmatian\n  \
                        howdah-driver train --data prepared    (what `howdah-driver prepare` has written)\n  \
                        howdah-driver train --mode sync --replicas 2\n  \
                        howdah-driver train --push-every 1 --compress bf16\n  \
                        howdah-driver train --resume runs/NAME\n  \
                        howdah-driver train --driver http://10.0.0.1:7077 --data /srv/pictures\n\n\
                        The output folder has the model (model.safetensors), its card (model.md), metrics.json, the \
                        event log (events.jsonl) and the logs of the processes.")]
pub(in crate::cli) struct Command {
    #[command(flatten)]
    args: Args,
}

impl Command {
    /// Trains a model.
    pub(in crate::cli) async fn run(self, started: Instant) -> Result<(), CliError> {
        // What goes with a flag is in the run that is gone on with.
        if self.args.snapshots.resume.is_none() {
            effect::check(&self.args)?;
        }
        run(self.args, started).await
    }
}

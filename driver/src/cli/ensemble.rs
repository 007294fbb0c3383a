use super::{
    CliError,
    models::CombineArg,
    out::{self, percent, table},
    parsed::Parsed,
    said::Said,
    study::{Given, Keep, Run},
};
use crate::{output::MeasuredOn, search::Study};

/// Trains several models that differ in their seeds alone, and answer together.
///
/// `predict` and `evaluate` take the output folder as a model. All flags of `train` set how it is trained.
#[derive(Debug, clap::Args)]
// The flags of `train` are a group of the same name.
#[group(skip)]
#[command(
    next_help_heading = "Ensemble",
    after_help = "Examples:\n  howdah-driver ensemble --members 5 --data pictures --output runs/five\n  \
                  howdah-driver evaluate --model runs/five --data pictures\n\n\
                  The output folder has a description of the ensemble (ensemble.json) and its card (model.md), a \
                  folder for each member with its model and the model's card, a table (trials.csv) and the journal \
                  (journal.jsonl)."
)]
pub(super) struct Args {
    #[command(flatten)]
    said: Parsed<Said>,
    /// How many models to train; the first has --seed, and the others the seeds that follow it.
    #[arg(long, value_name = "MODELS", default_value_t = 5)]
    members: u32,
    /// How their answers become one.
    #[arg(long, value_enum, default_value = "average")]
    combine: CombineArg,
    /// How many models are trained at the same time.
    #[arg(long, value_name = "MODELS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    concurrent: u32,
    #[command(flatten)]
    train: Given,
}

/// Trains an ensemble.
pub(super) async fn run(args: Args) -> Result<(), CliError> {
    let given = &args.train;
    let mut run = given.begin::<Args>(&args.said, "ensemble", Keep::All, || {
        let settings = given.args.settings()?;
        Ok(Study::Ensemble {
            members: args.members,
            epochs: settings.epochs,
            seed: settings.seed,
            data_seed: settings.selection_seed(),
            combine: args.combine.into(),
        })
    })?;
    let led = given.carry_out(&mut run, args.concurrent).await;
    led.and_then(|()| finish(&run)).map_err(|error| run.with_hint(error, given.args.driver.as_deref()))
}

fn finish(run: &Run) -> Result<(), CliError> {
    let mut rows = vec![["member", "accuracy"].map(str::to_owned).to_vec()];
    let members = run.measured()?;
    for (trial, measured) in &members {
        let accuracy = measured.accuracy.map_or_else(|| "-".to_owned(), percent);
        rows.push(vec![trial.to_string(), accuracy]);
    }
    run.write_ensemble(&members, MeasuredOn::HeldOut)?;
    run.clear_snapshots();
    out::say(&table(&rows));
    out::say(&format!("\noutput  {}", run.folder.path().display()));
    Ok(())
}

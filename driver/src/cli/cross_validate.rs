use serde::Serialize;

use super::{
    CliError,
    out::{self, percent, table},
    parsed::Parsed,
    said::Said,
    study::{Given, Keep, Run},
};
use crate::{
    output::MeasuredOn,
    search::{Measured, Study},
};

/// Trains as often as there are folds of the training pictures, each of which is held out once.
///
/// Whatever is fitted to pictures is fitted to those that are not held out. All flags of `train` set how it is trained.
#[derive(Debug, clap::Args)]
// The flags of `train` are a group of the same name.
#[group(skip)]
#[command(
    next_help_heading = "Cross-validation",
    after_help = "Examples:\n  howdah-driver cross-validate -k 5 --data pictures\n  \
                  howdah-driver cross-validate --resume runs/NAME\n  \
                  howdah-driver predict --model runs/NAME pictures\n\n\
                  The output folder has the results (cross-validation.json), a folder for each fold with its model and \
                  the model's card, a card of all together (model.md), a table (trials.csv) and the journal \
                  (journal.jsonl). `predict` and `evaluate` take it as a model: those of the folds answer together."
)]
pub(super) struct Args {
    #[command(flatten)]
    said: Parsed<Said>,
    /// Into how many folds the training pictures are split, each with its share of every class.
    #[arg(short = 'k', long, default_value_t = 5)]
    folds: u32,
    /// How many folds are trained at the same time.
    #[arg(long, value_name = "FOLDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    concurrent: u32,
    #[command(flatten)]
    train: Given,
}

/// The content of `cross-validation.json`.
#[derive(Serialize)]
struct Summary {
    version: u32,
    folds: Vec<FoldSummary>,
    accuracy: Option<Spread>,
    loss: Option<Spread>,
}

#[derive(Serialize)]
struct FoldSummary {
    fold: u32,
    accuracy: Option<f64>,
    loss: Option<f64>,
    seconds: f64,
}

/// A mean, and the standard deviation of what it is the mean of, with one degree of freedom less than there are values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Spread {
    mean: f64,
    deviation: f64,
}

const VERSION: u32 = 1;

/// Cross-validates.
pub(super) async fn run(args: Args) -> Result<(), CliError> {
    let given = &args.train;
    let mut run = given.begin::<Args>(&args.said, "cross-validate", Keep::All, || {
        if given.base.contains_key("fold") {
            return Err(CliError::Flag {
                flag: "--fold".to_owned(),
                reason: "every fold is held out once".to_owned(),
            });
        }
        Ok(Study::CrossValidation { folds: args.folds, epochs: given.args.settings()?.epochs })
    })?;
    let led = given.carry_out(&mut run, args.concurrent).await;
    led.and_then(|()| finish(&run)).map_err(|error| run.with_hint(error, given.args.driver.as_deref()))
}

fn finish(run: &Run) -> Result<(), CliError> {
    let folds = run.measured()?;
    let spread = |value: fn(&Measured) -> Option<f64>| {
        let values: Option<Vec<f64>> = folds.iter().map(|(_, measured)| value(measured)).collect();
        values.and_then(|values| spread(&values))
    };
    let (accuracy, loss) = (spread(|measured| measured.accuracy), spread(|measured| measured.loss));
    let summaries = folds.iter().map(|(trial, measured)| FoldSummary {
        fold: trial.0 + 1,
        accuracy: measured.accuracy,
        loss: measured.loss,
        seconds: measured.seconds,
    });
    let summary = Summary { version: VERSION, folds: summaries.collect(), accuracy, loss };
    run.write_json("cross-validation.json", &summary)?;
    run.write_ensemble(&folds, MeasuredOn::OwnFold)?;
    run.clear_snapshots();
    let cell = |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| "-".to_owned(), show);
    let loss_text = |loss: f64| format!("{loss:.4}");
    let row = |name: String, accuracy: Option<f64>, loss: Option<f64>| {
        vec![name, cell(accuracy, percent), cell(loss, loss_text)]
    };
    let mut rows = vec![["fold", "accuracy", "loss"].map(str::to_owned).to_vec()];
    rows.extend(summary.folds.iter().map(|fold| row(fold.fold.to_string(), fold.accuracy, fold.loss)));
    let part = |of: fn(Spread) -> f64| (accuracy.map(of), loss.map(of));
    let (mean, deviation) = (part(|spread| spread.mean), part(|spread| spread.deviation));
    rows.push(row("mean".to_owned(), mean.0, mean.1));
    rows.push(row("deviation".to_owned(), deviation.0, deviation.1));
    out::say(&table(&rows));
    out::say(&format!("\noutput  {}", run.folder.path().display()));
    Ok(())
}

/// None for fewer than two values.
fn spread(values: &[f64]) -> Option<Spread> {
    let count = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some(Spread { mean, deviation: (squares / (count - 1.0)).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        assert_eq!(spread(&[1.0, 3.0]), Some(Spread { mean: 2.0, deviation: 2f64.sqrt() }));
        assert_eq!(spread(&[1.0]), None);
    }
}

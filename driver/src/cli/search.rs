use std::{path::PathBuf, time::Instant};

use clap::ValueEnum;
use serde::Serialize;

use super::{
    CliError,
    line::parse,
    out::{self, percent, quoted},
    parsed::Parsed,
    said::Said,
    study::{Given, Keep, Run, Site, searchable},
    train,
};
use crate::search::{Algorithm, Flags, Objective, Outcome, Space, Study};

/// Searches for good settings: many trials that share the cluster and the prepared pictures.
///
/// Trials are judged by a part of the training pictures that is held out, never by the test set. All flags of `train`
/// set what the trials have in common.
#[derive(Debug, clap::Args)]
// The flags of `train` are a group of the same name.
#[group(skip)]
#[command(
    next_help_heading = "Search",
    after_help = "Examples:\n  howdah-driver search --data pictures --trials 30 --max-epochs 9\n  \
                  howdah-driver search --data pictures --space space.toml --algorithm hyperband --max-epochs 27\n  \
                  howdah-driver search --resume runs/NAME\n\n\
                  A space is a TOML file with a key for each flag of `train` to vary:\n  \
                  lr = { log-uniform = [1e-4, 1e-2] }\n  dropout = { uniform = [0, 0.6] }\n  \
                  momentum-every = { integers = [1, 16] }\n  batch = [16, 32, 64]\n  hidden = [[256, 128], [512]]\n\n\
                  The output folder has the journal (journal.jsonl), a table of the trials (trials.csv), the best \
                  settings (search.json), the best trial's model (model.safetensors; with --onnx also model.onnx) and its \
                  card (model.md), and with --refit the folder of a run of its own (refit)."
)]
pub(super) struct Args {
    #[command(flatten)]
    said: Parsed<Said>,
    /// What to vary, and between which values; by default the learning rate, the decay of
    /// weights, both kinds of dropout, the batch and the hidden layers.
    #[arg(long, value_name = "FILE")]
    space: Option<PathBuf>,
    /// How many sets of settings to try.
    #[arg(long, default_value_t = 30)]
    trials: u32,
    /// How trials are chosen.
    #[arg(long, value_enum, default_value = "asha")]
    algorithm: AlgorithmArg,
    /// How far the best trials are trained; by default --epochs.
    #[arg(long, value_name = "EPOCHS")]
    max_epochs: Option<u32>,
    /// Of so many trials one is trained on, so many times as far.
    #[arg(long, value_name = "TIMES", default_value_t = 3)]
    reduction: u32,
    /// What is sought.
    #[arg(long, value_enum, default_value = "accuracy")]
    objective: ObjectiveArg,
    /// One of so many parts of the training pictures is held out to judge the trials by.
    #[arg(long, value_name = "PARTS", default_value_t = 5)]
    hold_out: u32,
    /// How many trials are trained at the same time.
    #[arg(long, value_name = "TRIALS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    concurrent: u32,
    /// Train the best settings once more in the end, on all training pictures; also with --resume.
    #[arg(long)]
    refit: bool,
    #[command(flatten)]
    train: Given,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AlgorithmArg {
    /// At random, all to the end.
    Random,
    /// Asynchronous successive halving (Li et al. 2020): the best third of what is judged goes on, three times as far.
    Asha,
    /// Hyperband (Li et al. 2018): brackets of successive halving.
    Hyperband,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ObjectiveArg {
    /// The highest accuracy.
    Accuracy,
    /// The lowest loss.
    Loss,
}

/// The content of `search.json`.
#[derive(Serialize)]
struct Summary<'a> {
    version: u32,
    study: &'a Study,
    judged: usize,
    seconds: f64,
    job_seconds: f64,
    best: Best<'a>,
}

#[derive(Serialize)]
struct Best<'a> {
    trial: u32,
    epochs: u32,
    accuracy: Option<f64>,
    loss: Option<f64>,
    flags: &'a Flags,
    command: &'a str,
}

const VERSION: u32 = 1;

/// Searches.
pub(super) async fn run(args: Args, started: Instant) -> Result<(), CliError> {
    let given = &args.train;
    let mut run = given.begin::<Args>(&args.said, "search", Keep::Best, || study(&args))?;
    let interrupted = train::interruption();
    let driver = given.args.driver.as_deref();
    let site = run.open(driver, &interrupted).await?;
    let led = run.lead(&site, args.concurrent as usize, &interrupted).await;
    let ended = match led {
        Ok(()) => {
            let refit = args.refit || run.trials.study().refits();
            finish(&run, refit, &site, driver, started).await
        }
        Err(error) => Err(error),
    };
    site.close().await;
    ended.map_err(|error| run.with_hint(error, driver))
}

fn study(args: &Args) -> Result<Study, CliError> {
    for (name, reason) in [
        ("fold", "a search holds out a fold of its own: see --hold-out"),
        ("no-snapshots", "a trial that is promoted goes on from its snapshot"),
    ] {
        if args.train.base.contains_key(name) && (name == "fold" || args.algorithm != AlgorithmArg::Random) {
            return Err(CliError::Flag { flag: format!("--{name}"), reason: reason.to_owned() });
        }
    }
    let remote_without = args.train.args.driver.is_some() && !args.train.base.contains_key("snapshots");
    if remote_without && args.algorithm != AlgorithmArg::Random {
        return Err(CliError::Flag {
            flag: "--driver".to_owned(),
            reason:
                "a trial that is promoted goes on from its snapshot: name a place with --snapshots that the \
                     driver and the parameter servers reach"
                    .to_owned(),
        });
    }
    let space = match &args.space {
        Some(file) => Space::read(file, &searchable())?,
        None => Space::standard(),
    };
    let settings = args.train.args.settings()?;
    Ok(Study::Search {
        algorithm: match args.algorithm {
            AlgorithmArg::Random => Algorithm::Random,
            AlgorithmArg::Asha => Algorithm::Asha,
            AlgorithmArg::Hyperband => Algorithm::Hyperband,
        },
        trials: args.trials,
        max_epochs: args.max_epochs.unwrap_or(settings.epochs),
        reduction: args.reduction,
        objective: match args.objective {
            ObjectiveArg::Accuracy => Objective::Accuracy,
            ObjectiveArg::Loss => Objective::Loss,
        },
        folds: args.hold_out,
        seed: settings.seed,
        space,
        refit: args.refit,
    })
}

/// Writes down what the search gave, and trains its best settings once more if that is wanted.
async fn finish(
    run: &Run,
    refit: bool,
    site: &Site,
    driver: Option<&str>,
    started: Instant,
) -> Result<(), CliError> {
    let best = run.trials.best().ok_or_else(|| CliError::Hopeless("no trial could be judged".to_owned()))?;
    let Outcome::Trained(measured) = &best.outcome else {
        return Err(CliError::Hopeless("no trial could be judged".to_owned()));
    };
    let (trial, epochs) = (best.assignment.trial, best.assignment.epochs);
    let flags = run.flags_of(best, epochs);
    let words: Vec<String> = flags.iter().map(|flag| quoted(flag)).collect();
    let command = format!("howdah-driver train {}", words.join(" "));
    let model = run.write_model(trial)?;
    let summary = Summary {
        version: VERSION,
        study: run.trials.study(),
        judged: run.trials.judged().len(),
        seconds: started.elapsed().as_secs_f64(),
        job_seconds: run.job_seconds(),
        best: Best {
            trial: trial.0,
            epochs,
            accuracy: measured.accuracy,
            loss: measured.loss,
            flags: &run.trials.study().drawn(trial),
            command: &command,
        },
    };
    run.write_json("search.json", &summary)?;
    run.clear_snapshots();
    let accuracy =
        measured.accuracy.map_or_else(String::new, |share| format!(", accuracy {}", percent(share)));
    out::say(&format!(
        "best    trial {trial} after {epochs} epochs{accuracy} of the pictures held out to judge by"
    ));
    out::say(&format!("train   {command}"));
    out::say(&format!("model   {}", model.display()));
    out::say(&format!("output  {}", run.folder.path().display()));
    if !refit {
        return Ok(());
    }
    let output = run.folder.path().join("refit");
    if output.join("model.safetensors").exists() {
        return Ok(());
    }
    // What an interrupted one left, but for its snapshots.
    let _ = std::fs::remove_dir_all(&output);
    let mut args = parse(&flags)?;
    args.snapshots.go_below(&format!("{}-refit", run.name));
    args.snapshots.goes_on = true;
    (args.driver, args.output) = (Some(site.url.clone()), Some(output));
    train::run(args, Instant::now()).await.map_err(|error| {
        let error = match error {
            // Its cluster may be that of this command.
            CliError::CanBeResumed { error, .. } => error,
            error if error.is_from_outside() => Box::new(error),
            other => return other,
        };
        CliError::CanBeResumed { error, command: format!("{} --refit", run.again(driver)) }
    })
}

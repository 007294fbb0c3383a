use std::{collections::BTreeMap, path::PathBuf};

use howdah_executor::{learn::Summary, rdd::Registry};

use super::{CliError, metrics, models::ModelArgs, out, train::FormatArg};
use crate::{dataset, inference::Classifier};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver evaluate --model model.safetensors --data pictures\n  \
                        howdah-driver evaluate --model runs/a --model runs/b --combine vote --data pictures\n  \
                        howdah-driver evaluate --model model.safetensors --data pictures --json | jq .roc_auc\n\n\
                        Values are shown with intervals of 95 % confidence for other pictures of the same kind. Precision, \
                        recall, F1 and ROC-AUC of a class are those of telling it from all others.")]
pub(super) struct Args {
    #[command(flatten)]
    models: ModelArgs,
    /// The pictures: a folder for each class, named as the model's classes, or another form that `train --data` takes.
    /// Of a set that itself holds some out, these.
    #[arg(long, value_name = "PLACE")]
    data: PathBuf,
    /// How the pictures are stored, if their names and content don't tell.
    #[arg(long, value_enum, default_value = "auto")]
    format: FormatArg,
    /// Which folders or labels make up which class: class=folder,folder. Others are left out.
    #[arg(long, value_name = "CLASS=NAME,..", num_args = 1..)]
    classes: Vec<String>,
    /// Write all metrics as JSON: those that metrics.json has of the held-out pictures, and the names of the classes.
    #[arg(long)]
    json: bool,
}

/// Evaluates a model on pictures whose classes are known.
pub(super) fn run(args: &Args, registry: &Registry) -> Result<(), CliError> {
    let ensemble = args.models.load()?;
    let classifier = Classifier::new(&ensemble, registry)?;
    let mapping = args
        .classes
        .iter()
        .map(|text| dataset::parse_mapping(text))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    let labelled = dataset::list_labelled(&args.data, ensemble.classes(), &mapping, args.format.into())?;
    for (path, reason) in &labelled.skipped {
        out::complain(&format!("{path}: {reason}"));
    }
    let files = &labelled.files;
    let mut summary = Summary::new(ensemble.classes().len());
    let mut labels = labelled.files.iter().map(|file| file.label);
    let mut failed = labelled.skipped.len();
    classifier.classify(files, |file, result| {
        let Some(label) = labels.next() else { return };
        match result {
            Ok(classified) => {
                // The label is one of the model's classes, and so are the probabilities.
                if let Err(error) = summary.add(label, &classified.probabilities) {
                    failed += 1;
                    out::complain(&format!("{}: {error}", file.path.display()));
                }
            }
            Err(reason) => {
                failed += 1;
                out::complain(&format!("{}: {reason}", file.path.display()));
            }
        }
    })?;
    let measured = summary.metrics();
    out::say(&match args.json {
        true => metrics::json(ensemble.classes(), measured.as_ref()),
        false => metrics::text(ensemble.classes(), measured.as_ref()),
    });
    if failed == 0 {
        Ok(())
    } else {
        Err(CliError::Pictures { failed, all: files.len() + labelled.skipped.len() })
    }
}

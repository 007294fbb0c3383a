use std::{collections::BTreeMap, path::PathBuf};

use howdah_executor::{learn::Confusion, rdd::Registry};

use super::{
    CliError,
    models::ModelArgs,
    out::{self, percent, table},
    train::{FormatArg, confusion},
};
use crate::{dataset, inference::Classifier};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver evaluate --model model.safetensors --data pictures\n  \
                        howdah-driver evaluate --model runs/a --model runs/b --combine vote --data pictures")]
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
    let mut counts = Confusion::new(ensemble.classes().len());
    let mut labels = labelled.files.iter().map(|file| file.label);
    let mut failed = labelled.skipped.len();
    classifier.classify(files, |file, result| {
        let Some(label) = labels.next() else { return };
        match result {
            // Both are labels of the model's classes, which is what the matrix counts.
            Ok(classified) => drop(counts.add(label, classified.class as u32)),
            Err(reason) => {
                failed += 1;
                out::complain(&format!("{}: {reason}", file.path.display()));
            }
        }
    })?;
    out::say(&confusion(ensemble.classes(), counts.rows()));
    let share = |value: Option<f64>| value.map_or_else(|| "no picture".to_owned(), percent);
    let rows = [
        ["accuracy".to_owned(), share(counts.accuracy())],
        ["balanced accuracy".to_owned(), share(counts.balanced_accuracy())],
        ["pictures".to_owned(), counts.samples().to_string()],
    ];
    out::say(&format!("\n{}", table(&rows.map(Vec::from))));
    if failed == 0 {
        Ok(())
    } else {
        Err(CliError::Pictures { failed, all: files.len() + labelled.skipped.len() })
    }
}

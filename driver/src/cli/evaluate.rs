use std::{collections::BTreeMap, ops::ControlFlow, path::PathBuf};

use howdah_executor::{inference::PictureRef, learn::Summary, rdd::Registry};

use super::{
    CliError,
    classify::{Classification, ClusterArgs, Progress},
    metrics,
    models::ModelArgs,
    out,
    train::{self, FormatArg},
};
use crate::{
    dataset::{self, PictureFile},
    inference::Classified,
};

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
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Evaluates a model on pictures whose classes are known.
pub(super) async fn run(args: &Args, registry: Registry) -> Result<(), CliError> {
    let classification = Classification::load(&args.models, registry)?;
    let (classes, interrupted) = (classification.classes(), train::interruption());
    let mapping = args
        .classes
        .iter()
        .map(|text| dataset::parse_mapping(text))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    let labelled = dataset::list_labelled(&args.data, classes, &mapping, args.format.into())?;
    let files = &labelled.files;
    if files.is_empty() && labelled.skipped.is_empty() {
        return Err(CliError::NoPictures { place: args.data.clone() });
    }
    let mut progress = Progress::new(Some((files.len() + labelled.skipped.len()) as u64), false);
    labelled.skipped.iter().for_each(|(path, reason)| progress.failed(path, reason));
    progress.done(labelled.skipped.len());
    let mut summary = Summary::new(classes.len());
    let mut labels = files.iter().map(|file| file.label);
    let take = |results: Vec<(PictureRef, Classified)>| {
        for ((picture, result), label) in results.iter().zip(labels.by_ref()) {
            match result {
                // The label is one of the model's classes, and so are the probabilities.
                Ok(probabilities) => {
                    if let Err(error) = summary.add(label, probabilities) {
                        progress.failed(&picture.name, &error.to_string());
                    }
                }
                Err(reason) => progress.failed(&picture.name, reason),
            }
        }
        progress.done(results.len());
        Ok(ControlFlow::Continue(()))
    };
    let chunks = |pictures: usize| {
        let chunk = |files: &[PictureFile]| Ok(files.iter().map(PictureFile::reference).collect());
        Ok(futures::stream::iter(files.chunks(pictures).map(chunk)))
    };
    classification.run(&args.cluster, chunks, &interrupted, take).await?;
    let measured = summary.metrics();
    out::say(&match args.json {
        true => metrics::json(classes, measured.as_ref()),
        false => metrics::text(classes, measured.as_ref()),
    });
    progress.finish()
}

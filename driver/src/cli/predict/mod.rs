//! `predict`: classifies pictures, however many there are.

mod args;

use std::{io, ops::ControlFlow, path::PathBuf};

use howdah_executor::{inference::PictureRef, rdd::Registry};
use tokio::runtime::Handle;

use super::{
    CliError,
    classify::{Classification, Progress},
    train,
};
use crate::{
    inference::Classified,
    predictions::{Columns, Destination, PredictionWriter, Row},
};

pub(super) use args::Args;

/// Classifies pictures.
pub(super) async fn run(args: &Args, registry: Registry) -> Result<(), CliError> {
    let (format, input) = (args.format()?, args.input());
    let classification = Classification::load(&args.models, registry)?;
    let interrupted = train::interruption();
    let shown = args.output.clone().unwrap_or_else(|| PathBuf::from("standard output"));
    let failed = |error| CliError::Predictions { path: shown.clone(), error };
    let destination = Destination::open(args.output.as_deref()).map_err(failed)?;
    let columns = Columns { classes: classification.classes(), top: args.top() };
    let mut writer = format.begin(destination.writer().map_err(failed)?, columns).map_err(failed)?;
    let mut progress = Progress::new(None, destination.is_stdout());
    let mut reader_is_gone = false;
    let take = |results: Vec<(PictureRef, Classified)>| {
        for (picture, result) in &results {
            if let Err(reason) = result {
                progress.failed(&picture.name, reason);
            }
        }
        progress.done(results.len());
        match write(&mut *writer, &results) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            // A reader that has gone, as `head` does, has seen enough.
            Err(error) if is_gone(&error) => {
                reader_is_gone = true;
                Ok(ControlFlow::Break(()))
            }
            Err(error) => Err(failed(error)),
        }
    };
    let chunks = |pictures| input.chunks(pictures, Handle::current());
    classification.run(&args.cluster, chunks, &interrupted, take).await?;
    if reader_is_gone {
        return Ok(());
    }
    match writer.finish() {
        Err(error) if is_gone(&error) => return Ok(()),
        finished => finished.map_err(failed)?,
    }
    destination.commit().map_err(failed)?;
    progress.finish()
}

fn write(writer: &mut dyn PredictionWriter, results: &[(PictureRef, Classified)]) -> io::Result<()> {
    for (picture, result) in results {
        writer.write(&Row { picture: &picture.name, result })?;
    }
    writer.flush()
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

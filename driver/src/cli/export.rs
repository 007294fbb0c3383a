use std::path::PathBuf;

use howdah_executor::learn::Model;

use super::{CliError, out};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  howdah-driver export --model runs/NAME/model.safetensors --onnx model.onnx\n\n\
                  The ONNX model takes `features`, [batch, inputs], and gives `probabilities`, [batch, classes]. How \
                  pictures become features is in its metadata, as `howdah.pipeline`; the names of the classes are in \
                  `howdah.classes`."
)]
pub(super) struct Args {
    /// The model file.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The ONNX file to write; one that is there is replaced.
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
}

/// Writes the network of a model as ONNX.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let model = Model::load(&args.model)?;
    model.save_onnx(&args.onnx)?;
    out::say(&format!(
        "{}  from {} features to the probabilities of {} classes",
        args.onnx.display(),
        model.network.inputs(),
        model.classes.len()
    ));
    Ok(())
}

use std::path::PathBuf;

use howdah_executor::learn::save_onnx;

use super::{CliError, models::ModelArgs, out};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  howdah-driver export --model runs/NAME/model.safetensors --onnx model.onnx\n  \
                  howdah-driver export --model runs/five --onnx five.onnx\n\n\
                  The ONNX model takes `features`, [batch, inputs], and gives `probabilities`, [batch, classes]. How \
                  pictures become features is in its metadata, as `howdah.pipeline`; the names of the classes are in \
                  `howdah.classes`. Models that answer together become one ONNX model. If their pipelines differ, it \
                  takes `features.0`, `features.1` and so on, in the order of `howdah.pipelines`."
)]
pub(super) struct Args {
    #[command(flatten)]
    models: ModelArgs,
    /// The ONNX file to write; one that is there is replaced.
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
}

/// Writes the network of a model as ONNX, or those of several that answer together.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let ensemble = args.models.load()?;
    save_onnx(&ensemble.models, ensemble.files.combine, &args.onnx)?;
    let count = match ensemble.models.len() {
        1 => String::new(),
        models => format!(", by {models} models"),
    };
    for model in ensemble.models.iter().take(1) {
        out::say(&format!(
            "{}  from {} features to the probabilities of {} classes{count}",
            args.onnx.display(),
            model.network.inputs(),
            model.classes.len()
        ));
    }
    Ok(())
}

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

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
    check_target(&args.onnx)?;
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

/// Refuses to replace anything but another ONNX file: a model above all.
fn check_target(path: &Path) -> Result<(), CliError> {
    let mut start = [0; 9];
    let read = File::open(path).and_then(|mut file| file.read(&mut start));
    // What can't be opened isn't there, or can't be written: that is told when it is tried.
    let Ok(length @ 1..) = read else { return Ok(()) };
    // ONNX begins with the number of its format, field 1; safetensors with a length and JSON.
    let is_onnx = start[0] == 0x08 && !(length == start.len() && start[8] == b'{');
    let there = || CliError::Flag {
        flag: "--onnx".to_owned(),
        reason: format!("{} is there, and is no ONNX model; it is not replaced", path.display()),
    };
    is_onnx.then_some(()).ok_or_else(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_an_onnx_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert!(check_target(&path).is_ok());
        for (content, is_replaced) in [
            (&b""[..], true),
            (b"\x08\x08\x12\x06howdah", true),
            (b"\x08\x01\0\0\0\0\0\0{\"a\":1}", false),
            (b"# notes", false),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(check_target(&path).is_ok(), is_replaced, "{content:?}");
        }
    }
}

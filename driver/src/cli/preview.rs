use std::path::{Path, PathBuf};

use howdah_executor::{
    learn::Model,
    rdd::Registry,
    vision::{
        preview::{Shown, contact_sheet},
        synthetic::{Class, draw, encode},
    },
};

use super::{CliError, out, train::PipelineArgs};
use crate::dataset;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver preview --data pictures\n  \
                        howdah-driver preview --pipeline own.toml photo.jpg --output photo-steps.png\n  \
                        howdah-driver preview --model runs/NAME/model.safetensors --data pictures")]
pub(super) struct Args {
    /// Pictures, or folders of pictures. Without any, and without --data, synthetic cats and dogs are drawn.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A folder of pictures, of which some are chosen evenly.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many pictures are shown at most.
    #[arg(long, value_name = "PICTURES", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pictures: u16,
    /// Show the pipeline of this model file, with all that was fitted.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pipeline", "size", "denoise", "augment"])]
    model: Option<PathBuf>,
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// What augmentation is drawn by, as in a training with that seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The PNG file that is written.
    #[arg(long, value_name = "FILE", default_value = "contact.png")]
    output: PathBuf,
}

/// Draws pictures after each step of a pipeline.
pub(super) fn run(args: &Args, registry: &Registry) -> Result<(), CliError> {
    let pipeline = match &args.model {
        Some(model) => Model::load(model)?.pipeline,
        None => args.pipeline.pipeline()?,
    };
    let shown = args.shown()?;
    let sheet = contact_sheet(&pipeline, registry, &shown, args.seed)?;
    std::fs::write(&args.output, &sheet.png).map_err(|error| CliError::Flag {
        flag: "--output".to_owned(),
        reason: format!("{} can't be written: {error}", args.output.display()),
    })?;
    let rows = shown.len() - sheet.unusable.len();
    let columns = sheet.columns.join(", ");
    out::say(&format!("{}: {rows} pictures after each step: {columns}", args.output.display()));
    for (name, reason) in &sheet.unusable {
        out::complain(&format!("{name}: {reason}"));
    }
    if sheet.unusable.is_empty() {
        Ok(())
    } else {
        Err(CliError::NotShown { failed: sheet.unusable.len(), all: shown.len() })
    }
}

impl Args {
    /// The pictures to show, evenly from all that there are.
    fn shown(&self) -> Result<Vec<Shown>, CliError> {
        let most = usize::from(self.pictures);
        let mut files = Vec::new();
        for path in self.data.iter().chain(&self.paths) {
            if path.is_dir() {
                files.extend(dataset::pictures_below(path)?);
            } else {
                files.push(path.clone());
            }
        }
        if files.is_empty() && self.data.is_none() && self.paths.is_empty() {
            return drawn(most);
        }
        let count = most.min(files.len());
        (0..count).map(|place| read(&files[place * files.len() / count])).collect()
    }
}

fn read(path: &Path) -> Result<Shown, CliError> {
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => Ok(Shown { name, bytes: bytes.into() }),
        Err(error) => Err(CliError::Flag { flag: name, reason: format!("it can't be read: {error}") }),
    }
}

fn drawn(count: usize) -> Result<Vec<Shown>, CliError> {
    let picture = |key: u64| {
        let class = if key.is_multiple_of(2) { Class::Cat } else { Class::Dog };
        let bytes = encode(&draw(class, key, 0)).map_err(std::io::Error::other)?;
        Ok(Shown { name: format!("synthetic picture {key}"), bytes: bytes.into() })
    };
    (0..count as u64).map(picture).collect()
}

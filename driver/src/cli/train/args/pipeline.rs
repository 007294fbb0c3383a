use std::path::Path;

use clap::ValueEnum;
use howdah_executor::vision::pipeline::{self, Augment, Changes, PRESETS, PipelineError, Preset};
use howdah_proto::settings::Pipeline;

use crate::{cli::CliError, driver::built_in};

/// The preset without `--pipeline`.
const DEFAULT: &str = "best";

/// What happens to each picture.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pictures")]
pub(in crate::cli) struct PipelineArgs {
    /// What happens to each picture on its way to the network: a preset, or a TOML file. `howdah-driver pipeline` lists
    /// the presets, and writes one to start a file from. By default `best`, or what the pictures were prepared with.
    #[arg(long, value_name = "NAME|FILE")]
    pipeline: Option<String>,
    #[command(flatten)]
    changes: ChangeArgs,
}

/// What of a preset shall be otherwise.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pictures")]
pub(in crate::cli) struct ChangeArgs {
    /// With a preset: pictures are scaled to so many pixels in width and height; by default 128.
    #[arg(long, value_name = "PIXELS")]
    size: Option<u32>,
    /// With a preset: how far the Gaussian denoising reaches, in pixels; 0 for none. By default 1 with `seed`, else 0.
    #[arg(long, value_name = "SIGMA")]
    denoise: Option<f32>,
    /// With a preset: how training pictures are varied. By default flip-rotate with `seed`, else flip.
    #[arg(long, value_enum)]
    augment: Option<AugmentArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AugmentArg {
    /// Mirror half of them, and turn all by up to 10 degrees.
    FlipRotate,
    /// Mirror half of them.
    Flip,
    /// Not at all.
    None,
}

impl PipelineArgs {
    /// What the pipeline is called.
    pub(super) fn name(&self) -> &str {
        self.pipeline.as_deref().unwrap_or(DEFAULT)
    }

    /// Whether anything was said of it.
    pub(super) fn is_given(&self) -> bool {
        self.pipeline.is_some() || self.changes.changes() != Changes::default()
    }

    /// Makes the pipeline, and checks it.
    pub(in crate::cli) fn pipeline(&self) -> Result<Pipeline, CliError> {
        named(self.name(), &self.changes)
    }
}

impl ChangeArgs {
    fn changes(&self) -> Changes {
        let augment = self.augment.map(|augment| match augment {
            AugmentArg::FlipRotate => Augment::FlipAndRotate,
            AugmentArg::Flip => Augment::Flip,
            AugmentArg::None => Augment::None,
        });
        Changes { size: self.size, denoise: self.denoise, augment }
    }
}

/// Makes the pipeline that a preset's name or a file's path stands for, and checks it.
pub(in crate::cli) fn named(name: &str, changes: &ChangeArgs) -> Result<Pipeline, CliError> {
    let wrong = |error: PipelineError| flag("--pipeline", format!("{name}: {error}"));
    let changes = changes.changes();
    let registry = built_in();
    let pipeline = match Preset::find(name) {
        Some(preset) => preset.build(&changes).map_err(wrong)?,
        None if changes == Changes::default() => pipeline::read(&read(name)?, &registry).map_err(wrong)?,
        None => {
            let reason =
                "--size, --denoise and --augment change a preset; what a file says is changed in the file";
            return Err(flag("--pipeline", format!("{name}: {reason}")));
        }
    };
    pipeline::check(&pipeline, &registry).map_err(wrong)?;
    Ok(pipeline)
}

fn read(name: &str) -> Result<String, CliError> {
    std::fs::read_to_string(Path::new(name)).map_err(|error| {
        let presets =
            PRESETS.iter().map(|preset| format!("`{}`", preset.name)).collect::<Vec<_>>().join(" or ");
        flag(
            "--pipeline",
            format!("`{name}` is neither a preset ({presets}) nor a file that can be read: {error}"),
        )
    })
}

fn flag(flag: &str, reason: String) -> CliError {
    CliError::Flag { flag: flag.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use howdah_paramserver::role::process::Ending;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: PipelineArgs,
    }

    fn made(flags: &[&str]) -> Result<Pipeline, CliError> {
        Only::try_parse_from(["only"].iter().chain(flags))
            .unwrap_or_else(|error| panic!("{error}"))
            .args
            .pipeline()
    }

    fn refused(flags: &[&str]) -> String {
        let error = made(flags).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn the_flags_change_a_preset() {
        let pipeline =
            made(&["--pipeline", "seed", "--size", "64", "--denoise", "0", "--augment", "none"]).unwrap();
        assert_eq!((pipeline.prepare.len(), pipeline.feed.len()), (2, 2));
        assert_eq!(pipeline.prepare[1].params["width"], 64);
    }

    #[test]
    fn changes_that_a_preset_or_a_file_has_no_room_for_are_refused() {
        assert!(refused(&["--pipeline", "best", "--augment", "flip-rotate"]).contains("not turn them anew"));
        assert!(refused(&["--pipeline", "best", "--size", "8"]).contains("at least"));
        assert!(
            refused(&["--pipeline", "seed", "--size", "0"]).contains("prepare, number 2, operator `resize`")
        );
        assert!(refused(&["--pipeline", "seed", "--denoise=-1"]).contains("operator `denoise`: sigma is -1"));
    }

    #[test]
    fn a_file_is_read_and_its_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        let path = path.to_str().unwrap();
        let decode = "[[prepare]]\noperator = \"decode\"\ncolor = \"gray\"\n";
        std::fs::write(path, format!("{decode}[[feed]]\noperator = \"flatten\"\n")).unwrap();
        assert_eq!(made(&["--pipeline", path]).unwrap().feed[0].name, "flatten");
        let told = refused(&["--pipeline", path, "--size", "64"]);
        assert!(told.contains("own.toml") && told.contains("changed in the file"), "{told}");
        std::fs::write(path, format!("{decode}[[feed]]\noperator = \"flaten\"\n")).unwrap();
        let told = refused(&["--pipeline", path]);
        assert!(told.contains("own.toml: line 4, operator `flaten`: it is not known"), "{told}");
    }

    #[test]
    fn a_name_that_is_nothing_is_told_with_the_presets() {
        let told = refused(&["--pipeline", "bset"]);
        assert!(told.contains("`bset` is neither a preset (`seed` or `hog` or `best`)"), "{told}");
    }
}

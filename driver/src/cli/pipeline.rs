use howdah_executor::vision::pipeline::{PRESETS, write};

use super::{
    CliError, out,
    train::{ChangeArgs, named},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  howdah-driver pipeline\n  howdah-driver pipeline seed --size 64 > own.toml\n  \
                        howdah-driver train --pipeline own.toml"
)]
pub(super) struct Args {
    /// A preset, or a TOML file, which is checked. Without it, the presets are listed.
    #[arg(value_name = "NAME|FILE")]
    name: Option<String>,
    #[command(flatten)]
    changes: ChangeArgs,
}

/// Lists the presets, or writes one as TOML.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let Some(name) = &args.name else {
        let width = PRESETS.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
        for preset in PRESETS {
            out::say(&format!("{:width$}  {}", preset.name, preset.about));
        }
        return Ok(());
    };
    let pipeline = named(name, &args.changes)?;
    let text =
        write(&pipeline).map_err(|error| CliError::Flag { flag: name.clone(), reason: error.to_string() })?;
    out::say(text.trim_end());
    Ok(())
}

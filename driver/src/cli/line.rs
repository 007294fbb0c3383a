//! The flags of `train` as text: as they were given, and put together again.

use std::{collections::BTreeMap, ffi::OsStr};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Parser};
use howdah_proto::settings::TrainSettings;

use super::{CliError, parsed::FromParsed, train};
use crate::search::Flags;

/// Flags of `train`, without their dashes, and their values.
pub(in crate::cli) type Base = BTreeMap<String, Vec<String>>;

#[derive(Parser)]
#[command(name = "train")]
struct Alone {
    #[command(flatten)]
    args: train::Args,
}

/// The flags of `train` as clap knows them.
pub(in crate::cli) fn flags() -> Vec<Arg> {
    train::Args::augment_args(Command::new("train")).get_arguments().cloned().collect()
}

/// Whether a flag is there or not, and has no value.
pub(in crate::cli) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// The flags that are not as they are without being given.
impl FromParsed for Base {
    fn from_parsed(matches: &ArgMatches) -> Self {
        let mut base = Self::new();
        for arg in flags() {
            let Some(name) = arg.get_long() else { continue };
            let id = arg.get_id().as_str();
            if is_switch(&arg) {
                if matches.try_get_one::<bool>(id).ok().flatten() == Some(&true) {
                    base.insert(name.to_owned(), vec![true.to_string()]);
                }
                continue;
            }
            let raw: Vec<&OsStr> = matches.try_get_raw(id).ok().flatten().into_iter().flatten().collect();
            let texts: Vec<String> = raw.iter().map(|text| text.to_string_lossy().into_owned()).collect();
            let texts = match arg.get_value_delimiter() {
                Some(delimiter) if !texts.is_empty() => vec![texts.join(&delimiter.to_string())],
                _ => texts,
            };
            let default: Vec<String> =
                arg.get_default_values().iter().map(|text| text.to_string_lossy().into_owned()).collect();
            if !texts.is_empty() && texts != default {
                base.insert(name.to_owned(), texts);
            }
        }
        base
    }
}

/// Puts flags together as they stand on a command line; later ones replace earlier ones.
pub(in crate::cli) fn command_line(base: &Base, over: &[&Flags]) -> Vec<String> {
    let mut all = base.clone();
    for (name, value) in over.iter().copied().flatten() {
        all.insert(name.clone(), vec![value.clone()]);
    }
    let known = flags();
    let switches: Vec<&str> = known.iter().filter(|arg| is_switch(arg)).filter_map(Arg::get_long).collect();
    let mut line = Vec::new();
    for (name, values) in &all {
        for value in values {
            match (switches.contains(&name.as_str()), value.as_str()) {
                (true, "true") => line.push(format!("--{name}")),
                (true, _) => {}
                (false, _) => line.push(format!("--{name}={value}")),
            }
        }
    }
    line
}

/// Parses flags of `train`.
///
/// # Errors
/// [`CliError::Trial`] with what is wrong.
pub(in crate::cli) fn parse(line: &[String]) -> Result<train::Args, CliError> {
    let words = std::iter::once("train").chain(line.iter().map(String::as_str));
    let alone = Alone::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        CliError::Trial(first)
    })?;
    Ok(alone.args)
}

/// What a job is told without any flag.
///
/// # Errors
/// [`CliError`], if the defaults made no sense.
pub(in crate::cli) fn defaults() -> Result<TrainSettings, CliError> {
    parse(&[])?.settings()
}

/// The flag that sets a field of the settings, if there is one.
pub(in crate::cli) fn flag_of(field: &str) -> Option<String> {
    let long = match field {
        "learning_rate" => "lr".to_owned(),
        "synthetic pictures" => "synthetic".to_owned(),
        "top-k" | "compression" | "pull encoding" => "compress".to_owned(),
        "delayed nesterov every" => "momentum-every".to_owned(),
        other => other.replace(['_', ' '], "-"),
    };
    let is_there = flags().iter().any(|known| known.get_long() == Some(&long));
    is_there.then(|| format!("--{long}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_as_the_flag_that_sets_it() {
        for (field, flag) in [
            ("learning_rate", Some("--lr")),
            ("weight_decay", Some("--weight-decay")),
            ("local_steps", Some("--local-steps")),
            ("synthetic pictures", Some("--synthetic")),
            ("delayed nesterov every", Some("--momentum-every")),
            ("train.settings", None),
        ] {
            assert_eq!(flag_of(field).as_deref(), flag, "{field}");
        }
    }
}

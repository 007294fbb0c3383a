use std::collections::BTreeSet;

use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};

/// What was said on the command line, by clap's ids.
///
/// It is the first field of a command's flags: clap takes the others out of what it has parsed, one after the other.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Said(BTreeSet<String>);

impl Said {
    /// Whether a flag was given.
    pub(in crate::cli) fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    /// The first of these flags that was given, as it is written.
    pub(in crate::cli) fn first(&self, ids: &[&str]) -> Option<String> {
        ids.iter().find(|id| self.has(id)).map(|id| format!("--{}", id.replace('_', "-")))
    }
}

impl FromArgMatches for Said {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let said = matches.ids().map(clap::Id::as_str);
        let said = said.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Ok(Self(said.map(str::to_owned).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Said {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

use std::ops::Deref;

use clap::{ArgMatches, Args, Command, FromArgMatches};

/// What is told by flags of others, and has none of its own.
pub(in crate::cli) trait FromParsed {
    /// Reads it from what clap has parsed.
    fn from_parsed(matches: &ArgMatches) -> Self;
}

/// Such a field of a command.
///
/// It stands before the flags that it is told by: clap takes them out of what it has parsed, one after the other.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Parsed<T>(pub(in crate::cli) T);

impl<T> Deref for Parsed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromParsed> FromArgMatches for Parsed<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(T::from_parsed(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0 = T::from_parsed(matches);
        Ok(())
    }
}

impl<T: FromParsed> Args for Parsed<T> {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

use std::collections::BTreeSet;

use clap::{ArgMatches, parser::ValueSource};

use super::parsed::FromParsed;

/// What was said on the command line, by clap's ids.
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

impl FromParsed for Said {
    fn from_parsed(matches: &ArgMatches) -> Self {
        let said = matches.ids().map(clap::Id::as_str);
        let said = said.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Self(said.map(str::to_owned).collect())
    }
}

//! What a search draws the settings of its trials from.

mod file;
mod range;

use std::collections::BTreeMap;

use howdah_executor::random::Random;
use serde::{Deserialize, Serialize};

use super::TrialId;

pub use file::SpaceError;
pub use range::Range;

/// The flags of a trial, without their dashes, and their values.
pub type Flags = BTreeMap<String, String>;

/// The settings that a search varies, by the names of their flags.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Space {
    settings: BTreeMap<String, Range>,
}

impl Space {
    /// The settings that matter most for a dense network.
    pub fn standard() -> Self {
        let choice =
            |values: &[&str]| Range::Choice(values.iter().map(|value| (*value).to_owned()).collect());
        let settings = [
            ("lr", Range::LogUniform(1e-4, 1e-2)),
            ("weight-decay", Range::LogUniform(1e-3, 0.5)),
            ("dropout", Range::Uniform(0.0, 0.6)),
            ("input-dropout", Range::Uniform(0.0, 0.6)),
            ("batch", choice(&["16", "32", "64", "128"])),
            ("hidden", choice(&["128", "256", "256,128", "512,128"])),
        ];
        Self { settings: settings.into_iter().map(|(name, range)| (name.to_owned(), range)).collect() }
    }

    /// The flags that it varies.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.settings.keys().map(String::as_str)
    }

    /// Draws the settings of a trial: a function of the seed and the trial's number.
    pub fn draw(&self, seed: u64, trial: TrialId) -> Flags {
        let mut random = Random::new(&[seed, u64::from(trial.0), 0x7472_6961]);
        self.settings.iter().map(|(name, range)| (name.clone(), range.draw(&mut random))).collect()
    }
}

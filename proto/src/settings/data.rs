use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{DataFormat, check};
use crate::WireError;

/// Where the pictures come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataSettings {
    /// Pictures that are stored: in a folder for each class on the driver's machine, or in another format, there or
    /// in an object store.
    Folder {
        /// The training pictures: a path, a URL, or a pattern of several.
        train: PathBuf,
        /// The held-out pictures; without it those that the set itself holds out, else a fraction.
        test: Option<PathBuf>,
        /// The fraction held out when there is no test folder, above 0 and below 1.
        test_fraction: f64,
        /// Class name to the folders or labels that make it up; empty for a class each.
        classes: BTreeMap<String, Vec<String>>,
        /// How the training pictures are stored; the format of the others is told from what they are.
        #[serde(default)]
        format: DataFormat,
    },
    /// Cats and dogs that the driver draws itself.
    Synthetic {
        /// How many pictures, training and held-out ones together.
        pictures: u32,
    },
}

impl DataSettings {
    /// The fraction held out if nothing is said.
    pub const TEST_FRACTION: f64 = 0.2;

    pub(super) fn validate(&self) -> Result<(), WireError> {
        match self {
            Self::Folder { test: None, test_fraction, .. } => check(
                *test_fraction > 0.0 && *test_fraction < 1.0,
                "test_fraction",
                "it must be above 0 and below 1",
            ),
            Self::Folder { .. } => Ok(()),
            Self::Synthetic { pictures } => {
                check((20..=1_000_000).contains(pictures), "synthetic pictures", "from 20 to 1000000")
            }
        }
    }
}

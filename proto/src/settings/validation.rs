use serde::{Deserialize, Serialize};

use super::check;
use crate::WireError;

/// What is watched to tell which epoch was the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// The mean loss over the validation pictures: the lowest is the best.
    #[default]
    Loss,
    /// The accuracy over them: the highest is the best.
    Accuracy,
}

/// Training pictures that are not trained on but choose the epoch whose weights become the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// The fraction of the training pictures, above 0 and below 1.
    pub fraction: f64,
    /// What is watched.
    pub monitor: Monitor,
    /// After how many epochs without improvement the training stops; without it, all epochs are trained.
    pub patience: Option<u32>,
}

impl Validation {
    pub(super) fn validate(&self) -> Result<(), WireError> {
        let fraction = self.fraction;
        check(fraction > 0.0 && fraction < 1.0, "validation_fraction", "it must be above 0 and below 1")?;
        check(self.patience != Some(0), "patience", "at least 1 epoch is needed")
    }
}

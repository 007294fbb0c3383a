use serde::{Deserialize, Serialize};

use super::check;
use crate::WireError;

/// The most units a hidden layer may have.
pub const MAX_UNITS: u32 = 1 << 20;

/// The dense network between the features and the logits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// The width of each hidden layer, input side first.
    pub hidden: Vec<u32>,
    /// The fraction of hidden units that are dropped in training, from 0 to below 1.
    pub dropout: f32,
    /// The fraction of features that are dropped in training, from 0 to below 1.
    #[serde(default)]
    pub input_dropout: f32,
}

impl NetworkSettings {
    pub(super) fn validate(&self) -> Result<(), WireError> {
        check(
            self.hidden.len() <= 64 && self.hidden.iter().all(|units| (1..=MAX_UNITS).contains(units)),
            "hidden",
            "at most 64 layers of 1 to 1048576 units each",
        )?;
        for (name, rate) in [("dropout", self.dropout), ("input_dropout", self.input_dropout)] {
            check((0.0..1.0).contains(&rate), name, "it must be at least 0 and below 1")?;
        }
        Ok(())
    }
}

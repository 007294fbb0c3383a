use serde::{Deserialize, Serialize};

use super::{check_rate, rule::UpdateRule};
use crate::WireError;

/// An optimizer in the replica.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "optimizer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// The learning rate.
        learning_rate: f32,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1).
    Adam {
        /// The learning rate.
        learning_rate: f32,
    },
}

impl Optimizer {
    /// The learning rate.
    pub fn learning_rate(&self) -> f32 {
        match self {
            Self::Sgd { learning_rate } | Self::Adam { learning_rate } => *learning_rate,
        }
    }
}

/// What a push carries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "updates", rename_all = "snake_case", deny_unknown_fields)]
pub enum Updates {
    /// The sum of the replica's gradients.
    Gradients,
    /// What the replica's optimizer moved its weights by; against that direction for rules that descend.
    Deltas {
        /// The optimizer.
        optimizer: Optimizer,
    },
    /// The replica's own weights, for elastic averaging.
    Weights {
        /// The optimizer.
        optimizer: Optimizer,
    },
    /// Ones for every step: each weight then counts the batches applied to it.
    Ones,
}

impl Updates {
    pub(super) fn validate(&self, rule: &UpdateRule) -> Result<(), WireError> {
        let unfit = |reason| Err(WireError::invalid("rule", reason));
        match (self, rule) {
            (Self::Ones, UpdateRule::Sum) => Ok(()),
            (Self::Ones, _) => unfit("counting needs the rule `sum`"),
            (Self::Weights { optimizer }, UpdateRule::Elastic { .. }) => {
                check_rate("learning_rate", optimizer.learning_rate())
            }
            (Self::Weights { .. }, _) => unfit("weights are pushed for the rule `elastic` only"),
            (_, UpdateRule::Elastic { .. }) => unfit("`elastic` needs an optimizer in the replica"),
            (Self::Gradients, UpdateRule::Sum) => {
                unfit("adding gradients up would climb: choose a rule that descends")
            }
            (Self::Deltas { optimizer }, _) => check_rate("learning_rate", optimizer.learning_rate()),
            (Self::Gradients, _) => Ok(()),
        }
    }
}

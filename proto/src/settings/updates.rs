use serde::{Deserialize, Serialize};

use super::{check, check_rate, rule::UpdateRule};
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
    /// Heavy-ball momentum (Polyak 1964).
    Momentum {
        /// The learning rate.
        learning_rate: f32,
        /// The share of the velocity that is kept, from 0 to below 1.
        momentum: f32,
    },
    /// Momentum that looks ahead (Nesterov 1983; in the form of Sutskever et al. 2013).
    Nesterov {
        /// The learning rate.
        learning_rate: f32,
        /// The share of the velocity that is kept, from 0 to below 1.
        momentum: f32,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1).
    Adam {
        /// The learning rate.
        learning_rate: f32,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2); biases don't decay.
    #[serde(rename = "adamw")]
    AdamW {
        /// The learning rate.
        learning_rate: f32,
        /// The share of each weight that decays per step, times the learning rate.
        weight_decay: f32,
    },
}

impl Optimizer {
    /// The learning rate.
    pub fn learning_rate(&self) -> f32 {
        match self {
            Self::Sgd { learning_rate }
            | Self::Momentum { learning_rate, .. }
            | Self::Nesterov { learning_rate, .. }
            | Self::Adam { learning_rate }
            | Self::AdamW { learning_rate, .. } => *learning_rate,
        }
    }

    fn validate(&self) -> Result<(), WireError> {
        check_rate("learning_rate", self.learning_rate())?;
        match *self {
            Self::Sgd { .. } | Self::Adam { .. } => Ok(()),
            Self::Momentum { momentum, .. } | Self::Nesterov { momentum, .. } => {
                check((0.0..1.0).contains(&momentum), "momentum", "it must be at least 0 and below 1")
            }
            Self::AdamW { learning_rate, weight_decay } => {
                let shrinks = weight_decay >= 0.0 && learning_rate * weight_decay < 1.0;
                check(
                    shrinks,
                    "weight_decay",
                    "at least 0, and below 1 when multiplied with the learning rate",
                )
            }
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
            (Self::Weights { optimizer }, UpdateRule::Elastic { .. }) => optimizer.validate(),
            (Self::Weights { .. }, _) => unfit("weights are pushed for the rule `elastic` only"),
            (_, UpdateRule::Elastic { .. }) => unfit("`elastic` needs an optimizer in the replica"),
            (Self::Gradients, UpdateRule::Sum) => {
                unfit("adding gradients up would climb: choose a rule that descends")
            }
            (Self::Deltas { optimizer }, _) => optimizer.validate(),
            (Self::Gradients, _) => Ok(()),
        }
    }
}

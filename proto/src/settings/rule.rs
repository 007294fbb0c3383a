use serde::{Deserialize, Serialize};

use super::{check, check_rate};
use crate::WireError;

/// An update rule at the parameter server: what a shard does with a push.
///
/// [`Sum`](Self::Sum) adds it and [`Elastic`](Self::Elastic) moves towards it; the others descend along it, as a
/// gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum UpdateRule {
    /// Adds what is pushed.
    Sum,
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
    /// Adagrad (Duchi et al. 2011), the rule of Downpour SGD.
    Adagrad {
        /// The learning rate.
        learning_rate: f32,
    },
    /// RMSProp (Tieleman and Hinton 2012).
    RmsProp {
        /// The learning rate.
        learning_rate: f32,
        /// The share of the mean square that is kept, from 0 to below 1.
        decay: f32,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1).
    Adam {
        /// The learning rate.
        learning_rate: f32,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
    AdamW {
        /// The learning rate.
        learning_rate: f32,
        /// The share of each weight that decays per push, times the learning rate.
        weight_decay: f32,
    },
    /// Elastic averaging (Zhang et al. 2015, "Deep learning with elastic averaging SGD").
    Elastic {
        /// The share of the distance that shard and replica move towards each other, above 0 and below 1.
        rate: f32,
    },
    /// Delayed Nesterov (Liu et al. 2024, "Asynchronous local-SGD training for language modeling", algorithm 3).
    DelayedNesterov {
        /// The learning rate.
        learning_rate: f32,
        /// The share of the velocity that is kept, from 0 to below 1.
        momentum: f32,
        /// How many pushes make one step of the momentum, at least 1.
        every: u32,
    },
}

impl UpdateRule {
    /// Whether a push is a direction to go against, rather than one to go along.
    pub fn descends(&self) -> bool {
        !matches!(self, Self::Sum | Self::Elastic { .. })
    }

    /// Checks the values; a rate that makes no sense is named so.
    pub(super) fn validate(&self, rate_name: &'static str) -> Result<(), WireError> {
        let share =
            |name, value: f32| check((0.0..1.0).contains(&value), name, "it must be at least 0 and below 1");
        match *self {
            Self::Sum => Ok(()),
            Self::Sgd { learning_rate } | Self::Adagrad { learning_rate } | Self::Adam { learning_rate } => {
                check_rate(rate_name, learning_rate)
            }
            Self::Momentum { learning_rate, momentum } | Self::Nesterov { learning_rate, momentum } => {
                check_rate(rate_name, learning_rate)?;
                share("momentum", momentum)
            }
            Self::RmsProp { learning_rate, decay } => {
                check_rate(rate_name, learning_rate)?;
                share("decay", decay)
            }
            Self::AdamW { learning_rate, weight_decay } => {
                check_rate(rate_name, learning_rate)?;
                share("weight_decay", weight_decay)
            }
            Self::Elastic { rate } => {
                check(rate > 0.0 && rate < 1.0, "elastic rate", "it must be above 0 and below 1")
            }
            Self::DelayedNesterov { learning_rate, momentum, every } => {
                check_rate(rate_name, learning_rate)?;
                share("momentum", momentum)?;
                check(every >= 1, "delayed nesterov every", "at least 1 is needed")
            }
        }
    }
}

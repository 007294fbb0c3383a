use serde::{Deserialize, Serialize};

use super::check;
use crate::WireError;

/// How a push is scaled by its staleness: the number of pushes applied since the weights it was computed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StalenessScale {
    /// Not at all.
    #[default]
    None,
    /// By 1/τ, and by 1 if τ is 0 (Zhang et al. 2016, "Staleness-aware async-SGD for distributed deep learning",
    /// equation 6).
    Inverse,
    /// By 1/(τ + 1).
    InversePlusOne,
}

/// What a shard does about pushes that were computed on old weights. Both parts can be had together.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// Scales pushes.
    pub scale: StalenessScale,
    /// Adds `λ g ⊙ g ⊙ (w - w_pulled)`, where λ is divided by the root of a moving mean of `g ⊙ g` (Zheng et al.
    /// 2017, "Asynchronous stochastic gradient descent with delay compensation", DC-ASGD-a); this is λ at the start.
    pub delay_compensation: Option<f32>,
}

impl Correction {
    pub(super) fn validate(&self) -> Result<(), WireError> {
        let lambda = self.delay_compensation.unwrap_or(1.0);
        check(lambda.is_finite() && lambda > 0.0, "delay_compensation", "it must be above 0")
    }
}

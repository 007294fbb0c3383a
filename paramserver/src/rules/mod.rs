//! Update rules: what a shard does with a push.
//!
//! A push is the sum, over the steps it carries, of what the replica computed at each step. A rule works in
//! place and in one pass, because a shard is as large as memory allows and is locked meanwhile.

mod adam;
mod momentum;
mod sgd;
mod sum;

use std::collections::TryReserveError;

use howdah_proto::settings;

pub use adam::Adam;
pub use momentum::Momentum;
pub use sgd::Sgd;
pub use sum::Sum;

/// A way to turn a push into new weights.
pub trait UpdateRule: Send + Sync + std::fmt::Debug {
    /// Changes `weights` by `push`, the sum over `steps` steps. Both slices have the shard's length.
    fn apply(&mut self, weights: &mut [f32], push: &[f32], steps: u64);

    /// Tells how many bytes the rule keeps beside the weights.
    fn state_bytes(&self) -> u64 {
        0
    }
}

/// Builds the rule for a shard of `values` weights.
///
/// # Errors
/// The memory for the rule's own state can't be had.
pub fn build(rule: &settings::UpdateRule, values: usize) -> Result<Box<dyn UpdateRule>, OutOfMemory> {
    Ok(match *rule {
        settings::UpdateRule::Sum => Box::new(Sum),
        settings::UpdateRule::Sgd { learning_rate } => Box::new(Sgd::new(learning_rate)),
        settings::UpdateRule::Momentum { learning_rate, momentum } => {
            Box::new(Momentum::new(learning_rate, momentum, values)?)
        }
        settings::UpdateRule::Adam { learning_rate } => Box::new(Adam::new(learning_rate, values)?),
    })
}

/// The memory for as many values can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for {values} values")]
pub struct OutOfMemory {
    /// How many values were asked for.
    pub values: usize,
}

/// Allocates zeros. Large ones come from the kernel as zero pages, so this is quick at any size.
pub(crate) fn zeros(values: usize) -> Result<Box<[f32]>, OutOfMemory> {
    bytemuck::allocation::try_zeroed_slice_box(values).map_err(|()| OutOfMemory { values })
}

impl OutOfMemory {
    pub(crate) fn from_reserve(values: usize) -> impl FnOnce(TryReserveError) -> Self {
        move |_| Self { values }
    }
}

/// Runs a rule over some pushes and compares the weights with an oracle that works value by value in f64.
#[cfg(test)]
fn assert_follows<S: Clone>(
    mut rule: impl UpdateRule,
    start: S,
    oracle: impl Fn(&mut S, f64, f64, f64) -> f64,
) {
    let values = 37;
    let wave = |value: usize, push: usize| ((value * 7 + push * 13 + 1) as f32 * 0.37).sin();
    let mut weights: Vec<f32> = (0..values).map(|value| wave(value, 100)).collect();
    let mut expected: Vec<(f64, S)> =
        weights.iter().map(|weight| (f64::from(*weight), start.clone())).collect();
    for push in 0..20 {
        let steps = 1 + push as u64 % 4;
        let pushed: Vec<f32> = (0..values).map(|value| wave(value, push)).collect();
        rule.apply(&mut weights, &pushed, steps);
        for ((weight, state), pushed) in expected.iter_mut().zip(&pushed) {
            *weight = oracle(state, *weight, f64::from(*pushed), steps as f64);
        }
    }
    for (value, (weight, (expected, _))) in weights.iter().zip(&expected).enumerate() {
        assert!((f64::from(*weight) - expected).abs() < 1e-4, "value {value}: {weight} is not {expected}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_accounts_for_the_state_it_keeps() {
        let bytes = |rule| build(&rule, 1000).unwrap().state_bytes();
        assert_eq!(bytes(settings::UpdateRule::Sum), 0);
        assert_eq!(bytes(settings::UpdateRule::Sgd { learning_rate: 0.1 }), 0);
        assert_eq!(bytes(settings::UpdateRule::Momentum { learning_rate: 0.1, momentum: 0.9 }), 4000);
        assert_eq!(bytes(settings::UpdateRule::Adam { learning_rate: 0.1 }), 8000);
    }
}

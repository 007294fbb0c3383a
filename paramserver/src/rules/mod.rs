//! Update rules: what a shard does with a push.
//!
//! A push is the sum, over the steps it carries, of what the replica computed at each step. A rule makes one
//! pass, because a shard is as large as memory allows and is locked meanwhile, and works in place but for the pieces that are
//! being sent.

mod adagrad;
mod adam;
mod adamw;
mod averaged;
mod delayed_nesterov;
mod elastic;
mod momentum;
mod nesterov;
mod rmsprop;
mod sgd;
mod sum;
mod weights;

#[cfg(test)]
pub(crate) mod oracle;

use std::collections::TryReserveError;

use howdah_proto::settings;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamw::AdamW;
pub use averaged::Averaged;
pub use delayed_nesterov::DelayedNesterov;
pub use elastic::Elastic;
pub use momentum::Momentum;
pub use nesterov::Nesterov;
#[cfg(test)]
use oracle::assert_follows;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;
pub use sum::Sum;
pub use weights::{Part, Weights};
pub(crate) use weights::{copy_of, room};

/// A way to turn a push into new weights.
///
/// What a rule keeps from push to push is arrays of the shard's length, whose values belong to the weights at the
/// same places, and single numbers that hold for all of them. So the state of any rule can be saved, cut and joined.
pub trait UpdateRule: Send + Sync + std::fmt::Debug {
    /// Changes `weights` by `push`, the sum over `steps` steps. Both have the shard's length.
    ///
    /// A round comes as one push: `push` is then the mean or the sum of its contributions, and `steps` the most that
    /// any of them carries. The rules that scale by the size of a gradient divide by `steps`; a partition that has
    /// fewer steps left then counts for as much as it has. The others don't look at `steps`.
    ///
    /// Rules with a learning rate take it times `factor`, which the schedule gives.
    fn apply(&mut self, weights: &mut Weights, push: &[f32], steps: u64, factor: f32);

    /// Gives what evaluation and the model take for the weights, if that is something else.
    fn average(&self) -> Option<&[f32]> {
        None
    }

    /// Gives the arrays, always in the same order.
    fn arrays(&self) -> Vec<&[f32]> {
        Vec::new()
    }

    /// Gives the arrays for others to be put in their places.
    fn arrays_mut(&mut self) -> Vec<&mut Box<[f32]>> {
        Vec::new()
    }

    /// Gives the single numbers, always in the same order.
    fn scalars(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Gives the single numbers for others to be put in their places.
    fn scalars_mut(&mut self) -> Vec<&mut f64> {
        Vec::new()
    }

    /// Tells how many bytes the rule keeps beside the weights.
    fn state_bytes(&self) -> u64 {
        self.arrays().into_iter().map(|array| size_of_val(array) as u64).sum()
    }
}

/// Builds the rule for a shard of `values` weights, with the average that the spec asks for.
///
/// # Errors
/// The memory for the rule's own state can't be had.
pub fn build_for(spec: &settings::ShardSpec, values: usize) -> Result<Box<dyn UpdateRule>, OutOfMemory> {
    let rule = build(&spec.rule, values)?;
    Ok(match spec.average {
        Some(kept) => Box::new(Averaged::new(rule, kept, values)?),
        None => rule,
    })
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
        settings::UpdateRule::Nesterov { learning_rate, momentum } => {
            Box::new(Nesterov::new(learning_rate, momentum, values)?)
        }
        settings::UpdateRule::Adagrad { learning_rate } => Box::new(Adagrad::new(learning_rate, values)?),
        settings::UpdateRule::RmsProp { learning_rate, decay } => {
            Box::new(RmsProp::new(learning_rate, decay, values)?)
        }
        settings::UpdateRule::Adam { learning_rate } => Box::new(Adam::new(learning_rate, values)?),
        settings::UpdateRule::AdamW { learning_rate, weight_decay } => {
            Box::new(AdamW::new(learning_rate, weight_decay, values)?)
        }
        settings::UpdateRule::Elastic { rate } => Box::new(Elastic::new(rate)),
        settings::UpdateRule::DelayedNesterov { learning_rate, momentum, every } => {
            Box::new(DelayedNesterov::new(learning_rate, momentum, every, values)?)
        }
    })
}

/// The memory for as many values can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for {values} values")]
pub struct OutOfMemory {
    /// How many values were asked for.
    pub values: usize,
}

/// Allocates zeros. Memory that is new comes from the kernel as zero pages, so this is quick at any size.
pub(crate) fn zeros(values: usize) -> Result<Box<[f32]>, OutOfMemory> {
    bytemuck::allocation::try_zeroed_slice_box(values).map_err(|()| OutOfMemory { values })
}

impl OutOfMemory {
    pub(crate) fn from_reserve(values: usize) -> impl FnOnce(TryReserveError) -> Self {
        move |_| Self { values }
    }
}

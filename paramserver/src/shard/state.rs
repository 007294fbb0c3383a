use howdah_proto::{
    Version,
    fence::Fence,
    settings::{Pace, ShardSpec},
};
use serde::{Deserialize, Serialize};

use super::{
    Fences,
    correction::{Factor, MeanSquare},
    staleness::Staleness,
};
use crate::rules::{self, OutOfMemory, UpdateRule, Weights, copy_of};

/// What a shard has been asked to do so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Pushes that changed the weights.
    pub applied: u64,
    /// Pushes that were in the weights before.
    pub repeated: u64,
    /// Pushes of superseded attempts.
    pub superseded: u64,
    /// Pushes that didn't follow the mark.
    pub out_of_order: u64,
    /// Contributions to rounds that were complete.
    pub late: u64,
}

/// One change of the weights: by a push, or by the contributions of a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    /// Whose steps it brings.
    pub(super) fences: &'a [Fence],
    /// What the rule is given.
    pub(super) values: &'a [f32],
    /// The most steps that one of the fences brings.
    pub(super) steps: u64,
    /// How many versions behind it is.
    pub(super) staleness: u64,
    /// By how much its staleness has scaled the values.
    pub(super) scale: f32,
}

/// Weights and marks, which change together, and all that their next change depends on.
#[derive(Debug)]
pub(super) struct State {
    pub(super) weights: Weights,
    pub(super) rule: Box<dyn UpdateRule>,
    /// How the learning rate of the rule goes through the training.
    pub(super) pace: Pace,
    /// There if stale gradients are compensated.
    pub(super) mean_square: Option<MeanSquare>,
    pub(super) fences: Fences,
    pub(super) version: Version,
    /// Pushes accepted that are in the weights.
    pub(super) sequence: u64,
    pub(super) counters: Counters,
    pub(super) staleness: Staleness,
}

impl State {
    /// Makes the state of zeros.
    pub(super) fn new(values: usize, spec: &ShardSpec) -> Result<Self, OutOfMemory> {
        Self::of(Weights::zeros(values)?, spec)
    }

    /// Makes the state that begins with these weights.
    pub(super) fn of(weights: Weights, spec: &ShardSpec) -> Result<Self, OutOfMemory> {
        let values = weights.len();
        let compensates = spec.correction.delay_compensation.is_some();
        Ok(Self {
            weights,
            rule: rules::build_for(spec, values)?,
            pace: spec.pace,
            mean_square: if compensates { Some(MeanSquare::new(values)?) } else { None },
            fences: Fences::default(),
            version: Version(0),
            sequence: 0,
            counters: Counters::default(),
            staleness: Staleness::default(),
        })
    }

    /// Makes a change: the weights and the marks of all its fences.
    pub(super) fn advance(&mut self, change: &Change<'_>) {
        if let Some(mean_square) = &mut self.mean_square {
            mean_square.follow(change.values, Factor::new(change.steps, change.scale));
        }
        // The contributions of a round are of the same steps, or of fewer.
        let factor = change.fences.first().map_or(1.0, |fence| self.pace.factor(fence));
        self.rule.apply(&mut self.weights, change.values, change.steps, factor);
        change.fences.iter().for_each(|fence| self.fences.advance(fence));
        let pushes = change.fences.len() as u64;
        self.version.0 += 1;
        self.sequence += pushes;
        self.counters.applied += pushes;
        self.staleness.count(change.staleness, pushes);
    }

    /// Copies the state of a shard that follows `spec`.
    pub(super) fn copy(&self, spec: &ShardSpec) -> Result<Self, OutOfMemory> {
        let mut rule = rules::build_for(spec, self.weights.len())?;
        for (array, from) in rule.arrays_mut().into_iter().zip(self.rule.arrays()) {
            array.copy_from_slice(from);
        }
        for (scalar, from) in rule.scalars_mut().into_iter().zip(self.rule.scalars()) {
            *scalar = from;
        }
        let mean_square = self.mean_square.as_ref();
        Ok(Self {
            weights: self.weights.copy()?,
            rule,
            pace: self.pace,
            mean_square: mean_square.map(|mean| copy_of(mean.array()).map(MeanSquare::of)).transpose()?,
            fences: self.fences.clone(),
            version: self.version,
            sequence: self.sequence,
            counters: self.counters,
            staleness: self.staleness.clone(),
        })
    }

    /// Tells how many bytes the weights and what belongs to them take.
    pub(super) fn bytes(&self) -> u64 {
        let mean_square = self.mean_square.as_ref().map_or(0, |mean| size_of_val(mean.array()));
        self.weights.bytes() + mean_square as u64 + self.rule.state_bytes()
    }
}

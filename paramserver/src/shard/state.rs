use std::{collections::BTreeMap, sync::Arc};

use howdah_proto::{
    Attempt,
    fence::{Fence, TrainTask},
    settings,
};

use super::{
    Decision, Fences, PushOutcome, Seen, ShardError,
    error::{MAX_TAGS, MAX_TASKS, MAX_VALUES},
};
use crate::rules::{self, OutOfMemory, UpdateRule};

/// A copy of the weights that later pushes don't touch.
#[derive(Debug, Clone)]
pub struct Tagged {
    /// The weights as they were.
    pub weights: Arc<Vec<f32>>,
    /// How many pushes had been applied.
    pub version: u64,
}

/// What a shard has been asked to do so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Pushes that changed the weights.
    pub applied: u64,
    /// Pushes that were in the weights before.
    pub repeated: u64,
    /// Pushes of superseded attempts.
    pub superseded: u64,
    /// Pushes that didn't follow the mark.
    pub out_of_order: u64,
}

/// A contiguous range of the parameters, with all that decides about its next change.
#[derive(Debug)]
pub struct Shard {
    weights: Box<[f32]>,
    rule: Box<dyn UpdateRule>,
    fences: Fences,
    tags: BTreeMap<u64, Tagged>,
    counters: Counters,
    written: bool,
}

impl Shard {
    /// Makes a shard of zeros.
    ///
    /// # Errors
    /// [`ShardError::Size`] and [`ShardError::OutOfMemory`].
    pub fn new(values: u64, rule: &settings::UpdateRule) -> Result<Self, ShardError> {
        let size = ShardError::Size { values };
        let len = usize::try_from(values).map_err(|_| size)?;
        if !(1..=MAX_VALUES).contains(&values) {
            return Err(size);
        }
        Ok(Self {
            weights: rules::zeros(len)?,
            rule: rules::build(rule, len)?,
            fences: Fences::default(),
            tags: BTreeMap::new(),
            counters: Counters::default(),
            written: false,
        })
    }

    /// Sets the initial weights. Setting the same ones again is fine, so that a lost answer does no harm.
    ///
    /// # Errors
    /// [`ShardError::Length`], [`ShardError::NotFinite`] and [`ShardError::NotInitial`].
    pub fn write(&mut self, values: &[f32]) -> Result<(), ShardError> {
        self.check_len(values)?;
        if self.written && *self.weights == *values {
            return Ok(());
        }
        if self.written || self.counters.applied > 0 {
            return Err(ShardError::NotInitial);
        }
        check_finite(values)?;
        self.weights.copy_from_slice(values);
        self.written = true;
        Ok(())
    }

    /// Applies a push unless its fence says otherwise: weights and mark change together or not at all.
    ///
    /// # Errors
    /// [`ShardError::Length`], [`ShardError::NotFinite`] and [`ShardError::TooManyTasks`].
    pub fn apply(&mut self, fence: &Fence, values: &[f32]) -> Result<PushOutcome, ShardError> {
        self.check_len(values)?;
        self.check_task(fence.task())?;
        let decision = self.fences.decide(fence);
        if decision == Decision::Apply {
            check_finite(values)?;
        }
        self.fences.see(fence.task(), fence.attempt());
        Ok(match decision {
            Decision::Apply => {
                self.rule.apply(&mut self.weights, values, fence.steps());
                self.fences.advance(fence);
                self.counters.applied += 1;
                PushOutcome::Applied { mark: fence.last() }
            }
            Decision::AlreadyApplied { mark } => {
                self.counters.repeated += 1;
                PushOutcome::AlreadyApplied { mark }
            }
            Decision::Superseded { highest } => {
                self.counters.superseded += 1;
                PushOutcome::Superseded { highest }
            }
            Decision::Gap { mark } => {
                self.counters.out_of_order += 1;
                PushOutcome::Gap { mark }
            }
        })
    }

    /// Tells the mark of a task; the attempt that asks supersedes lower ones.
    ///
    /// # Errors
    /// [`ShardError::TooManyTasks`].
    pub fn mark(&mut self, task: TrainTask, attempt: Attempt) -> Result<Seen, ShardError> {
        self.check_task(task)?;
        Ok(self.fences.see(task, attempt))
    }

    /// Keeps a copy of the weights under a tag. A tag that exists stays as it is.
    ///
    /// # Errors
    /// [`ShardError::TooManyTags`] and [`ShardError::OutOfMemory`].
    pub fn tag(&mut self, tag: u64) -> Result<(), ShardError> {
        if self.tags.contains_key(&tag) {
            return Ok(());
        }
        if self.tags.len() >= MAX_TAGS {
            return Err(ShardError::TooManyTags);
        }
        let mut copy = Vec::new();
        copy.try_reserve_exact(self.weights.len()).map_err(OutOfMemory::from_reserve(self.weights.len()))?;
        copy.extend_from_slice(&self.weights);
        self.tags.insert(tag, Tagged { weights: Arc::new(copy), version: self.counters.applied });
        Ok(())
    }

    /// Drops a tag, if it is there.
    pub fn untag(&mut self, tag: u64) {
        self.tags.remove(&tag);
    }

    /// Looks a tag up.
    pub fn tagged(&self, tag: u64) -> Option<&Tagged> {
        self.tags.get(&tag)
    }

    /// Gives the newest weights.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Gives the counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Gives the marks and attempts.
    pub fn fences(&self) -> &Fences {
        &self.fences
    }

    /// Tells how many bytes the weights, the rule's state and the tags take.
    pub fn bytes(&self) -> u64 {
        let copies = 1 + self.tags.len() as u64;
        copies * size_of_val(&*self.weights) as u64 + self.rule.state_bytes()
    }

    fn check_len(&self, values: &[f32]) -> Result<(), ShardError> {
        if values.len() == self.weights.len() {
            Ok(())
        } else {
            Err(ShardError::Length { given: values.len(), values: self.weights.len() })
        }
    }

    fn check_task(&self, task: TrainTask) -> Result<(), ShardError> {
        if self.fences.tasks() < MAX_TASKS || self.fences.knows(task) {
            Ok(())
        } else {
            Err(ShardError::TooManyTasks)
        }
    }
}

fn check_finite(values: &[f32]) -> Result<(), ShardError> {
    // A block without an early exit becomes vector instructions.
    let all_finite = |block: &[f32]| block.iter().fold(true, |good, value| good & value.is_finite());
    if values.chunks(4096).all(all_finite) {
        return Ok(());
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(ShardError::NotFinite { index, value: values[index] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Epoch, Partition, Step};

    use super::*;

    const TASK: TrainTask = TrainTask { epoch: Epoch(1), partition: Partition(0) };

    fn fence(attempt: u32, first: u64, last: u64) -> Fence {
        Fence::new(TASK, Attempt(attempt), Step(first), Step(last)).unwrap()
    }

    fn shard() -> Shard {
        Shard::new(3, &settings::UpdateRule::Sum).unwrap()
    }

    #[test]
    fn a_push_that_comes_twice_is_applied_once() {
        let mut shard = shard();
        let push = [1.0, 2.0, 3.0];
        assert_eq!(shard.apply(&fence(1, 1, 2), &push).unwrap(), PushOutcome::Applied { mark: Step(2) });
        assert_eq!(
            shard.apply(&fence(1, 1, 2), &push).unwrap(),
            PushOutcome::AlreadyApplied { mark: Step(2) }
        );
        assert_eq!(shard.weights(), push);
        assert_eq!(shard.counters(), Counters { applied: 1, repeated: 1, ..Counters::default() });
    }

    #[test]
    fn a_push_that_is_not_finite_or_has_the_wrong_length_leaves_no_trace() {
        let mut shard = shard();
        let wrong = shard.apply(&fence(9, 1, 1), &[1.0; 2]).unwrap_err();
        assert_eq!(wrong, ShardError::Length { given: 2, values: 3 });
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let wrong = shard.apply(&fence(9, 1, 1), &[0.0, value, 0.0]).unwrap_err();
            assert!(matches!(wrong, ShardError::NotFinite { index: 1, .. }), "{wrong}");
        }
        assert_eq!(shard.fences().tasks(), 0);
        assert_eq!(shard.counters(), Counters::default());
        assert_eq!(shard.weights(), [0.0; 3]);
    }

    #[test]
    fn a_tag_keeps_the_weights_it_was_set_on() {
        let mut shard = shard();
        shard.tag(4).unwrap();
        shard.apply(&fence(1, 1, 1), &[1.0; 3]).unwrap();
        shard.tag(4).unwrap();
        assert_eq!(**shard.tagged(4).unwrap().weights, [0.0; 3]);
        assert_eq!(shard.tagged(4).unwrap().version, 0);
        assert_eq!(shard.bytes(), 24);
        shard.untag(4);
        assert!(shard.tagged(4).is_none());
        assert_eq!(shard.bytes(), 12);
    }

    #[test]
    fn initial_weights_are_set_once_and_before_any_push() {
        let mut shard = shard();
        shard.write(&[5.0; 3]).unwrap();
        shard.write(&[5.0; 3]).unwrap();
        assert_eq!(shard.write(&[6.0; 3]), Err(ShardError::NotInitial));
        let mut pushed = self::shard();
        pushed.apply(&fence(1, 1, 1), &[1.0; 3]).unwrap();
        assert_eq!(pushed.write(&[5.0; 3]), Err(ShardError::NotInitial));
    }

    #[test]
    fn a_shard_has_a_sensible_size_and_so_many_tags() {
        for values in [0, MAX_VALUES + 1, u64::MAX] {
            let error = Shard::new(values, &settings::UpdateRule::Sum).unwrap_err();
            assert_eq!(error, ShardError::Size { values });
        }
        let mut shard = shard();
        (0..MAX_TAGS as u64).for_each(|tag| shard.tag(tag).unwrap());
        assert_eq!(shard.tag(u64::MAX), Err(ShardError::TooManyTags));
    }
}

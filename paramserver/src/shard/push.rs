use howdah_proto::{
    ReplicaId, Version,
    fence::{Fence, RoundPart},
};

use super::{
    Decision, PushOutcome, Shard, ShardError,
    correction::{self, Factor},
    finite::{Finite, check_finite},
    rounds::RoundDecision,
    staleness::staleness,
    state::Change,
};

/// A push as it reaches a shard.
#[derive(Debug)]
pub struct Push<'a> {
    /// Which steps it carries.
    pub fence: &'a Fence,
    /// Which round it contributes to, in the modes that have rounds.
    pub round: Option<RoundPart>,
    /// The version of the weights that it was computed on.
    pub base: Version,
    /// Who pushes.
    pub replica: ReplicaId,
    /// The values. Applying corrects them in place: a standby must [replay](Shard::replay) what they are then.
    pub values: &'a mut [f32],
    /// What is known of the values.
    pub finite: Finite,
}

impl Shard {
    /// Applies a push unless its fence says otherwise: weights and mark change together or not at all.
    ///
    /// # Errors
    /// [`ShardError::Length`], [`ShardError::NotFinite`], [`ShardError::TooManyTasks`], [`ShardError::Course`],
    /// [`ShardError::Contributions`], [`ShardError::TooManyContributions`] and [`ShardError::OutOfMemory`].
    pub fn apply(&mut self, push: Push<'_>) -> Result<PushOutcome, ShardError> {
        self.check_len(push.values)?;
        self.check_course(push.round)?;
        self.check_task(push.fence.task())?;
        let outcome = match push.round {
            None => self.stream(push)?,
            Some(part) => self.contribute(push.fence, part, push.base, (push.values, push.finite))?,
        };
        let counters = &mut self.state.counters;
        match outcome {
            PushOutcome::Applied { .. } => {}
            PushOutcome::AlreadyApplied { .. } => counters.repeated += 1,
            PushOutcome::Superseded { .. } => counters.superseded += 1,
            PushOutcome::Gap { .. } => counters.out_of_order += 1,
            PushOutcome::Late => counters.late += 1,
        }
        Ok(outcome)
    }

    /// Applies a push that the primary has applied, on its standby: with the values as they were when it had been
    /// applied, and the [sequence](Self::sequence) number that the primary had then. A push that is there already is
    /// left out.
    ///
    /// # Errors
    /// [`ShardError::Sequence`] if pushes before it are missing, [`ShardError::Diverged`] if it doesn't follow what
    /// the standby has, and those of [`Self::apply`].
    pub fn replay(
        &mut self,
        sequence: u64,
        fence: &Fence,
        round: Option<RoundPart>,
        base: Version,
        values: &[f32],
    ) -> Result<(), ShardError> {
        if sequence <= self.sequence() {
            return Ok(());
        }
        let expected = self.sequence() + 1;
        if sequence != expected {
            return Err(ShardError::Sequence { expected, got: sequence });
        }
        self.check_len(values)?;
        self.check_course(round)?;
        self.check_task(fence.task())?;
        let diverged = ShardError::Diverged { task: fence.task() };
        match round {
            Some(part) => {
                let outcome = self.contribute(fence, part, base, (values, Finite::Unknown))?;
                if matches!(outcome, PushOutcome::Applied { .. }) { Ok(()) } else { Err(diverged) }
            }
            // The primary has seen which attempts were superseded; a standby hears of pushes only.
            None if self.state.fences.decide_steps(fence) != Decision::Apply => Err(diverged),
            None => {
                check_finite(values)?;
                self.state.weights.own()?;
                let staleness = staleness(self.state.version, base);
                let scale = correction::scale(self.spec.correction.scale, staleness);
                let (fences, steps) = (&[*fence], fence.steps());
                self.advance(&Change { fences, values, steps, staleness, scale });
                Ok(())
            }
        }
    }

    fn stream(&mut self, push: Push<'_>) -> Result<PushOutcome, ShardError> {
        let Push { fence, base, replica, values, finite, .. } = push;
        let decision = self.state.fences.decide(fence);
        let staleness = staleness(self.state.version, base);
        let scale = correction::scale(self.spec.correction.scale, staleness);
        if decision == Decision::Apply {
            self.state.weights.own()?;
            self.correct(values, fence.steps(), scale, replica);
            // A scale is at most 1, but what compensates a delay can be anything.
            if finite == Finite::Unknown || self.spec.correction.delay_compensation.is_some() {
                check_finite(values)?;
            }
        } else {
            self.state.fences.see(fence.task(), fence.attempt());
        }
        Ok(match decision {
            Decision::Apply => {
                let (fences, steps) = (&[*fence], fence.steps());
                self.advance(&Change { fences, values, steps, staleness, scale });
                PushOutcome::Applied { mark: fence.last() }
            }
            Decision::AlreadyApplied { mark } => PushOutcome::AlreadyApplied { mark },
            Decision::Superseded { highest } => PushOutcome::Superseded { highest },
            Decision::Gap { mark } => PushOutcome::Gap { mark },
        })
    }

    /// Corrects a stale push in place. The weights it was computed on are those that the replica was last sent; if it
    /// has pulled again since, the way from there alone is compensated, and nothing is if it has no mirror.
    fn correct(&self, values: &mut [f32], steps: u64, scale: f32, replica: ReplicaId) {
        let pulled = self.mirrors.weights(replica);
        match (self.spec.correction.delay_compensation, &self.state.mean_square, pulled) {
            (Some(lambda), Some(mean_square), Some(pulled)) => {
                let factor = Factor::new(steps, scale);
                mean_square.compensate(lambda, values, (steps, factor), &self.state.weights, pulled);
            }
            _ => correction::scale_push(values, scale),
        }
    }

    fn contribute(
        &mut self,
        fence: &Fence,
        part: RoundPart,
        base: Version,
        (values, finite): (&[f32], Finite),
    ) -> Result<PushOutcome, ShardError> {
        if let RoundDecision::Answer(outcome) =
            self.rounds.decide(&self.state, &self.spec.mode, fence, part)?
        {
            return Ok(outcome);
        }
        if finite == Finite::Unknown {
            check_finite(values)?;
        }
        // All memory is there before anything changes: the last contribution, once it is kept, completes its round.
        let spare = if self.rounds.lacks_one(part) { self.rounds.spare(&self.state.weights)? } else { None };
        self.rounds.keep(fence, part, values)?;
        if let Some(round) = self.rounds.complete(self.spec.combine) {
            self.rounds.put_aside(self.state.version, &mut self.state.weights, spare);
            let staleness = staleness(self.state.version, base);
            let (fences, values, steps) = (&*round.fences, &*round.values, round.steps);
            self.advance(&Change { fences, values, steps, staleness, scale: 1.0 });
            self.rounds.reuse(round.values);
        }
        Ok(PushOutcome::Applied { mark: fence.last() })
    }

    fn advance(&mut self, change: &Change<'_>) {
        self.cuts.advance(&self.state, &self.spec, change);
        self.state.advance(change);
    }

    fn check_course(&self, round: Option<RoundPart>) -> Result<(), ShardError> {
        let in_rounds = self.spec.mode.in_rounds();
        if round.is_some() == in_rounds { Ok(()) } else { Err(ShardError::Course { in_rounds }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::{
        Counters,
        fixture::{SPEC, attempt, fence, push},
    };
    use howdah_proto::Step;

    fn shard() -> Shard {
        Shard::new(3, &SPEC).unwrap()
    }

    #[test]
    fn a_push_that_comes_twice_is_applied_once() {
        let mut shard = shard();
        let values = [1.0, 2.0, 3.0];
        let first = push(&mut shard, &fence(0, 1, 2), &values).unwrap();
        let second = push(&mut shard, &fence(0, 1, 2), &values).unwrap();
        assert_eq!(first, PushOutcome::Applied { mark: Step(2) });
        assert_eq!(second, PushOutcome::AlreadyApplied { mark: Step(2) });
        assert_eq!(shard.weights().to_vec(), values);
        assert_eq!(shard.counters(), Counters { applied: 1, repeated: 1, ..Counters::default() });
    }

    #[test]
    fn a_push_that_is_not_finite_or_has_the_wrong_length_leaves_no_trace() {
        let mut shard = shard();
        let wrong = push(&mut shard, &attempt(9, 1, 1), &[1.0; 2]).unwrap_err();
        assert_eq!(wrong, ShardError::Length { given: 2, values: 3 });
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let wrong = push(&mut shard, &attempt(9, 1, 1), &[0.0, value, 0.0]).unwrap_err();
            assert!(matches!(wrong, ShardError::NotFinite { index: 1, .. }), "{wrong}");
        }
        assert_eq!(shard.fences().tasks(), 0);
        assert_eq!(shard.counters(), Counters::default());
        assert_eq!(shard.weights().to_vec(), [0.0; 3]);
    }
}

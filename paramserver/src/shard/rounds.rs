use std::collections::BTreeMap;

use howdah_proto::{
    Version,
    fence::{Fence, RoundPart, TrainTask},
    settings::{Combine, Course, MAX_CONTRIBUTIONS, Mode},
};

use super::{Decision, PushOutcome, ShardError, state::State};
use crate::rules::{self, OutOfMemory, Weights};

/// Values that are added up while they are in the nearest cache.
const BLOCK: usize = 4096;

/// What is to be done with a contribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoundDecision {
    /// Keep it: it is of the next round.
    Keep,
    /// Change nothing.
    Answer(PushOutcome),
}

/// The contributions to the round that comes next.
///
/// Marks move when the round is complete, with the weights. A contribution is a function of the weights, the seed and
/// its steps, so all attempts at it are the same, and attempts decide nothing here.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    part: Option<RoundPart>,
    kept: BTreeMap<TrainTask, (Fence, Box<[f32]>)>,
    free: Vec<Box<[f32]>>,
    /// The weights before the last round. A contribution to it that another shard still lacks, because who pushed it
    /// died in between, can only be computed on them.
    before: Option<(Version, Weights)>,
}

/// A round that is complete.
#[derive(Debug)]
pub(super) struct Round {
    /// Its contributions' fences, in the order of their partitions.
    pub(super) fences: Vec<Fence>,
    /// The contributions as one.
    pub(super) values: Box<[f32]>,
    /// The most steps of any contribution.
    pub(super) steps: u64,
}

impl Rounds {
    /// Decides what is to be done with a contribution, and changes nothing.
    ///
    /// Where rounds go on without the slowest, the steps of a contribution that came late are left out for good, so
    /// the next one of its partition may begin beyond the mark.
    pub(super) fn decide(
        &self,
        state: &State,
        mode: &Mode,
        fence: &Fence,
        part: RoundPart,
    ) -> Result<RoundDecision, ShardError> {
        use RoundDecision::{Answer, Keep};
        let steps = state.fences.decide_steps(fence);
        if let Decision::AlreadyApplied { mark } = steps {
            return Ok(Answer(PushOutcome::AlreadyApplied { mark }));
        }
        if part.round.0 <= state.version.0 {
            return Ok(Answer(PushOutcome::Late));
        }
        let mark = state.fences.seen(fence.task()).mark;
        if part.round.0 - 1 > state.version.0 {
            return Ok(Answer(PushOutcome::Gap { mark }));
        }
        if let Some((kept, _)) = self.kept.get(&fence.task()) {
            return Ok(Answer(PushOutcome::AlreadyApplied { mark: kept.last() }));
        }
        let goes_on_without = matches!(mode.course(), Course::Rounds { backups, .. } if backups > 0);
        let follows = steps == Decision::Apply || (goes_on_without && fence.first() > mark);
        if !follows {
            return Ok(Answer(PushOutcome::Gap { mark }));
        }
        if !(1..=MAX_CONTRIBUTIONS).contains(&part.contributions) {
            return Err(ShardError::TooManyContributions { contributions: part.contributions });
        }
        match self.part {
            Some(first) if first.contributions != part.contributions => Err(ShardError::Contributions {
                round: part.round,
                expected: first.contributions,
                got: part.contributions,
            }),
            Some(_) | None => Ok(Keep),
        }
    }

    /// Keeps a contribution.
    pub(super) fn keep(&mut self, fence: &Fence, part: RoundPart, values: &[f32]) -> Result<(), OutOfMemory> {
        let mut buffer = match self.free.pop() {
            Some(buffer) => buffer,
            None => rules::zeros(values.len())?,
        };
        buffer.copy_from_slice(values);
        self.put(fence, part, buffer);
        Ok(())
    }

    /// Keeps a contribution in its own buffer.
    pub(super) fn put(&mut self, fence: &Fence, part: RoundPart, values: Box<[f32]>) {
        self.part = Some(part);
        self.kept.insert(fence.task(), (*fence, values));
    }

    /// Tells whether one more contribution completes the round.
    pub(super) fn lacks_one(&self, part: RoundPart) -> bool {
        self.len() + 1 >= u64::from(part.contributions)
    }

    /// Gives the weights before the last round, and their version.
    pub(super) fn before(&self) -> Option<(Version, &Weights)> {
        self.before.as_ref().map(|(version, weights)| (*version, weights))
    }

    /// Makes sure that there is memory for a copy of the weights: gives it, or nothing if it is that of the weights before
    /// the last round.
    ///
    /// # Errors
    /// The memory can't be had.
    pub(super) fn spare(&mut self, weights: &Weights) -> Result<Option<Weights>, OutOfMemory> {
        match &mut self.before {
            Some((_, before)) => before.own().map(|()| None),
            None => weights.copy().map(Some),
        }
    }

    /// Keeps the weights as those before the last round, and leaves a copy in their place, in the memory that was got.
    pub(super) fn put_aside(&mut self, version: Version, weights: &mut Weights, spare: Option<Weights>) {
        let mut next = match (spare, self.before.take()) {
            (Some(spare), _) => spare,
            (None, Some((_, before))) => before,
            (None, None) => weights.clone(),
        };
        next.copy_from(weights);
        self.before = Some((version, std::mem::replace(weights, next)));
    }

    /// Keeps weights before the last round that come from elsewhere.
    pub(super) fn put_before(&mut self, version: Version, weights: Weights) {
        self.before = Some((version, weights));
    }

    /// Takes the round if it is complete: its contributions added up in the order of their partitions, whatever order
    /// they came in.
    pub(super) fn complete(&mut self, combine: Combine) -> Option<Round> {
        let part = self.part?;
        if self.kept.len() < part.contributions as usize {
            return None;
        }
        let kept = std::mem::take(&mut self.kept);
        self.part = None;
        let fences: Vec<Fence> = kept.values().map(|(fence, _)| *fence).collect();
        let steps = fences.iter().map(Fence::steps).max()?;
        let mut buffers = kept.into_values().map(|(_, values)| values);
        let mut values = buffers.next()?;
        let others: Vec<Box<[f32]>> = buffers.collect();
        let share = match combine {
            Combine::Mean => 1.0 / fences.len() as f32,
            Combine::Sum => 1.0,
        };
        for (block, sums) in values.chunks_mut(BLOCK).enumerate() {
            for other in &others {
                let place = block * BLOCK;
                sums.iter_mut().zip(&other[place..]).for_each(|(sum, value)| *sum += value);
            }
            sums.iter_mut().for_each(|sum| *sum *= share);
        }
        self.free.extend(others);
        Some(Round { fences, values, steps })
    }

    /// Takes a buffer back for a contribution to come.
    pub(super) fn reuse(&mut self, buffer: Box<[f32]>) {
        self.free.push(buffer);
    }

    /// How many contributions are kept.
    pub(super) fn len(&self) -> u64 {
        self.kept.len() as u64
    }

    /// What the contributions that are kept say of their round.
    pub(super) fn part(&self) -> Option<RoundPart> {
        self.part
    }

    /// Gives the contributions that are kept, in the order of their partitions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Fence, &[f32])> {
        self.kept.values().map(|(fence, values)| (fence, &**values))
    }

    pub(super) fn bytes(&self) -> u64 {
        let kept = self.kept.values().map(|(_, values)| values);
        let contributions: u64 = kept.chain(&self.free).map(|buffer| size_of_val(&**buffer) as u64).sum();
        contributions + self.before.as_ref().map_or(0, |(_, weights)| weights.bytes())
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{
        Round as RoundNumber, Step, Version,
        settings::{ShardSpec, UpdateRule},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::shard::{
        Shard,
        fixture::{ROUNDS, contribute, fence},
    };

    fn part(round: u64, contributions: u32) -> RoundPart {
        RoundPart { round: RoundNumber(round), contributions }
    }

    fn value(partition: u32, round: u64, place: usize) -> f32 {
        ((partition as f32 * 3.7 + round as f32) * 0.61 + place as f32).sin()
            * 1e3f32.powi(partition as i32 % 3)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rounds_give_the_same_bits_in_whatever_order_and_how_often_contributions_come(
            orders in prop::collection::vec(Just((0u32..7).collect::<Vec<_>>()).prop_shuffle(), 1..6),
            again in prop::collection::vec(0u32..7, 0..20),
        ) {
            let spec = ShardSpec { rule: UpdateRule::Adam { learning_rate: 0.1 }, ..ROUNDS };
            let mut shuffled = Shard::new(3, &spec).unwrap();
            let mut ordered = Shard::new(3, &spec).unwrap();
            for (round, order) in (1..).zip(&orders) {
                let values = |partition: u32| [0, 1, 2].map(|place| value(partition, round, place));
                for partition in order {
                    let fence = fence(*partition, round, round);
                    contribute(&mut shuffled, &fence, part(round, 7), &values(*partition)).unwrap();
                    for repeated in again.iter().filter(|again| *again == partition) {
                        let fence = self::fence(*repeated, round, round);
                        let outcome = contribute(&mut shuffled, &fence, part(round, 7), &values(*repeated));
                        let expected = PushOutcome::AlreadyApplied { mark: Step(round) };
                        prop_assert_eq!(outcome.unwrap(), expected);
                    }
                }
                for partition in 0..7 {
                    contribute(&mut ordered, &fence(partition, round, round), part(round, 7), &values(partition))
                        .unwrap();
                }
            }
            prop_assert_eq!(shuffled.weights().to_vec(), ordered.weights().to_vec());
            prop_assert_eq!(shuffled.version(), Version(orders.len() as u64));
            prop_assert_eq!(shuffled.sequence(), 7 * orders.len() as u64);
        }
    }

    #[test]
    fn marks_and_version_move_when_the_round_is_complete() {
        let mut shard = Shard::new(2, &ROUNDS).unwrap();
        contribute(&mut shard, &fence(1, 1, 4), part(1, 2), &[2.0, 4.0]).unwrap();
        assert_eq!((shard.sequence(), shard.version()), (1, Version(0)));
        assert_eq!(shard.weights().to_vec(), [0.0; 2]);
        assert_eq!(shard.fences().steps_applied(), 0);
        contribute(&mut shard, &fence(0, 1, 3), part(1, 2), &[4.0, 8.0]).unwrap();
        assert_eq!((shard.sequence(), shard.version()), (2, Version(1)));
        assert_eq!(shard.weights().to_vec(), [3.0, 6.0]);
        assert_eq!(shard.fences().steps_applied(), 7);
    }

    #[test]
    fn a_round_may_be_a_sum_and_its_steps_are_the_most_of_any_contribution() {
        let spec = ShardSpec { combine: Combine::Sum, ..ROUNDS };
        let mut shard = Shard::new(1, &spec).unwrap();
        shard.rounds.put(&fence(0, 1, 2), part(1, 3), Box::new([1.0]));
        shard.rounds.put(&fence(1, 1, 5), part(1, 3), Box::new([2.0]));
        assert!(shard.rounds.complete(spec.combine).is_none());
        shard.rounds.put(&fence(2, 1, 1), part(1, 3), Box::new([4.0]));
        let round = shard.rounds.complete(spec.combine).unwrap();
        assert_eq!((&*round.values, round.steps), (&[7.0][..], 5));
    }

    #[test]
    fn a_contribution_of_another_round_changes_nothing() {
        let mut shard = Shard::new(1, &ROUNDS).unwrap();
        let outcome = contribute(&mut shard, &fence(0, 1, 1), part(2, 1), &[1.0]).unwrap();
        assert_eq!(outcome, PushOutcome::Gap { mark: Step(0) });
        contribute(&mut shard, &fence(0, 1, 1), part(1, 1), &[1.0]).unwrap();
        let outcome = contribute(&mut shard, &fence(1, 1, 1), part(1, 1), &[1.0]).unwrap();
        assert_eq!(outcome, PushOutcome::Late);
        assert_eq!(shard.weights().to_vec(), [1.0]);
        assert_eq!((shard.counters().late, shard.counters().out_of_order), (1, 1));
    }

    #[test]
    fn the_first_contribution_says_how_many_there_are() {
        let mut shard = Shard::new(1, &ROUNDS).unwrap();
        contribute(&mut shard, &fence(0, 1, 1), part(1, 3), &[1.0]).unwrap();
        let other = contribute(&mut shard, &fence(1, 1, 1), part(1, 2), &[1.0]).unwrap_err();
        assert_eq!(other, ShardError::Contributions { round: RoundNumber(1), expected: 3, got: 2 });
        let mut shard = Shard::new(1, &ROUNDS).unwrap();
        let many = contribute(&mut shard, &fence(0, 1, 1), part(1, u32::MAX), &[1.0]).unwrap_err();
        assert_eq!(many, ShardError::TooManyContributions { contributions: u32::MAX });
    }

    #[test]
    fn a_partition_that_came_late_goes_on_with_its_next_step_where_there_are_backups() {
        for (backups, expected) in
            [(0, PushOutcome::Gap { mark: Step(0) }), (1, PushOutcome::Applied { mark: Step(2) })]
        {
            let mut shard =
                Shard::new(1, &ShardSpec { mode: Mode::Synchronous { backups }, ..ROUNDS }).unwrap();
            contribute(&mut shard, &fence(0, 1, 1), part(1, 1), &[1.0]).unwrap();
            let outcome = contribute(&mut shard, &fence(1, 2, 2), part(2, 1), &[1.0]).unwrap();
            assert_eq!(outcome, expected);
        }
    }
}

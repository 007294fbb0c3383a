mod marks;

use std::collections::BTreeMap;

use howdah_proto::{
    Epoch, SnapshotId, Step,
    fence::{Fence, TrainTask},
    settings::ShardSpec,
};

use super::{
    Fences, ShardError,
    error::MAX_CUTS,
    state::{Change, State},
};
use crate::rules::OutOfMemory;

pub(super) use marks::Marks;
pub use marks::PlanError;

/// A plan of a snapshot. One that was planned anew has the same number, and a higher attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CutId {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Counts the plans of it.
    pub attempt: u32,
}

impl CutId {
    /// Whether a plan is this one, or one of the same snapshot before it.
    pub fn covers(self, plan: Self) -> bool {
        plan.snapshot == self.snapshot && plan <= self
    }
}

impl std::fmt::Display for CutId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "plan {} of snapshot {}", self.attempt, self.snapshot)
    }
}

/// A snapshot's part of a shard before all its pushes have come.
///
/// Until a push comes that isn't in it, the shard itself is the cut. With the first such push a copy is made, and
/// pushes within the cut then go to both.
#[derive(Debug)]
struct Plan {
    id: CutId,
    marks: Marks,
    copy: Option<Box<State>>,
}

/// How a change of the weights lies to a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Within,
    Beyond,
    Across,
}

impl Plan {
    fn side(&self, fences: &[Fence]) -> Side {
        let within = |fence: &Fence| fence.last() <= self.marks.of(fence.task());
        let beyond = |fence: &Fence| fence.first() > self.marks.of(fence.task());
        if fences.iter().all(within) {
            Side::Within
        } else if fences.iter().all(beyond) {
            Side::Beyond
        } else {
            Side::Across
        }
    }

    fn is_complete(&self, live: &Fences) -> bool {
        self.marks.are_reached(self.copy.as_ref().map_or(live, |copy| &copy.fences))
    }
}

/// The cuts that are planned.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    plans: Vec<Plan>,
}

impl Cuts {
    pub(super) fn plan(
        &mut self,
        id: CutId,
        marks: BTreeMap<TrainTask, Step>,
        live: &Fences,
    ) -> Result<Result<(), PlanError>, ShardError> {
        // Those before it are left over from plans that came to nothing.
        self.plans.retain(|plan| plan.id >= id);
        if self.plans.iter().any(|plan| plan.id == id) {
            return Ok(Ok(()));
        }
        if self.plans.iter().any(|plan| plan.id.snapshot == id.snapshot) {
            return Err(ShardError::PlannedAnew(id));
        }
        let marks = Marks::from(marks);
        if let Some(passed) = marks.passed(live) {
            return Ok(Err(passed));
        }
        if self.plans.len() >= MAX_CUTS {
            return Err(ShardError::TooManyCuts);
        }
        self.plans.push(Plan { id, marks, copy: None });
        Ok(Ok(()))
    }

    /// Follows a change that the live state, as it is here before it, is about to make.
    ///
    /// A plan that can't be kept is dropped, and the push is not held up: one that a push reaches across, as the
    /// marks are then not where pushes end, and one that there is no memory for.
    pub(super) fn advance(&mut self, live: &State, spec: &ShardSpec, change: &Change<'_>) {
        self.plans.retain_mut(|plan| match (plan.side(change.fences), &mut plan.copy) {
            (Side::Within, Some(copy)) => {
                copy.advance(change);
                true
            }
            (Side::Within, None) | (Side::Beyond, Some(_)) => true,
            (Side::Beyond, none) => live.copy(spec).map(|copy| *none = Some(Box::new(copy))).is_ok(),
            (Side::Across, _) => false,
        });
    }

    pub(super) fn is_complete(&self, id: CutId, live: &Fences) -> Option<bool> {
        self.plans.iter().find(|plan| plan.id == id).map(|plan| plan.is_complete(live))
    }

    /// Takes a cut that is complete, and forgets its plan unless there is no memory for a copy of the live state.
    pub(super) fn take(
        &mut self,
        id: CutId,
        live: &State,
        spec: &ShardSpec,
    ) -> Result<Option<State>, OutOfMemory> {
        let is_it = |plan: &Plan| plan.id == id && plan.is_complete(&live.fences);
        let Some(place) = self.plans.iter().position(is_it) else { return Ok(None) };
        let state = match self.plans[place].copy.take() {
            Some(copy) => *copy,
            None => live.copy(spec)?,
        };
        self.plans.swap_remove(place);
        Ok(Some(state))
    }

    pub(super) fn drop(&mut self, id: CutId) {
        self.plans.retain(|plan| !id.covers(plan.id));
    }

    /// Forgets the marks of the epochs up to this one in the copies as well.
    pub(super) fn retire(&mut self, epoch: Epoch) {
        self.plans
            .iter_mut()
            .filter_map(|plan| plan.copy.as_mut())
            .for_each(|copy| copy.fences.retire(epoch));
    }

    pub(super) fn bytes(&self) -> u64 {
        self.plans.iter().filter_map(|plan| plan.copy.as_ref()).map(|copy| copy.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Round, fence::RoundPart, settings::UpdateRule};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        rules::oracle::any_rule,
        shard::{
            Image, Shard,
            fixture::{ROUNDS, SPEC, attempt, contribute, fence, push, task},
        },
    };

    const ONE: CutId = CutId { snapshot: SnapshotId(1), attempt: 0 };

    fn cut(snapshot: u64, attempt: u32) -> CutId {
        CutId { snapshot: SnapshotId(snapshot), attempt }
    }

    fn marks<const N: usize>(marks: [(u32, u64); N]) -> BTreeMap<TrainTask, Step> {
        marks.into_iter().map(|(partition, mark)| (task(partition), Step(mark))).collect()
    }

    fn taken(shard: &mut Shard) -> Image {
        shard.take_cut(ONE, 0).unwrap().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_cut_has_exactly_the_pushes_up_to_its_marks_whatever_came_between(
            rule in any_rule(),
            order in prop::collection::vec(0u32..3, 0..30),
            planned in prop::array::uniform3(0u64..8),
            at in 0usize..30,
        ) {
            let spec = ShardSpec { rule, ..SPEC };
            let (mut shard, mut expected) = (Shard::new(2, &spec).unwrap(), Shard::new(2, &spec).unwrap());
            let named = marks([(0, planned[0]), (1, planned[1]), (2, planned[2])]);
            let mut steps = [0u64; 3];
            let mut is_planned = false;
            for (place, partition) in order.into_iter().enumerate() {
                if place == at {
                    let passed = (0..3).find(|partition| steps[*partition] > planned[*partition]);
                    let plan = shard.plan_cut(ONE, named.clone()).unwrap();
                    prop_assert_eq!(plan.err().map(|error| error.task), passed.map(|partition| task(partition as u32)));
                    is_planned = passed.is_none();
                }
                let step = &mut steps[partition as usize];
                *step += 1;
                let values = [*step as f32, partition as f32 - 1.0];
                push(&mut shard, &fence(partition, *step, *step), &values).unwrap();
                if *step <= planned[partition as usize] {
                    push(&mut expected, &fence(partition, *step, *step), &values).unwrap();
                }
            }
            let complete = is_planned.then(|| (0..3).all(|partition| steps[partition] >= planned[partition]));
            prop_assert_eq!(shard.is_cut_complete(ONE), complete);
            let image = shard.take_cut(ONE, 0).unwrap();
            prop_assert_eq!(image.is_some(), complete == Some(true));
            if let Some(mut image) = image {
                let mut expected = expected.take_live();
                // How stale a push was is not a matter of the cut.
                expected.header.staleness.clear();
                image.header.staleness.clear();
                prop_assert_eq!(image, expected);
                prop_assert_eq!(shard.is_cut_complete(ONE), None);
            }
        }
    }

    impl Shard {
        /// The cut of a shard as it stands.
        fn take_live(&self) -> Image {
            Image::of_state(self.state.copy(&self.spec).unwrap(), &self.spec, 0)
        }
    }

    #[test]
    fn the_copy_is_made_with_the_first_push_beyond_the_cut() {
        let mut shard = Shard::new(2, &SPEC).unwrap();
        shard.plan_cut(ONE, marks([(0, 2), (1, 1)])).unwrap().unwrap();
        push(&mut shard, &fence(0, 1, 2), &[2.0; 2]).unwrap();
        assert_eq!(shard.bytes(), 8);
        push(&mut shard, &fence(0, 3, 3), &[4.0; 2]).unwrap();
        assert_eq!(shard.bytes(), 16);
        assert_eq!(shard.is_cut_complete(ONE), Some(false));
        push(&mut shard, &fence(1, 1, 1), &[8.0; 2]).unwrap();
        assert_eq!(shard.is_cut_complete(ONE), Some(true));
        assert_eq!(taken(&mut shard).arrays[0].to_vec(), [10.0; 2]);
        assert_eq!(shard.weights().to_vec(), [14.0; 2]);
        assert_eq!(shard.bytes(), 8);
    }

    #[test]
    fn a_push_across_the_cut_is_applied_and_the_plan_dropped() {
        let mut shard = Shard::new(1, &SPEC).unwrap();
        shard.plan_cut(ONE, marks([(0, 2)])).unwrap().unwrap();
        push(&mut shard, &fence(0, 1, 3), &[3.0]).unwrap();
        assert_eq!(shard.weights().to_vec(), [3.0]);
        assert_eq!(shard.is_cut_complete(ONE), None);
    }

    #[test]
    fn a_plan_that_is_asked_for_twice_stays_and_a_later_one_takes_its_place() {
        let mut shard = Shard::new(1, &SPEC).unwrap();
        let mut plan = |attempt, mark| shard.plan_cut(cut(1, attempt), marks([(0, mark)])).unwrap().unwrap();
        [(0, 2), (0, 2), (1, 1)].into_iter().for_each(|(attempt, mark)| plan(attempt, mark));
        push(&mut shard, &fence(0, 1, 1), &[1.0]).unwrap();
        assert_eq!([0, 1].map(|attempt| shard.is_cut_complete(cut(1, attempt))), [None, Some(true)]);
        push(&mut shard, &fence(0, 2, 2), &[2.0]).unwrap();
        // Asked again after a lost answer: what it has is kept.
        shard.plan_cut(cut(1, 1), marks([(0, 1)])).unwrap().unwrap();
        assert_eq!(shard.take_cut(cut(1, 1), 0).unwrap().unwrap().arrays[0].to_vec(), [1.0]);
    }

    #[test]
    fn what_is_asked_of_a_plan_and_comes_late_leaves_a_later_one_alone() {
        let mut shard = Shard::new(1, &SPEC).unwrap();
        shard.plan_cut(cut(1, 1), marks([(0, 2)])).unwrap().unwrap();
        let late = shard.plan_cut(cut(1, 0), marks([(0, 1)]));
        assert_eq!(late, Err(ShardError::PlannedAnew(cut(1, 0))));
        shard.drop_cut(cut(1, 0));
        push(&mut shard, &fence(0, 1, 2), &[2.0]).unwrap();
        assert!(shard.take_cut(cut(1, 0), 0).unwrap().is_none());
        assert_eq!(shard.is_cut_complete(cut(1, 1)), Some(true));
        shard.drop_cut(cut(1, 2));
        assert_eq!(shard.is_cut_complete(cut(1, 1)), None);
    }

    #[test]
    fn a_plan_takes_the_place_of_those_of_older_snapshots_and_there_are_two_at_most() {
        let mut shard = Shard::new(1, &SPEC).unwrap();
        for snapshot in [1, 2, 4] {
            shard.plan_cut(cut(snapshot, 0), marks([(0, 1)])).unwrap().unwrap();
        }
        assert_eq!([1, 2].map(|old| shard.is_cut_complete(cut(old, 0))), [None; 2]);
        // One that was overtaken on its way does no harm to a newer one.
        shard.plan_cut(cut(3, 0), marks([(0, 1)])).unwrap().unwrap();
        assert_eq!(shard.plan_cut(cut(2, 0), marks([])), Err(ShardError::TooManyCuts));
        assert_eq!(shard.is_cut_complete(cut(4, 0)), Some(false));
    }

    #[test]
    fn in_the_middle_of_a_round_the_cut_is_the_last_complete_version() {
        let mut shard = Shard::new(1, &ROUNDS).unwrap();
        let part = |round| RoundPart { round: Round(round), contributions: 2 };
        [0, 1].into_iter().for_each(|partition| {
            contribute(&mut shard, &fence(partition, 1, 1), part(1), &[1.0]).unwrap();
        });
        contribute(&mut shard, &fence(0, 2, 2), part(2), &[4.0]).unwrap();
        shard.plan_cut(ONE, marks([(0, 1), (1, 1)])).unwrap().unwrap();
        assert_eq!(shard.is_cut_complete(ONE), Some(true));
        contribute(&mut shard, &fence(1, 2, 2), part(2), &[2.0]).unwrap();
        let image = taken(&mut shard);
        assert_eq!((image.arrays[0].to_vec(), image.header.version.0), (vec![1.0], 1));
        assert_eq!(image.header.pending, None);
        assert_eq!(shard.weights().to_vec(), [4.0]);
    }

    #[test]
    fn a_cut_keeps_the_attempts_that_were_seen() {
        let mut shard =
            Shard::new(1, &ShardSpec { rule: UpdateRule::Sgd { learning_rate: 1.0 }, ..SPEC }).unwrap();
        push(&mut shard, &attempt(3, 1, 1), &[1.0]).unwrap();
        shard.plan_cut(ONE, marks([(0, 1)])).unwrap().unwrap();
        assert_eq!(taken(&mut shard).header.seen, [(task(0), Step(1), howdah_proto::Attempt(3))]);
    }
}

use std::collections::BTreeMap;

use howdah_proto::{Step, fence::TrainTask};

use super::HogwildShard;
use crate::shard::{CutId, Image, PlanError, ShardError, cut::Marks};

/// The snapshots that are planned, and what they have of each task.
pub(super) type Plans = BTreeMap<CutId, Marks>;

/// Snapshots of a shard that can't hold pushes back: a plan is good while no task has gone beyond its mark.
impl HogwildShard {
    /// Plans a snapshot, as [`Shard::plan_cut`](crate::shard::Shard::plan_cut) does.
    ///
    /// # Errors
    /// [`PlanError`] in the inner result if a task has gone further already; [`ShardError::PlannedAnew`] if a later plan
    /// of the snapshot is there.
    pub fn plan_cut(
        &mut self,
        id: CutId,
        marks: BTreeMap<TrainTask, Step>,
    ) -> Result<Result<(), PlanError>, ShardError> {
        let marks = Marks::from(marks);
        self.plans.retain(|plan, _| *plan >= id);
        if self.plans.keys().any(|plan| *plan != id && plan.covers(id)) {
            return Err(ShardError::PlannedAnew(id));
        }
        Ok(match marks.passed(&self.fences()) {
            Some(passed) => Err(passed),
            None => {
                self.plans.insert(id, marks);
                Ok(())
            }
        })
    }

    /// Whether a planned snapshot has all its pushes; none if there is no such plan, or no more.
    pub fn is_cut_complete(&self, id: CutId) -> Option<bool> {
        let (marks, fences) = (self.plans.get(&id)?, self.fences());
        // The shard can't tell what is beyond from what is within any more.
        marks.passed(&fences).is_none().then(|| marks.are_reached(&fences))
    }

    /// Takes a snapshot that is complete, and forgets its plan then.
    ///
    /// # Errors
    /// As [`HogwildShard::image`].
    pub fn take_cut(&mut self, id: CutId, start: u64) -> Result<Option<Image>, ShardError> {
        if self.is_cut_complete(id) != Some(true) {
            return Ok(None);
        }
        let image = self.image(start)?;
        self.plans.remove(&id);
        Ok(Some(image))
    }

    /// Drops a plan, and those of the same snapshot before it.
    pub fn drop_cut(&mut self, id: CutId) {
        self.plans.retain(|plan, _| !id.covers(*plan));
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::SnapshotId;

    use super::*;
    use crate::shard::{
        fixture::{fence, task},
        hogwild::tests::HOGWILD,
    };

    #[test]
    fn a_late_plan_or_its_end_leaves_a_newer_plan_of_the_snapshot_alone() {
        let [older, newer] = [0, 1].map(|attempt| CutId { snapshot: SnapshotId(1), attempt });
        let mut shard = HogwildShard::new(1, &HOGWILD).unwrap();
        let marks = || BTreeMap::from([(task(0), Step(1))]);
        shard.plan_cut(newer, marks()).unwrap().unwrap();
        assert_eq!(shard.plan_cut(older, BTreeMap::new()), Err(ShardError::PlannedAnew(older)));
        shard.drop_cut(older);
        assert_eq!([older, newer].map(|id| shard.is_cut_complete(id)), [None, Some(false)]);
        shard.apply(&fence(0, 1, 1), &[2.0]).unwrap();
        shard.plan_cut(newer, marks()).unwrap().unwrap();
        assert_eq!(shard.take_cut(newer, 0).unwrap().unwrap().arrays[0].to_vec(), [2.0]);
        assert!(shard.take_cut(newer, 0).unwrap().is_none());
    }

    #[test]
    fn a_plan_is_void_once_a_push_has_gone_beyond_it() {
        let id = CutId { snapshot: SnapshotId(1), attempt: 0 };
        let mut shard = HogwildShard::new(1, &HOGWILD).unwrap();
        shard.plan_cut(id, BTreeMap::from([(task(0), Step(1))])).unwrap().unwrap();
        shard.apply(&fence(0, 1, 2), &[2.0]).unwrap();
        assert_eq!(shard.is_cut_complete(id), None);
        assert!(shard.take_cut(id, 0).unwrap().is_none());
        let passed = shard.plan_cut(id, BTreeMap::new()).unwrap();
        assert_eq!(passed, Err(PlanError { task: task(0), mark: Step(2) }));
    }
}

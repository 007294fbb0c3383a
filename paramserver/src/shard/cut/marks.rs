use std::collections::BTreeMap;

use howdah_proto::{Step, fence::TrainTask};

use crate::shard::Fences;

/// A cut that lies behind what a shard has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{task} is at step {mark} already")]
pub struct PlanError {
    /// The task that has gone too far.
    pub task: TrainTask,
    /// How far it is.
    pub mark: Step,
}

/// Up to which step a snapshot has each task: of those that aren't named, nothing.
#[derive(Debug)]
pub(in crate::shard) struct Marks(BTreeMap<TrainTask, Step>);

impl From<BTreeMap<TrainTask, Step>> for Marks {
    fn from(marks: BTreeMap<TrainTask, Step>) -> Self {
        Self(marks)
    }
}

impl Marks {
    pub(super) fn of(&self, task: TrainTask) -> Step {
        self.0.get(&task).copied().unwrap_or_default()
    }

    /// The first task that has gone beyond its mark.
    pub(in crate::shard) fn passed(&self, fences: &Fences) -> Option<PlanError> {
        let passed = fences.iter().filter(|(task, seen)| seen.mark > self.of(*task));
        passed.min_by_key(|(task, _)| *task).map(|(task, seen)| PlanError { task, mark: seen.mark })
    }

    /// Whether every task has come to its mark.
    pub(in crate::shard) fn are_reached(&self, fences: &Fences) -> bool {
        self.0.iter().all(|(task, mark)| fences.seen(*task).mark >= *mark)
    }
}

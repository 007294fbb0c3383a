use std::{cmp::Ordering, collections::BTreeMap};

use howdah_proto::{AttemptId, JobId, MemberId, StageId, TaskIndex};

use super::{
    JobOptions, Millis,
    stages::{Stage, Task, TaskKey, TaskState},
};

/// A job that is neither finished, failed nor cancelled.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) options: JobOptions,
    pub(super) stages: BTreeMap<StageId, Stage>,
    /// How many tasks of all stages are pending.
    pub(super) pending: usize,
    pub(super) waiting: Option<Waiting>,
}

/// A job has pending tasks, and there is no executor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) since: Millis,
    pub(super) until: Option<Millis>,
}

impl Job {
    pub(super) fn new(options: JobOptions) -> Self {
        Self { options, stages: BTreeMap::new(), pending: 0, waiting: None }
    }

    /// Goes through all tasks, which only the end of the job may do.
    pub(super) fn tasks(&self, job: JobId) -> impl Iterator<Item = (TaskKey, &Task)> {
        self.stages.iter().flat_map(move |(stage, content)| {
            (0..)
                .zip(&content.tasks)
                .map(move |(index, task)| (TaskKey { job, stage: *stage, task: TaskIndex(index) }, task))
        })
    }
}

/// All live jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) live: BTreeMap<JobId, Job>,
}

impl Jobs {
    pub(super) fn stage_mut(&mut self, job: JobId, stage: StageId) -> Option<&mut Stage> {
        self.live.get_mut(&job)?.stages.get_mut(&stage)
    }

    pub(super) fn task_mut(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.stage_mut(key.job, key.stage)?.task_mut(key.task)
    }

    /// Finds the task whose running attempt this is; none if its job has ended.
    pub(super) fn running_mut(&mut self, attempt: AttemptId, on: MemberId) -> Option<&mut Task> {
        self.task_mut(TaskKey::from(attempt)).filter(|task| {
            task.attempt == attempt.attempt
                && matches!(task.state, TaskState::Running { executor, .. } if executor == on)
        })
    }

    /// Changes the state of a task, and the counts of its stage and job; returns the former state.
    pub(super) fn set_state(&mut self, key: TaskKey, state: TaskState) -> Option<TaskState> {
        let job = self.live.get_mut(&key.job)?;
        let stage = job.stages.get_mut(&key.stage)?;
        let before = stage.counts.pending;
        let former = stage.set_state(key.task, state);
        match stage.counts.pending.cmp(&before) {
            Ordering::Less => job.pending -= 1,
            Ordering::Equal => {}
            Ordering::Greater => job.pending += 1,
        }
        former
    }
}

use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{ContextId, JobId, MemberId, StageId, TaskIndex};

use super::{
    JobOptions, Millis,
    stages::{Phase, Stage},
    tasks::{StageKey, Task, TaskKey, TaskState},
};

/// A job that is neither finished, failed nor cancelled.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) context: ContextId,
    /// The context of the blocks that its attempts store, which may be one that jobs share.
    pub(super) blocks: ContextId,
    pub(super) options: JobOptions,
    pub(super) stages: BTreeMap<StageId, Stage>,
    /// The stages with a task that could be launched.
    pub(super) offering: BTreeSet<StageId>,
    /// How many tasks of all open stages are pending.
    pub(super) pending: u32,
    pub(super) waiting: Option<Waiting>,
    /// The executors on which a task of it failed.
    pub(super) failed_on: BTreeSet<MemberId>,
}

/// A job has pending tasks, and there is no executor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) since: Millis,
    pub(super) until: Option<Millis>,
}

impl Job {
    pub(super) fn new(context: ContextId, options: JobOptions) -> Self {
        Self {
            context,
            blocks: context,
            options,
            stages: BTreeMap::new(),
            offering: BTreeSet::new(),
            pending: 0,
            waiting: None,
            failed_on: BTreeSet::new(),
        }
    }

    /// Goes through all tasks, which only the end of the job may do.
    pub(super) fn tasks(&self, job: JobId) -> impl Iterator<Item = (TaskKey, &Task)> {
        self.stages.iter().flat_map(move |(stage, content)| {
            let stage = StageKey { job, stage: *stage };
            (0..).map(TaskIndex).zip(&content.tasks).map(move |(index, task)| (stage.task(index), task))
        })
    }
}

/// All live jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) live: BTreeMap<JobId, Job>,
    pub(super) by_context: BTreeSet<(ContextId, JobId)>,
}

impl Jobs {
    pub(super) fn stage(&self, key: StageKey) -> Option<&Stage> {
        self.live.get(&key.job)?.stages.get(&key.stage)
    }

    pub(super) fn stage_mut(&mut self, key: StageKey) -> Option<&mut Stage> {
        self.live.get_mut(&key.job)?.stages.get_mut(&key.stage)
    }

    pub(super) fn task(&self, key: TaskKey) -> Option<&Task> {
        self.stage(key.stage())?.task(key.task)
    }

    pub(super) fn task_mut(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.stage_mut(key.stage())?.task_mut(key.task)
    }

    /// Changes the state of a task, and the counts of its stage and job.
    pub(super) fn set_state(&mut self, key: TaskKey, state: TaskState) {
        let Some(job) = self.live.get_mut(&key.job) else { return };
        let Some(stage) = job.stages.get_mut(&key.stage) else { return };
        let before = stage.counts.pending;
        stage.set_state(key.task, state);
        if stage.phase == Phase::Open {
            job.pending = job.pending + stage.counts.pending - before;
        }
    }

    /// Opens or closes a stage, or marks it as finished.
    pub(super) fn set_phase(&mut self, key: StageKey, phase: Phase) {
        let Some(job) = self.live.get_mut(&key.job) else { return };
        let Some(stage) = job.stages.get_mut(&key.stage) else { return };
        let pending = |stage: &Stage| if stage.phase == Phase::Open { stage.counts.pending } else { 0 };
        let before = pending(stage);
        stage.phase = phase;
        job.pending = job.pending + pending(stage) - before;
    }
}

use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{Attempt, AttemptId, MemberId, StageId};

use crate::scheduler::{JobError, JobOptions, Millis, TaskDescription};

#[derive(Default)]
pub(in super::super) struct Executor {
    pub(in super::super) slots: u32,
    pub(in super::super) draining: bool,
    pub(in super::super) hung: bool,
    pub(in super::super) running: BTreeSet<AttemptId>,
    pub(super) excluded_until: Option<Millis>,
    /// Whether it was ever excluded, for a stage or for everything.
    pub(super) was_excluded: bool,
}

impl Executor {
    pub(super) fn accepts(&self) -> bool {
        !self.draining && self.slots > 0
    }
}

pub(in super::super) struct Job {
    pub(super) options: JobOptions,
    pub(in super::super) stages: BTreeMap<StageId, Stage>,
    pub(super) waiting_since: Option<Millis>,
    pub(in super::super) end: Option<End>,
}

impl Job {
    pub(super) fn has_all_input(&self, stage: StageId) -> bool {
        self.stages[&stage].parents.iter().all(|parent| self.stages[parent].is_complete())
    }

    /// Whether a result depends on what is missing of a stage. There are few stages.
    pub(super) fn needs(&self, id: StageId) -> bool {
        let stage = &self.stages[&id];
        let fetches = |(_, child): &(&StageId, &Stage)| child.parents.contains(&id);
        !stage.is_complete()
            && (!stage.kept || self.stages.iter().filter(fetches).any(|(child, _)| self.needs(*child)))
    }
}

#[derive(Debug)]
pub(in super::super) enum End {
    Finished,
    Failed(JobError),
}

pub(in super::super) struct Stage {
    pub(in super::super) parents: Vec<StageId>,
    pub(super) kept: bool,
    pub(in super::super) tasks: Vec<Task>,
    pub(super) fetch_failures: u32,
    /// Whether it ever finished, which is all that there is to know of a stage without tasks.
    pub(super) finished: bool,
}

impl Stage {
    pub(super) fn is_complete(&self) -> bool {
        if self.tasks.is_empty() { self.finished } else { self.is_done() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.tasks.iter().all(|task| task.done.is_some())
    }
}

pub(in super::super) struct Task {
    pub(super) description: TaskDescription,
    pub(super) latest: u32,
    pub(super) running: BTreeMap<Attempt, Run>,
    /// Whether it is done, and where its output is.
    pub(in super::super) done: Option<Option<MemberId>>,
    pub(super) succeeded: bool,
    pub(super) failures: u32,
    pub(super) crashes: u32,
}

impl Task {
    pub(super) fn new(description: TaskDescription, kept_at: Option<MemberId>) -> Self {
        Self {
            description,
            latest: 0,
            running: BTreeMap::new(),
            done: kept_at.map(Some),
            succeeded: kept_at.is_some(),
            failures: 0,
            crashes: 0,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Run {
    pub(super) executor: MemberId,
    pub(super) since: Millis,
    /// Whether another attempt was launched beside it.
    pub(super) copied: bool,
    /// Whether an output of a parent was lost since its launch.
    pub(super) lost_input: bool,
}

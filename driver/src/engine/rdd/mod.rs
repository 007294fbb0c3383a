//! The engine's side of RDDs: contexts open and close, actions become jobs, their stages run, and what is lost is
//! computed again.

mod contexts;
mod describe;
mod fetches;
mod run;
mod tasks;

use std::collections::BTreeMap;

use howdah_proto::{ContextId, JobId, NodeId, StageId};

use crate::{actions::ActionJob, contexts::Context, plan::Goal};

/// All contexts, and the jobs that run for them.
#[derive(Debug, Default)]
pub(super) struct Rdds {
    pub(super) contexts: BTreeMap<ContextId, Context>,
    pub(super) jobs: BTreeMap<JobId, ActionJob>,
    pub(super) stages: BTreeMap<StageId, RddStage>,
}

/// A stage of an action's job.
#[derive(Debug)]
pub(super) struct RddStage {
    job: JobId,
    context: ContextId,
    node: NodeId,
    goal: Goal,
    /// The shuffles whose map outputs it reads.
    shuffles: Vec<NodeId>,
    /// Whether a node on its way is persisted.
    persists: bool,
}

impl Rdds {
    /// Whether a job runs an action.
    pub(super) fn has(&self, job: JobId) -> bool {
        self.jobs.contains_key(&job)
    }

    #[cfg(test)]
    pub(super) fn is_clean(&self) -> bool {
        self.contexts.is_empty() && self.jobs.is_empty() && self.stages.is_empty()
    }
}

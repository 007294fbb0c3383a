//! Outputs that executors keep, and what becomes of a stage that lost some.

use std::collections::BTreeSet;

use howdah_proto::{MemberId, StageId};

use super::{
    Command, Millis, Scheduler,
    stages::Phase,
    tasks::{StageKey, TaskKey, TaskState},
};

impl Scheduler {
    /// Forgets all outputs of executors that are lost, and reopens the tasks whose output is still needed.
    pub(super) fn outputs_lost(
        &mut self,
        executors: &[(MemberId, &str)],
        now: Millis,
        commands: &mut Vec<Command>,
    ) {
        let mut stages = BTreeSet::new();
        let mut lost_with = String::new();
        for (executor, _) in executors {
            let Some(tasks) = self.index.outputs.get(executor) else { continue };
            for key in tasks.iter().copied().collect::<Vec<_>>() {
                self.put(key, TaskState::Blocked);
                stages.insert(key.stage());
            }
            lost_with = format!("executor {executor} was lost with outputs of it");
        }
        // Children first: whether a parent's outputs are needed depends on them. Their ids are higher.
        for key in stages.into_iter().rev() {
            self.reopen(key, &lost_with, now, commands);
        }
    }

    /// Forgets an output if it is recorded at the executor; returns whether it was.
    pub(super) fn lose_output(&mut self, key: TaskKey, at: MemberId) -> bool {
        let recorded = self.jobs.task(key).is_some_and(|task| task.state == TaskState::Done { at: Some(at) });
        if recorded {
            self.put(key, TaskState::Blocked);
        }
        recorded
    }

    /// Lets the tasks of a stage that lost their outputs run again, if somebody needs them.
    pub(super) fn reopen(&mut self, key: StageKey, reason: &str, now: Millis, commands: &mut Vec<Command>) {
        let Some(stage) = self.jobs.stage(key) else { return };
        for child in stage.children.clone() {
            if let Some(child) = self.jobs.stage_mut(StageKey { stage: child, ..key }) {
                child.losses += 1;
            }
        }
        let Some(stage) = self.jobs.stage(key) else { return };
        match stage.phase {
            Phase::Open => {
                for task in stage.missing.iter().copied().collect::<Vec<_>>() {
                    self.queue(key.task(task), now);
                }
            }
            Phase::Finished if stage.demands > 0 => self.demand(key, reason, now, commands),
            // It is opened when it can be, or when somebody needs it.
            Phase::Closed | Phase::Finished => {}
        }
    }

    /// Returns where the outputs of a stage are, in the order of its tasks; none for an output that isn't there.
    ///
    /// It goes through all tasks of the stage.
    pub fn outputs(
        &self,
        job: howdah_proto::JobId,
        stage: StageId,
    ) -> impl Iterator<Item = Option<MemberId>> + '_ {
        let tasks = self.jobs.stage(StageKey { job, stage }).into_iter().flat_map(|stage| &stage.tasks);
        tasks.map(|task| match task.state {
            TaskState::Done { at } => at,
            _ => None,
        })
    }
}

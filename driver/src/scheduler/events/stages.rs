use std::collections::BTreeSet;

use howdah_proto::{JobId, StageId};

use crate::scheduler::{
    Command, JobError, Millis, Output, Scheduler, StageDescription,
    stages::Stage,
    tasks::{StageKey, TaskState},
};

impl Scheduler {
    /// Takes in a stage, whose tasks run when all its parents are finished.
    ///
    /// Stage ids must rise in the order of submission. A stage whose outputs are kept runs only if a child needs
    /// them, so that it starts when such a child is submitted; it is finished at once if all its outputs are
    /// there already, and its parents don't run for it then. A stage of a job that has ended is ignored.
    pub fn on_stage_submitted(
        &mut self,
        job: JobId,
        description: StageDescription,
        now: Millis,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        let key = StageKey { job, stage: description.stage };
        match self.add_stage(job, description) {
            Ok(()) => self.start_if_due(key, now, &mut commands),
            Err(error) => self.fail_job(job, error, &mut commands),
        }
        self.settle(now, commands)
    }

    fn add_stage(&mut self, id: JobId, description: StageDescription) -> Result<(), JobError> {
        let Some(job) = self.jobs.live.get_mut(&id) else { return Ok(()) };
        let stage = description.stage;
        let parents: BTreeSet<StageId> = description.parents.iter().copied().collect();
        if job.stages.contains_key(&stage) {
            return Err(JobError::StageTwice { job: id, stage });
        }
        if let Some(parent) = parents.iter().find(|parent| !job.stages.contains_key(parent)) {
            return Err(JobError::UnknownParent { job: id, stage, parent: *parent });
        }
        for parent in &parents {
            if let Some(parent) = job.stages.get_mut(parent) {
                parent.children.push(stage);
            }
        }
        let speculation = job.options.speculation;
        let is_known = |id| self.executors.get(id).is_some();
        let content = Stage::new(description, parents.into_iter().collect(), speculation, is_known);
        let key = StageKey { job: id, stage };
        for (index, task) in (0..).map(howdah_proto::TaskIndex).zip(&content.tasks) {
            if let TaskState::Done { at: Some(at) } = task.state {
                self.index.outputs.entry(at).or_default().insert(key.task(index));
            }
        }
        job.stages.insert(stage, content);
        Ok(())
    }

    fn start_if_due(&mut self, key: StageKey, now: Millis, commands: &mut Vec<Command>) {
        let Some(stage) = self.jobs.stage(key) else { return };
        let tasks = stage.counts.total();
        if tasks > 0 && stage.all_done() {
            commands.push(Command::StageStarted { job: key.job, stage: key.stage, tasks });
            if let Some(stage) = self.jobs.stage_mut(key) {
                stage.started = true;
            }
            self.finish(key, commands);
        } else if stage.output == Output::Returned {
            self.demand(key, "", now, commands);
        }
    }
}

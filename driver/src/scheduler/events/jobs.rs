use std::collections::BTreeSet;

use howdah_proto::{JobId, StageId, TaskIndex};

use crate::scheduler::{
    Command, JobError, JobOptions, Millis, Scheduler, TaskDescription,
    jobs::Job,
    stages::{Stage, TaskKey, TaskState},
};

impl Scheduler {
    /// Takes in a job; one that is there already keeps its options.
    pub fn on_job_submitted(&mut self, job: JobId, options: JobOptions) -> Vec<Command> {
        self.jobs.live.entry(job).or_insert_with(|| Job::new(options));
        Vec::new()
    }

    /// Takes in a stage, whose tasks run when all its parents are finished.
    ///
    /// Stage ids must rise in the order of submission, and tasks stand in the order of their partitions. A stage
    /// of a job that has ended is ignored.
    pub fn on_stage_submitted(
        &mut self,
        job: JobId,
        stage: StageId,
        parents: &[StageId],
        tasks: &[TaskDescription],
        now: Millis,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        match self.add_stage(job, stage, parents, tasks) {
            Ok(()) => self.start_stage_if_ready(job, stage, now, &mut commands),
            Err(error) => self.fail_job(job, error, &mut commands),
        }
        self.settle(now, commands)
    }

    /// Ends a job at the user's wish: its attempts are cancelled, and all its state is forgotten.
    pub fn on_job_cancelled(&mut self, job: JobId, reason: impl Into<String>, now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        self.fail_job(job, JobError::Cancelled { job, reason: reason.into() }, &mut commands);
        self.settle(now, commands)
    }

    /// Forgets a job that needs no more stages; attempts that still run are cancelled.
    pub fn on_job_finished(&mut self, job: JobId, now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        self.forget_job(job, "the job has finished", &mut commands);
        self.settle(now, commands)
    }

    /// Ends a job with an error, if it has not ended already.
    pub(super) fn fail_job(&mut self, job: JobId, error: JobError, commands: &mut Vec<Command>) {
        if self.forget_job(job, &error.to_string(), commands) {
            commands.push(Command::JobFailed { job, error });
        }
    }

    /// Finishes a stage whose tasks are all done, and starts the children that waited for it alone.
    pub(super) fn finish_stage_if_done(
        &mut self,
        job: JobId,
        stage: StageId,
        now: Millis,
        commands: &mut Vec<Command>,
    ) {
        // A list instead of recursion: a chain of stages without tasks may be long.
        let mut candidates = vec![stage];
        while let Some(stage) = candidates.pop() {
            let Some(content) = self.jobs.stage_mut(job, stage) else { continue };
            if content.finished || content.counts.done < content.counts.total() {
                continue;
            }
            content.finished = true;
            content.tasks = Vec::new();
            let children = std::mem::take(&mut content.children);
            commands.push(Command::StageFinished { job, stage });
            for child in children {
                let Some(content) = self.jobs.stage_mut(job, child) else { continue };
                content.unfinished_parents.remove(&stage);
                if content.unfinished_parents.is_empty() {
                    self.start_stage(job, child, now, commands);
                    candidates.push(child);
                }
            }
        }
    }

    fn add_stage(
        &mut self,
        job: JobId,
        stage: StageId,
        parents: &[StageId],
        tasks: &[TaskDescription],
    ) -> Result<(), JobError> {
        let Some(content) = self.jobs.live.get_mut(&job) else { return Ok(()) };
        if content.stages.contains_key(&stage) {
            return Err(JobError::StageTwice { job, stage });
        }
        let mut unfinished = BTreeSet::new();
        for parent in parents {
            let found = content.stages.get_mut(parent);
            let found = found.ok_or(JobError::UnknownParent { job, stage, parent: *parent })?;
            if !found.finished && unfinished.insert(*parent) {
                found.children.push(stage);
            }
        }
        content.stages.insert(stage, Stage::new(tasks, unfinished));
        Ok(())
    }

    fn start_stage_if_ready(&mut self, job: JobId, stage: StageId, now: Millis, commands: &mut Vec<Command>) {
        if self.jobs.stage_mut(job, stage).is_some_and(|stage| stage.unfinished_parents.is_empty()) {
            self.start_stage(job, stage, now, commands);
            self.finish_stage_if_done(job, stage, now, commands);
        }
    }

    fn start_stage(&mut self, job: JobId, stage: StageId, now: Millis, commands: &mut Vec<Command>) {
        let Some(content) = self.jobs.stage_mut(job, stage) else { return };
        let tasks = content.counts.total();
        commands.push(Command::StageStarted { job, stage, tasks });
        for task in (0..tasks).map(TaskIndex) {
            self.queue(TaskKey { job, stage, task }, now);
        }
    }

    /// Takes everything of a job out of the state; returns whether there was anything.
    fn forget_job(&mut self, id: JobId, reason: &str, commands: &mut Vec<Command>) -> bool {
        let Some(job) = self.jobs.live.remove(&id) else { return false };
        for (key, task) in job.tasks(id) {
            self.queues.remove(key, task);
            let attempt = key.attempt(task.attempt);
            if let TaskState::Running { executor, .. } = task.state
                && self.executors.runs(executor, attempt)
            {
                commands.push(Command::Cancel { executor, attempt, reason: reason.to_owned() });
            }
        }
        if let Some(waiting) = job.waiting {
            self.waiting -= 1;
            self.queues.forget_wait(id, waiting);
        }
        self.blocks.forget_job(id);
        true
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Attempt, AttemptId, MemberId};

    use super::*;
    use crate::scheduler::fixture::*;

    fn submit(scheduler: &mut Scheduler, job: u64, stage: u64, parents: &[u64], count: u32) -> Vec<Command> {
        let parents: Vec<StageId> = parents.iter().copied().map(StageId).collect();
        scheduler.on_stage_submitted(JobId(job), StageId(stage), &parents, &tasks(count), START)
    }

    #[test]
    fn a_stage_waits_until_all_its_parents_are_finished() {
        let mut scheduler = cluster(&[4]);
        submit(&mut scheduler, 1, 1, &[], 1);
        submit(&mut scheduler, 1, 2, &[], 1);
        assert_eq!(submit(&mut scheduler, 1, 3, &[1, 2], 2), []);
        assert_eq!(scheduler.stage_counts(JOB, StageId(3)).map(|counts| counts.blocked), Some(2));
        scheduler.succeed(attempt(0, 1), 1);
        let second = AttemptId { stage: StageId(2), ..attempt(0, 1) };
        assert_eq!(launches(&scheduler.succeed(second, 1)), [(3, 0, 1, 1), (3, 1, 1, 1)]);
        // A parent that is finished already holds nothing up.
        assert_eq!(launches(&submit(&mut scheduler, 1, 4, &[1, 2], 1)), [(4, 0, 1, 1)]);
    }

    #[test]
    fn a_long_chain_of_stages_without_tasks_finishes_with_its_first() {
        let mut scheduler = cluster(&[1]);
        submit(&mut scheduler, 1, 1, &[], 1);
        for stage in 2..20_000 {
            submit(&mut scheduler, 1, stage, &[stage - 1], 0);
        }
        let commands = scheduler.succeed(attempt(0, 1), 1);
        let finished = |command: &&Command| matches!(command, Command::StageFinished { .. });
        assert_eq!(commands.iter().filter(finished).count(), 19_999);
    }

    #[test]
    fn the_first_job_and_its_first_stage_get_slots_first() {
        let mut scheduler = cluster(&[1]);
        for job in [2, 3] {
            scheduler.on_job_submitted(JobId(job), JobOptions::default());
        }
        submit(&mut scheduler, 3, 1, &[], 1);
        submit(&mut scheduler, 2, 3, &[], 1);
        submit(&mut scheduler, 2, 2, &[], 2);
        let mut order = Vec::new();
        let mut running = TaskKey { job: JobId(3), stage: StageId(1), task: TaskIndex(0) };
        loop {
            let commands = scheduler.succeed(running.attempt(Attempt(1)), 1);
            let launched = commands.iter().find_map(|command| match command {
                Command::Launch { attempt, .. } => Some(TaskKey::from(*attempt)),
                _ => None,
            });
            let Some(next) = launched else { break };
            order.push((next.job.0, next.stage.0, next.task.0));
            running = next;
        }
        assert_eq!(order, [(2, 2, 0), (2, 2, 1), (2, 3, 0)]);
    }

    #[test]
    fn a_cancelled_job_cancels_its_attempts_and_leaves_nothing_behind() {
        let mut scheduler = cluster(&[1]);
        submit(&mut scheduler, 1, 1, &[], 3);
        submit(&mut scheduler, 1, 2, &[1], 3);
        let commands = scheduler.on_job_cancelled(JOB, "ctrl-c", START);
        let [
            Command::Cancel { executor: MemberId(1), attempt: cancelled, .. },
            Command::JobFailed { error, .. },
        ] = &commands[..]
        else {
            panic!("{commands:?}")
        };
        assert_eq!(*cancelled, attempt(0, 1));
        assert_eq!(error.to_string(), "job 1 was cancelled: ctrl-c");
        scheduler.succeed(attempt(0, 1), 1);
        assert!(scheduler.is_clean());
        assert_eq!(submit(&mut scheduler, 1, 5, &[], 3), []);
    }

    #[test]
    fn a_stage_that_depends_on_an_unknown_one_fails_its_job() {
        let mut scheduler = cluster(&[1]);
        let commands = submit(&mut scheduler, 1, 7, &[6], 1);
        let text = error(&commands).map(ToString::to_string).unwrap_or_default();
        assert_eq!(text, "stage 7 of job 1 depends on stage 6, which the job doesn't have");
    }
}

use howdah_proto::{ContextId, JobId};

use crate::scheduler::{
    Command, JobError, JobOptions, Millis, Scheduler,
    jobs::Job,
    tasks::{StageKey, TaskKey},
};

impl Scheduler {
    /// Takes in a job, whose attempts store blocks of its context; one that is there already stays as it is.
    pub fn on_job_submitted(&mut self, job: JobId, context: ContextId, options: JobOptions) -> Vec<Command> {
        if !self.is_live(job) {
            self.pools.add(job, &options.pool);
            self.jobs.by_context.insert((context, job));
            self.jobs.live.insert(job, Job::new(context, options));
        }
        Vec::new()
    }

    /// From now on the attempts of a job store blocks of this context, which it may share with other jobs: they outlive
    /// the job, until the context is closed.
    pub fn on_blocks_shared(&mut self, job: JobId, context: ContextId) {
        if let Some(job) = self.jobs.live.get_mut(&job) {
            job.blocks = context;
        }
    }

    /// Ends a job at the user's wish: its attempts are cancelled, and all its state but its blocks is forgotten.
    pub fn on_job_cancelled(&mut self, job: JobId, reason: impl Into<String>, now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        self.fail_job(job, JobError::Cancelled { job, reason: reason.into() }, &mut commands);
        self.settle(now, commands)
    }

    /// Forgets a job that needs no more stages, but not its blocks; attempts that still run are cancelled.
    pub fn on_job_finished(&mut self, job: JobId, now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        self.forget_job(job, "the job has finished", &mut commands);
        self.settle(now, commands)
    }

    /// Ends a job with an error, if it has not ended already.
    pub(in crate::scheduler) fn fail_job(
        &mut self,
        job: JobId,
        error: JobError,
        commands: &mut Vec<Command>,
    ) {
        if self.forget_job(job, &error.to_string(), commands) {
            commands.push(Command::JobFailed { job, error });
        }
    }

    /// Takes everything of a job out of the state; returns whether there was anything.
    fn forget_job(&mut self, id: JobId, reason: &str, commands: &mut Vec<Command>) -> bool {
        let Some(job) = self.jobs.live.get(&id) else { return false };
        let tasks: Vec<TaskKey> = job.tasks(id).map(|(key, _)| key).collect();
        for stage in job.stages.keys().copied().collect::<Vec<_>>() {
            self.forget_stragglers(StageKey { job: id, stage });
        }
        for key in tasks {
            self.leave(key);
            let runs = self.jobs.task(key).and_then(|task| task.runs()).copied();
            for run in runs.iter().flat_map(|runs| runs.iter()) {
                let (executor, attempt) = (run.executor, key.attempt(run.attempt));
                if self.executors.runs(executor, attempt) {
                    commands.push(Command::Cancel { executor, attempt, reason: reason.to_owned() });
                }
            }
        }
        self.pools.remove(id);
        let Some(job) = self.jobs.live.remove(&id) else { return false };
        self.jobs.by_context.remove(&(job.context, id));
        self.forget_failures(id, job.failed_on);
        if let Some(waiting) = job.waiting {
            self.waiting -= 1;
            self.index.forget_wait(id, waiting);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Attempt, AttemptId, MemberId, StageId, TaskIndex};

    use super::*;
    use crate::scheduler::fixture::*;

    fn submit(scheduler: &mut Scheduler, job: u64, stage: u64, parents: &[u64], count: u32) -> Vec<Command> {
        scheduler.submit_stage(JobId(job), stage, parents, tasks(count))
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
            scheduler.on_job_submitted(JobId(job), JobId(job).into(), JobOptions::default());
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

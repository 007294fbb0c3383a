use howdah_proto::{JobId, StageId, TaskIndex};

use crate::scheduler::{
    Command, Millis, Scheduler,
    tasks::{StageKey, TaskState},
};

impl Scheduler {
    /// Forgets a stage that its job needs no more, finished or not; attempts that still run are cancelled.
    ///
    /// Stages that have parents or children, or that don't exist, stay as they are.
    pub fn on_stage_dropped(
        &mut self,
        job: JobId,
        stage: StageId,
        reason: &str,
        now: Millis,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        let key = StageKey { job, stage };
        let alone =
            |stage: &crate::scheduler::stages::Stage| stage.parents.is_empty() && stage.children.is_empty();
        let Some(tasks) = self.jobs.stage(key).filter(|stage| alone(stage)).map(|stage| stage.tasks.len())
        else {
            return commands;
        };
        self.forget_stragglers(key);
        for task in (0..tasks as u32).map(|index| key.task(TaskIndex(index))) {
            let runs = self.jobs.task(task).and_then(|task| task.runs()).copied();
            for run in runs.iter().flat_map(|runs| runs.iter()) {
                self.pools.run_ended(job);
                let (executor, attempt) = (run.executor, task.attempt(run.attempt));
                if self.executors.runs(executor, attempt) {
                    commands.push(Command::Cancel { executor, attempt, reason: reason.to_owned() });
                }
            }
            self.put(task, TaskState::Done { at: None });
        }
        if let Some(job) = self.jobs.live.get_mut(&job) {
            job.stages.remove(&stage);
        }
        self.settle(now, commands)
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{MemberId, event::FailureKind};

    use super::*;
    use crate::scheduler::fixture::*;

    #[test]
    fn a_dropped_stage_cancels_what_runs_and_its_slots_go_to_the_next_stage() {
        let mut scheduler = cluster(&[2]);
        scheduler.submit(tasks(4));
        scheduler.submit_stage(JOB, 2, &[], tasks(1));
        scheduler.succeed(attempt(0, 1), 1);
        let commands = scheduler.on_stage_dropped(JOB, STAGE, "the round is complete", START);
        let cancelled = |command: &&Command| matches!(command, Command::Cancel { .. });
        assert_eq!(commands.iter().filter(cancelled).count(), 2);
        let freed = scheduler.fail(attempt(1, 1), 1, FailureKind::Cancelled);
        assert_eq!(launches(&freed), [(2, 0, 1, 1)]);
        assert_eq!(scheduler.fail(attempt(2, 1), 1, FailureKind::Cancelled), []);
        assert_eq!(scheduler.stage_counts(JOB, STAGE), None);
        scheduler.on_job_finished(JOB, START);
        assert_eq!(scheduler.executor(MemberId(1)).map(|executor| executor.attempts.len()), Some(1));
    }

    #[test]
    fn a_finished_stage_can_be_dropped_and_one_with_children_can_not() {
        let mut scheduler = cluster(&[1]);
        scheduler.submit(tasks(1));
        scheduler.succeed(attempt(0, 1), 1);
        assert_eq!(scheduler.on_stage_dropped(JOB, STAGE, "", START), []);
        assert_eq!(scheduler.stage_counts(JOB, STAGE), None);
        scheduler.submit_map(2, &[], tasks(1));
        scheduler.submit_stage(JOB, 3, &[2], tasks(1));
        scheduler.on_stage_dropped(JOB, StageId(2), "", START);
        assert!(scheduler.stage_counts(JOB, StageId(2)).is_some());
        scheduler.on_job_finished(JOB, START);
    }

    #[test]
    fn a_dropped_stage_leaves_nothing_behind() {
        let mut scheduler = cluster_with(&[1], crate::scheduler::JobOptions::default());
        scheduler.submit(tasks_near_blocks(3));
        scheduler.fail(attempt(0, 1), 1, FailureKind::ShardUnavailable);
        scheduler.on_stage_dropped(JOB, STAGE, "", START);
        scheduler.fail(attempt(1, 1), 1, FailureKind::Cancelled);
        scheduler.on_job_finished(JOB, START);
        assert!(scheduler.is_clean());
    }
}

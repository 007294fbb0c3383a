use std::time::Duration;

use howdah_proto::{Attempt, AttemptId, JobId, MemberId, Partition, event::FailureKind};

use super::{End, Model, Run, Task};
use crate::scheduler::{Command, JobError, Millis};

impl Model {
    /// Checks the answer to an event.
    pub(in super::super) fn check(&mut self, commands: &[Command], now: Millis) {
        self.now = now;
        for command in commands {
            self.check_command(command);
        }
        assert!(self.due.is_empty(), "these jobs must fail: {:?}", self.due);
        assert!(self.losers.is_empty(), "these attempts are too late: {:?}", self.losers);
        for executor in self.executors.values() {
            assert!(executor.running.len() <= executor.slots as usize, "a slot is used twice");
        }
        let usable = |executor: &super::Executor| executor.accepts() && executor.excluded_until.is_none();
        assert!(self.accepting() == 0 || self.executors.values().any(usable), "all are excluded");
        assert!(!(self.has_free_slot() && self.has_task_for_any_slot()), "a slot is idle while a task waits");
    }

    fn has_free_slot(&self) -> bool {
        let free = |executor: &super::Executor| executor.running.len() < executor.slots as usize;
        self.executors.values().any(|executor| executor.accepts() && !executor.was_excluded && free(executor))
    }

    /// Whether there is a task that needs to wait for nothing: no block, no retry, no parent.
    fn has_task_for_any_slot(&self) -> bool {
        let free = |task: &Task| {
            task.description.prefers.is_empty()
                && task.failures == 0
                && task.running.is_empty()
                && task.done.is_none()
        };
        self.jobs.values().filter(|job| job.end.is_none()).any(|job| {
            let mut stages = job.stages.iter();
            stages.any(|(id, stage)| stage.tasks.iter().any(free) && job.has_all_input(*id) && job.needs(*id))
        })
    }

    fn check_command(&mut self, command: &Command) {
        match command {
            Command::Launch { executor, attempt, partition, speculative } => {
                self.check_launch(*executor, *attempt, *partition, *speculative);
            }
            Command::TaskDone { attempt, executor, again, .. } => {
                let kept = self.stage(attempt.job, attempt.stage).kept;
                let task = self.task((*attempt).into());
                assert!(task.running.remove(&attempt.attempt).is_some_and(|run| run.executor == *executor));
                assert_eq!((task.done, task.succeeded), (None, *again));
                (task.done, task.succeeded) = (Some(kept.then_some(*executor)), true);
                let losers = std::mem::take(&mut task.running);
                self.losers.extend(losers.keys().map(|number| AttemptId { attempt: *number, ..*attempt }));
            }
            Command::StageFinished { job, stage } => {
                let stage = self.stage(*job, *stage);
                assert!(stage.is_done());
                (stage.fetch_failures, stage.finished) = (0, true);
            }
            Command::StageRetried { job, stage, .. } => {
                let job = self.job(*job);
                assert!(!job.stages[stage].is_complete() || !job.has_all_input(*stage));
            }
            Command::JobFailed { job, error } => self.check_failure(*job, error),
            Command::Cancel { executor, attempt, .. } => {
                self.losers.remove(attempt);
                assert!(self.executors[executor].running.contains(attempt));
            }
            Command::Waiting { job, .. } => {
                assert_eq!(self.accepting(), 0);
                let since = self.now;
                assert_eq!(self.job(*job).waiting_since.replace(since), None);
            }
            Command::GoesOn { job } => {
                assert!(self.accepting() > 0);
                assert!(self.job(*job).waiting_since.take().is_some());
            }
            Command::Retrying { attempt, other_runs, .. } => {
                assert_eq!(self.task((*attempt).into()).running.len(), usize::from(*other_runs));
            }
            Command::Excluded { executor, stage, until, .. } => {
                let executor = self.executors.get_mut(executor).expect("an excluded executor is there");
                assert_eq!(stage.is_none(), until.is_some());
                executor.was_excluded = true;
                executor.excluded_until = executor.excluded_until.or(*until);
            }
            Command::Included { executor } => {
                let others = |(id, other): (&MemberId, &super::Executor)| {
                    id != executor && other.accepts() && other.excluded_until.is_none()
                };
                let is_last = !self.executors.iter().any(others);
                let until =
                    self.executors.get_mut(executor).and_then(|executor| executor.excluded_until.take());
                let until = until.expect("only what is excluded is included");
                // Of several that are included because none is left, only the first sees that.
                assert!(self.now >= until || is_last || self.accepting() > 1);
            }
            Command::StageStarted { .. } | Command::Ignored { .. } => {}
        }
    }

    fn check_launch(
        &mut self,
        executor: MemberId,
        attempt: AttemptId,
        partition: Partition,
        speculative: bool,
    ) {
        let now = self.now;
        let host = self.executors.get_mut(&executor).expect("launched on a lost executor");
        assert!(!host.draining && host.excluded_until.is_none(), "launched where nothing may be");
        assert!(host.running.insert(attempt));
        let job = self.job(attempt.job);
        assert!(job.end.is_none() && job.waiting_since.is_none());
        assert!(job.has_all_input(attempt.stage), "{attempt} is launched while its input is missing");
        assert!(job.needs(attempt.stage), "{attempt} computes what nobody needs");
        let task = self.task(attempt.into());
        assert_eq!(attempt.attempt, Attempt(task.latest + 1));
        assert_eq!(partition, task.description.partition);
        assert_eq!(task.done, None, "{attempt} is launched after success");
        assert_eq!(task.running.len(), usize::from(speculative), "{attempt} is launched beside others");
        for run in task.running.values_mut() {
            assert!(run.executor != executor, "{attempt} runs beside another on executor {executor}");
            assert!(now.since(run.since) >= Duration::from_millis(100), "nobody knows yet that it is slow");
            assert!(!std::mem::replace(&mut run.copied, true), "an attempt is copied once");
        }
        task.latest += 1;
        let run = Run { executor, since: now, copied: false, lost_input: false };
        task.running.insert(attempt.attempt, run);
    }

    fn check_failure(&mut self, id: JobId, error: &JobError) {
        let (due, now) = (self.due.remove(&id), self.now);
        let job = self.job(id);
        let right = match error {
            JobError::TaskFailed { failures, .. } => {
                due == Some(FailureKind::Task) && *failures == job.options.task_attempts
            }
            JobError::TaskCrashed { crashes, .. } => {
                due == Some(FailureKind::ExecutorLost) && *crashes == job.options.task_crashes
            }
            JobError::StageFailed { attempts, .. } => {
                due == Some(FailureKind::FetchFailed) && *attempts == job.options.stage_attempts
            }
            JobError::BadInput(_) => due == Some(FailureKind::BadInput),
            JobError::Cancelled { .. } => due == Some(FailureKind::Cancelled),
            JobError::NoExecutor { waited, .. } => {
                let since = job.waiting_since.expect("it waited");
                Some(*waited) >= job.options.executor_wait && *waited == now.since(since)
            }
            JobError::UnknownParent { .. } | JobError::StageTwice { .. } => false,
        };
        assert!(right, "{error} is not why job {id} should fail: {due:?}");
        assert!(job.end.replace(End::Failed(error.clone())).is_none());
    }
}

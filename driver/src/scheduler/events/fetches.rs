use std::collections::BTreeSet;

use howdah_proto::{AttemptId, MemberId, event::FailureKind};

use super::attempts::Failure;
use crate::scheduler::{
    Command, FailedAttempt, JobError, LostOutput, Millis, Output, Scheduler,
    retry::{self, Verdict},
    stages::Stage,
    tasks::{StageKey, TaskKey},
};

impl Scheduler {
    /// Tries an attempt again that could not fetch map outputs, after those that it names are there again.
    ///
    /// It is not the task's failure. An output counts as lost if it is recorded where the attempt looked for it,
    /// and belongs to a parent of the stage; other names are ignored. If nothing was lost, neither now nor since
    /// the attempt was launched, the failure counts as the task's own. The first loss that is found while the
    /// stage has all its input begins another attempt of the stage, and a job whose stage has had too many in a
    /// row fails.
    pub fn on_fetch_failed(
        &mut self,
        attempt: AttemptId,
        executor: MemberId,
        lost: &[LostOutput],
        message: impl Into<String>,
        now: Millis,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        if !self.release(attempt, executor, &mut commands) {
            return commands;
        }
        let message = message.into();
        self.fetch_failed(attempt, executor, lost, message, now, &mut commands);
        self.settle(now, commands)
    }

    fn fetch_failed(
        &mut self,
        attempt: AttemptId,
        executor: MemberId,
        lost: &[LostOutput],
        message: String,
        now: Millis,
        commands: &mut Vec<Command>,
    ) {
        let key = TaskKey::from(attempt);
        let Some(stage) = self.jobs.stage(key.stage()) else { return };
        let Some(task) = stage.task(key.task) else { return };
        let Some(run) = task.run(attempt.attempt, executor) else { return };
        let partition = task.partition;
        let parents: BTreeSet<_> = stage.parents.iter().copied().collect();
        let is_complete =
            |stage| self.jobs.stage(StageKey { job: attempt.job, stage }).is_some_and(Stage::is_complete);
        let had_all_input = parents.iter().copied().all(is_complete);
        let knew_of_it = stage.losses == run.losses && had_all_input;
        let mut reopened = BTreeSet::new();
        for output in lost.iter().filter(|output| parents.contains(&output.stage)) {
            let parent = StageKey { job: attempt.job, stage: output.stage };
            let keeps = self.jobs.stage(parent).is_some_and(|parent| parent.output == Output::Kept);
            if keeps && self.lose_output(parent.task(output.task), output.at) {
                reopened.insert(parent);
            }
        }
        let reason = format!("stage {} could not fetch its outputs: {message}", attempt.stage);
        for parent in reopened.iter().rev() {
            self.reopen(*parent, &reason, now, commands);
        }
        if !reopened.is_empty() && had_all_input {
            let last = FailedAttempt { attempt, partition, executor, message: message.clone() };
            if let Some(error) = self.begin_stage_attempt(key.stage(), last, commands) {
                return self.fail_job(attempt.job, error, commands);
            }
        }
        let counts = reopened.is_empty() && knew_of_it;
        self.retry_fetch(
            Failure { attempt, executor, kind: FailureKind::FetchFailed, message },
            counts,
            now,
            commands,
        );
    }

    fn retry_fetch(&mut self, failure: Failure, counts: bool, now: Millis, commands: &mut Vec<Command>) {
        let attempt = failure.attempt;
        let Some(job) = self.jobs.live.get_mut(&attempt.job) else { return };
        let stage = job.stages.get_mut(&attempt.stage);
        let Some(task) = stage.and_then(|stage| stage.task_mut(attempt.task)) else { return };
        let verdict = if counts {
            retry::after_failure(task, failure.kind, &job.options, &self.options)
        } else {
            Verdict::AT_ONCE
        };
        self.carry_out(verdict, failure, now, commands);
    }

    /// Counts an attempt of a stage that could not fetch its input; says so if it was the last.
    fn begin_stage_attempt(
        &mut self,
        key: StageKey,
        last: FailedAttempt,
        commands: &mut Vec<Command>,
    ) -> Option<JobError> {
        let job = self.jobs.live.get_mut(&key.job)?;
        let stage = job.stages.get_mut(&key.stage)?;
        stage.fetch_failures += 1;
        if stage.fetch_failures >= job.options.stage_attempts {
            return Some(JobError::StageFailed { stage: key.stage, attempts: stage.fetch_failures, last });
        }
        stage.attempt += 1;
        let (attempt, reason) = (stage.attempt, last.message);
        commands.push(Command::StageRetried { job: key.job, stage: key.stage, attempt, reason });
        None
    }
}

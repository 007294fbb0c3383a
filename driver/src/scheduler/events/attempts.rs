use howdah_proto::{AttemptId, BlockId, MemberId, event::FailureKind};

use crate::scheduler::{
    Command, FailedAttempt, Ignored, JobError, Millis, Output, Scheduler,
    retry::{self, Verdict},
    tasks::{Runs, TaskKey, TaskState},
};

/// An attempt that ended without success.
pub(super) struct Failure {
    pub(super) attempt: AttemptId,
    pub(super) executor: MemberId,
    pub(super) kind: FailureKind,
    pub(super) message: String,
}

impl Scheduler {
    /// Notes that an executor began an attempt; only a report about an attempt that isn't there says anything.
    pub fn on_attempt_started(&mut self, attempt: AttemptId, executor: MemberId) -> Vec<Command> {
        if self.executors.runs(executor, attempt) {
            return Vec::new();
        }
        vec![self.ignored(attempt, executor)]
    }

    /// Completes a task, and notes the blocks that its executor stored.
    ///
    /// Only the executor that the attempt was launched on can complete it, once, and only until it is lost.
    /// Blocks of another context than that of the job's blocks are not believed. Another attempt of the task is cancelled.
    pub fn on_attempt_succeeded(
        &mut self,
        attempt: AttemptId,
        executor: MemberId,
        stored: &[BlockId],
        now: Millis,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        if !self.release(attempt, executor, &mut commands) {
            return commands;
        }
        self.succeeded(attempt, executor, stored, now, &mut commands);
        self.settle(now, commands)
    }

    /// Tries a task again or fails its job, by the kind of the failure:
    ///
    /// - `Task`: counted, and tried again on another executor if there is one;
    /// - `ShardUnavailable`: counted, and tried again after a wait that doubles each time;
    /// - `BadInput`: the job fails at once;
    /// - `FetchFailed`: counted, because nothing says which output is lost; see [`Self::on_fetch_failed`];
    /// - `Superseded`: tried again under a higher attempt number, not counted;
    /// - `ExecutorLost`: the executor is draining; tried again elsewhere, not counted;
    /// - `Cancelled`: only the slot comes free; if nobody had cancelled it, it counts as a crash.
    ///
    /// While another attempt of the task runs, the failure is counted and the task not tried again.
    pub fn on_attempt_failed(
        &mut self,
        attempt: AttemptId,
        executor: MemberId,
        kind: FailureKind,
        message: impl Into<String>,
        now: Millis,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        if !self.release(attempt, executor, &mut commands) {
            return commands;
        }
        if kind == FailureKind::ExecutorLost {
            self.drain(executor);
        }
        self.failed(Failure { attempt, executor, kind, message: message.into() }, now, &mut commands);
        self.settle(now, commands)
    }

    fn succeeded(
        &mut self,
        attempt: AttemptId,
        executor: MemberId,
        stored: &[BlockId],
        now: Millis,
        commands: &mut Vec<Command>,
    ) {
        let key = TaskKey::from(attempt);
        let Some(job) = self.jobs.live.get_mut(&attempt.job) else { return };
        let context = job.blocks;
        let Some(stage) = job.stages.get_mut(&attempt.stage) else { return };
        let at = (stage.output == Output::Kept).then_some(executor);
        let Some(task) = stage.task_mut(attempt.task) else { return };
        let Some((run, runs)) = task.run(attempt.attempt, executor).copied().zip(task.runs().copied()) else {
            return;
        };
        let (partition, took) = (task.partition, now.since(run.since));
        let again = std::mem::replace(&mut task.succeeded, true);
        if let Some(stragglers) = &mut stage.stragglers {
            stragglers.finished(took);
        }
        for block in stored.iter().filter(|block| block.context == context) {
            self.block_stored(executor, *block);
        }
        self.put(key, TaskState::Done { at });
        self.pools.run_ended(attempt.job);
        commands.push(Command::TaskDone { attempt, partition, executor, took, again });
        if let Some(other) = runs.other(attempt.attempt) {
            self.pools.run_ended(attempt.job);
            let reason = "another attempt of the task was faster".to_owned();
            let attempt = key.attempt(other.attempt);
            commands.push(Command::Cancel { executor: other.executor, attempt, reason });
        }
        self.finish_if_done(key.stage(), now, commands);
        self.watch_stragglers(key.stage(), now);
    }

    fn failed(&mut self, failure: Failure, now: Millis, commands: &mut Vec<Command>) {
        let attempt = failure.attempt;
        let Some(job) = self.jobs.live.get_mut(&attempt.job) else { return };
        let stage = job.stages.get_mut(&attempt.stage);
        let Some(task) = stage.and_then(|stage| stage.task_mut(attempt.task)) else { return };
        if task.run(attempt.attempt, failure.executor).is_none() {
            return;
        }
        let alone = task.runs().is_none_or(|runs| runs.second.is_none());
        if !alone && failure.kind == FailureKind::Superseded {
            // The attempt that superseded it goes on.
            return self.carry_out(Verdict::AT_ONCE, failure, now, commands);
        }
        let verdict = retry::after_failure(task, failure.kind, &job.options, &self.options);
        self.carry_out(verdict, failure, now, commands);
    }

    /// Does what was decided about the task of a failed attempt.
    pub(super) fn carry_out(
        &mut self,
        verdict: Verdict,
        failure: Failure,
        now: Millis,
        commands: &mut Vec<Command>,
    ) {
        let Failure { attempt, executor, kind, message } = failure;
        let key = TaskKey::from(attempt);
        let Some(task) = self.jobs.task(key) else { return };
        let Some(runs) = task.runs().filter(|runs| runs.find(attempt.attempt, executor).is_some()) else {
            return;
        };
        let other = runs.other(attempt.attempt);
        let (partition, failures, crashes) = (task.partition, task.failures, task.crashes);
        let last = |message| FailedAttempt { attempt, partition, executor, message };
        let error = match verdict {
            Verdict::Again { after, elsewhere } => {
                self.pools.run_ended(attempt.job);
                if let Some(first) = other {
                    self.put(key, TaskState::Running(Runs { first, second: None }));
                } else {
                    self.queue_after(key, after, now);
                }
                let other_runs = other.is_some();
                commands.push(Command::Retrying {
                    attempt,
                    partition,
                    executor,
                    kind,
                    message,
                    after,
                    other_runs,
                });
                if elsewhere {
                    self.note_failure(key, executor, now, commands);
                }
                return;
            }
            Verdict::TooManyFailures => JobError::TaskFailed { failures, last: last(message) },
            Verdict::TooManyCrashes => JobError::TaskCrashed { crashes, last: last(message) },
            Verdict::BadInput => JobError::BadInput(last(message)),
        };
        self.fail_job(attempt.job, error, commands);
    }

    /// Frees the slot of an attempt that ended; if it has none, the report is ignored.
    pub(super) fn release(
        &mut self,
        attempt: AttemptId,
        executor: MemberId,
        commands: &mut Vec<Command>,
    ) -> bool {
        let held = self.executors.release(executor, attempt);
        if held {
            self.slots_changed(executor);
        } else {
            commands.push(self.ignored(attempt, executor));
        }
        held
    }

    fn ignored(&self, attempt: AttemptId, executor: MemberId) -> Command {
        let why = match self.executors.get(executor) {
            Some(_) => Ignored::NotRunning,
            None => Ignored::UnknownExecutor,
        };
        Command::Ignored { attempt, executor, why }
    }
}

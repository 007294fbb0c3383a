use std::time::Duration;

use howdah_proto::{
    AttemptId, BlockId, JobId, MemberId, Partition, SessionId, StageId, WireError,
    event::{Event, FailureKind, StageKind},
    pb::{
        self, attempt_failed::Kind, attempt_succeeded::Result as TaskResult, task_command,
        task_update::Update,
    },
};

use super::{
    Effect, Engine,
    state::{JobState, Stage},
};
use crate::{scheduler::Millis, train::Implausible};

impl Engine {
    /// An executor reports on a task. A report that makes no sense is dropped and logged.
    pub fn on_update(
        &mut self,
        id: MemberId,
        session: SessionId,
        update: Update,
        now: Millis,
    ) -> Vec<Effect> {
        let known = self.members.get(id).is_some_and(|member| member.session == session);
        if known && self.attached.contains_key(&id) {
            if let Err(error) = self.take_update(id, session, update, now) {
                tracing::warn!(executor = %id, %error, "dropped a report that makes no sense");
            }
            self.release(id);
        }
        std::mem::take(&mut self.effects)
    }

    fn take_update(
        &mut self,
        id: MemberId,
        session: SessionId,
        update: Update,
        now: Millis,
    ) -> Result<(), WireError> {
        let commands = match update {
            Update::Hello(_) => return Ok(()),
            Update::ResultChunk(chunk) => return self.take_chunk(id, chunk, now),
            Update::Started(started) => {
                let attempt = started.attempt.try_into()?;
                self.scheduler.on_attempt_started(attempt, id)
            }
            Update::Progress(progress) => {
                let attempt: AttemptId = progress.attempt.try_into()?;
                self.progressed(attempt, id, progress.done, now);
                return Ok(());
            }
            Update::Succeeded(succeeded) => {
                let attempt: AttemptId = succeeded.attempt.try_into()?;
                self.succeeded(attempt, id, succeeded, now);
                return Ok(());
            }
            Update::Failed(failed) => {
                let attempt: AttemptId = failed.attempt.try_into()?;
                let mut kind = failure_kind(failed.kind());
                let waits = |job: &JobState| !job.train.shards_are_settled();
                if kind == FailureKind::ShardUnavailable && self.jobs.get(&attempt.job).is_some_and(waits) {
                    // Its shard is lost, which is neither its fault nor that of its executor.
                    kind = FailureKind::Superseded;
                }
                if self.rdds.has(attempt.job) {
                    self.rdd_failed(attempt, id, kind, failed, now);
                    return Ok(());
                }
                self.scheduler.on_attempt_failed(attempt, id, kind, failed.message, now)
            }
            Update::Drain(_) => {
                self.members.on_drain(id, session);
                self.scheduler.on_executor_draining(id, now)
            }
            Update::Dropped(dropped) => {
                let blocks: Vec<BlockId> = dropped.blocks.into_iter().map(BlockId::from).collect();
                self.scheduler.on_blocks_dropped(id, &blocks, now)
            }
        };
        self.carry_out(commands, now);
        Ok(())
    }

    /// Completes a task, if its result can be true; else the attempt has failed.
    fn succeeded(&mut self, attempt: AttemptId, id: MemberId, report: pb::AttemptSucceeded, now: Millis) {
        if self.rdds.has(attempt.job) {
            return self.rdd_succeeded(attempt, id, report, now);
        }
        if let Some(Err(error)) = self.check(attempt, report.result.as_ref()) {
            let kind = FailureKind::Task;
            let commands = self.scheduler.on_attempt_failed(attempt, id, kind, error.to_string(), now);
            self.carry_out(commands, now);
            return;
        }
        let own = self.block_of(attempt);
        let stored = report.stored.into_iter().map(BlockId::from).filter(|block| Some(*block) == own);
        let stored: Vec<BlockId> = stored.collect();
        self.reported = report.result.map(|result| (attempt, result));
        let commands = self.scheduler.on_attempt_succeeded(attempt, id, &stored, now);
        self.carry_out(commands, now);
        // The scheduler took no notice of it if it is still here.
        self.reported = None;
    }

    /// Checks the result of an attempt; none if its stage has ended and the result counts for nothing.
    fn check(&self, attempt: AttemptId, result: Option<&TaskResult>) -> Option<Result<(), Implausible>> {
        let (stage, partition) = self.stage_of(attempt)?;
        Some(self.jobs.get(&attempt.job)?.train.check(stage.kind, partition, result))
    }

    /// The stage and the partition of an attempt.
    fn stage_of(&self, attempt: AttemptId) -> Option<(&Stage, Partition)> {
        let stage = self.stages.get(&attempt.stage).filter(|stage| stage.job == attempt.job)?;
        Some((stage, *stage.partitions.get(attempt.task.0 as usize)?))
    }

    /// The only block that an attempt can have stored.
    fn block_of(&self, attempt: AttemptId) -> Option<BlockId> {
        let (_, partition) = self.stage_of(attempt)?;
        let train = &self.jobs.get(&attempt.job)?.train;
        Some(BlockId { context: train.blocks_context(), node: train.block(), partition })
    }

    pub(super) fn launch(
        &mut self,
        executor: MemberId,
        attempt: AttemptId,
        partition: Partition,
        now: Millis,
    ) {
        if self.rdds.stages.contains_key(&attempt.stage) {
            return self.launch_rdd(executor, attempt, partition);
        }
        let (Some(stage), Some(job)) = (self.stages.get(&attempt.stage), self.jobs.get(&attempt.job)) else {
            // Its job ended by a command that the scheduler gave before this one. The executor never hears of the
            // attempt, and so can't say that it ended.
            let (kind, reason) = (FailureKind::Cancelled, "its job has ended");
            let commands = self.scheduler.on_attempt_failed(attempt, executor, kind, reason, now);
            return self.carry_out(commands, now);
        };
        let in_round = stage.in_round;
        let (files, work) = job.train.task(stage.kind, partition);
        let place = BlockId { context: job.train.blocks_context(), node: job.train.block(), partition };
        let spec = pb::TaskSpec {
            attempt: Some(attempt.into()),
            partition: partition.0,
            files,
            places: if stage.kind == StageKind::Prepare { Vec::new() } else { self.places(place) },
            work: Some(work),
            views: Some(job.train.views(partition).into()),
            prepared: job.train.prepared_block(partition),
        };
        let (version, shared) = (job.version, job.shared.clone());
        let told = self.attached.entry(executor).or_default();
        if told.get(&attempt.job) != Some(&version) {
            told.insert(attempt.job, version);
            if let Some(shared) = shared {
                self.send(executor, task_command::Command::PutJob(shared));
            }
        }
        self.send(executor, task_command::Command::Launch(pb::Launch { tasks: vec![spec] }));
        if !in_round {
            let event =
                Event::TaskStarted { stage: attempt.stage, partition, attempt: attempt.attempt, executor };
            self.emit(attempt.job, event);
        }
    }

    pub(super) fn task_done(
        &mut self,
        attempt: AttemptId,
        partition: Partition,
        executor: MemberId,
        took: Duration,
        now: Millis,
    ) {
        if self.rdds.has(attempt.job) {
            return self.rdd_task_done(attempt, partition, executor, now);
        }
        let Some((_, result)) = self.reported.take_if(|(reported, _)| *reported == attempt) else { return };
        let view = self.view();
        let (Some(stage), Some(job)) = (self.stages.get(&attempt.stage), self.jobs.get_mut(&attempt.job))
        else {
            return;
        };
        let (kind, in_round) = (stage.kind, stage.in_round);
        let mut commands = job.train.on_first_progress(kind, now);
        commands.extend(job.train.on_task_done(kind, partition, &result, &view, now));
        if !in_round {
            let work = job.train.work(kind, partition);
            self.note_progress(attempt.stage, partition, work, now);
            let event = Event::TaskSucceeded {
                stage: attempt.stage,
                partition,
                attempt: attempt.attempt,
                executor,
                seconds: took.as_secs_f64(),
            };
            self.emit(attempt.job, event);
        }
        if let (StageKind::Prepare, TaskResult::Computed(block)) = (kind, &result) {
            self.note_prepared(attempt.job, partition, block, now);
        }
        self.do_for_job(attempt.job, commands, now);
    }

    pub(super) fn stage_finished(&mut self, job: JobId, stage: StageId, now: Millis) {
        let Some(state) = self.stages.remove(&stage) else { return };
        let kind = state.kind;
        let seconds = now.since(state.started).as_secs_f64();
        if state.in_round {
            // There may be a hundred thousand rounds: the scheduler need not keep those that are over.
            let dropped = self.scheduler.on_stage_dropped(job, stage, "the round is complete", now);
            self.carry_out(dropped, now);
            self.round_finished(job, now);
        } else {
            self.emit(job, Event::StageFinished { stage, kind, seconds });
        }
        if kind == StageKind::Prepare {
            self.note_all_prepared(job, now);
        }
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let commands = state.train.on_stage_finished(kind, now);
        self.do_for_job(job, commands, now);
    }

    fn progressed(&mut self, attempt: AttemptId, id: MemberId, done: u64, now: Millis) {
        if !self.scheduler.executor(id).is_some_and(|executor| executor.attempts.contains(&attempt)) {
            return;
        }
        let Some((stage, partition)) = self.stage_of(attempt) else { return };
        let kind = stage.kind;
        let Some(job) = self.jobs.get_mut(&attempt.job) else { return };
        let done = done.min(job.train.work(kind, partition));
        let commands = job.train.on_first_progress(kind, now);
        self.note_progress(attempt.stage, partition, done, now);
        self.do_for_job(attempt.job, commands, now);
    }
}

fn failure_kind(kind: Kind) -> FailureKind {
    match kind {
        Kind::Unspecified | Kind::Task => FailureKind::Task,
        Kind::FetchFailed => FailureKind::FetchFailed,
        Kind::BadInput => FailureKind::BadInput,
        Kind::Superseded => FailureKind::Superseded,
        Kind::ShardUnavailable => FailureKind::ShardUnavailable,
        Kind::Cancelled => FailureKind::Cancelled,
        Kind::ExecutorDraining => FailureKind::ExecutorLost,
    }
}

use std::{collections::BTreeMap, time::Duration};

use howdah_proto::{
    AttemptId, BlockId, ContextId, JobId, MemberId, Partition, StageId, WireError,
    event::{FailureKind, Role},
    lineage::Copies,
    pb::{self, attempt_succeeded::Result as TaskResult, task_command::Command},
};

use super::RddStage;
use crate::{
    actions::{Ended, TooLarge},
    engine::Engine,
    membership::Members,
    plan::{Goal, kept_on_the_way},
    scheduler::Millis,
};

const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

impl Engine {
    /// Sends an attempt to its executor, after what that must know.
    pub(in crate::engine) fn launch_rdd(
        &mut self,
        executor: MemberId,
        attempt: AttemptId,
        partition: Partition,
    ) {
        let Some(stage) = self.rdds.stages.get(&attempt.stage) else { return };
        let (Some(action), Some(context)) =
            (self.rdds.jobs.get_mut(&stage.job), self.rdds.contexts.get_mut(&stage.context))
        else {
            return;
        };
        let (members, attached) = (&self.members, &self.attached);
        let address = |id| members.get(id).map(|member| member.address.clone());
        let news = context.tell(stage.context, executor, &stage.shuffles, address);
        let (mut places, mut second_copy) = (Vec::new(), String::new());
        if stage.persists {
            let block = |(node, partition)| BlockId { context: stage.context, node, partition };
            let is_kept = |kept| self.scheduler.holders(block(kept)).next().is_some();
            for (node, partition) in kept_on_the_way(context.lineage(), (stage.node, partition), is_kept) {
                let holders = self.scheduler.holders(block((node, partition)));
                places.extend(holders.filter(|holder| *holder != executor).filter_map(|holder| {
                    Some(pb::BlockPlace { node: node.0, address: address(holder)?, partition: partition.0 })
                }));
                let level = context.lineage().get(node).and_then(|node| node.persist);
                if level.is_some_and(|level| level.copies == Copies::Two) && second_copy.is_empty() {
                    second_copy =
                        neighbour(attached, members, executor).and_then(address).unwrap_or_default();
                }
            }
        }
        let output = match stage.goal {
            Goal::Shuffle(shuffle) => pb::rdd_task::Output::Shuffle(shuffle.0),
            Goal::Result => pb::rdd_task::Output::Action(action.action.clone()),
        };
        let task = pb::RddTask {
            context_id: stage.context.0,
            node: stage.node.0,
            output: Some(output),
            second_copy,
            result_limit_bytes: action.options.result_limit_bytes,
        };
        let spec = pb::TaskSpec {
            attempt: Some(attempt.into()),
            partition: partition.0,
            files: Vec::new(),
            places,
            work: Some(pb::task_spec::Work::Rdd(task)),
            views: None,
            prepared: None,
        };
        for command in news {
            self.send(executor, command);
        }
        self.send(executor, Command::Launch(pb::Launch { tasks: vec![spec] }));
    }

    /// A piece of a large result comes.
    pub(in crate::engine) fn take_chunk(
        &mut self,
        id: MemberId,
        chunk: pb::ResultChunk,
        now: Millis,
    ) -> Result<(), WireError> {
        let attempt: AttemptId = chunk.attempt.try_into()?;
        let wanted = self.rdds.stages.get(&attempt.stage).is_some_and(|stage| stage.goal == Goal::Result);
        if let Some(partition) =
            self.scheduler.partition(attempt).filter(|_| wanted && self.runs(id, attempt))
            && let Some(action) = self.rdds.jobs.get_mut(&attempt.job)
            && let Err(error) = action.on_chunk(attempt, partition, chunk.data)
        {
            self.too_large(attempt.job, error, now);
        }
        Ok(())
    }

    /// Whether an executor runs an attempt, so that it may report on it.
    pub(super) fn runs(&self, id: MemberId, attempt: AttemptId) -> bool {
        self.scheduler.executor(id).is_some_and(|executor| executor.attempts.contains(&attempt))
    }

    fn too_large(&mut self, job: JobId, error: TooLarge, now: Millis) {
        let hint = "reduce on the executors (count, reduce, take), save to files, or raise the result limit";
        let kind = pb::run_failed::Kind::ResultTooLarge;
        let ended = Ended::Badly { kind, error: error.to_string(), hint: hint.to_owned() };
        self.end_action(job, ended, now);
    }

    /// Completes a task, if its report can be true; else the attempt has failed.
    pub(in crate::engine) fn rdd_succeeded(
        &mut self,
        attempt: AttemptId,
        id: MemberId,
        report: pb::AttemptSucceeded,
        now: Millis,
    ) {
        let runs = self.runs(id, attempt);
        let Some(TaskResult::Rdd(done)) = report.result else {
            return self.implausible(attempt, id, "it reports another kind of task", now);
        };
        if let Some(action) = self.rdds.jobs.get(&attempt.job)
            && let Err(error) = action.check(&done)
        {
            return self.implausible(attempt, id, &error.to_string(), now);
        }
        let context = self.rdds.stages.get(&attempt.stage).map(|stage| stage.context);
        let stored = self.believable(context, report.stored);
        let copied = self.believable(context, done.copied.clone());
        let copied_to = self.members.of_role(Role::Executor).find(|member| member.address == done.copied_to);
        let copied_to = copied_to.map(|member| member.id).filter(|member| self.attached.contains_key(member));
        self.reported = Some((attempt, TaskResult::Rdd(done)));
        let commands = self.scheduler.on_attempt_succeeded(attempt, id, &stored, now);
        self.carry_out(commands, now);
        // The scheduler took no notice of it if it is still here.
        if self.reported.take().is_some() {
            if let Some(action) = self.rdds.jobs.get_mut(&attempt.job).filter(|_| runs) {
                action.on_attempt_over(attempt);
            }
        } else if let Some(other) = copied_to.filter(|_| !copied.is_empty()) {
            let commands = self.scheduler.on_blocks_stored(other, &copied, now);
            self.carry_out(commands, now);
        }
    }

    fn implausible(&mut self, attempt: AttemptId, id: MemberId, reason: &str, now: Millis) {
        let message = format!("executor {id} reports what can't be: {reason}");
        let commands = self.scheduler.on_attempt_failed(attempt, id, FailureKind::Task, message, now);
        self.carry_out(commands, now);
    }

    /// The blocks that an executor may say it has: partitions of persisted nodes of the task's context.
    fn believable(&self, context: Option<ContextId>, blocks: Vec<pb::BlockId>) -> Vec<BlockId> {
        let Some(state) = context.and_then(|context| self.rdds.contexts.get(&context)) else {
            return Vec::new();
        };
        let persisted = |block: &BlockId| {
            let node = state.lineage().get(block.node);
            node.is_some_and(|node| node.persist.is_some() && block.partition.0 < node.partitions)
        };
        let blocks = blocks.into_iter().map(BlockId::from);
        blocks.filter(|block| Some(block.context) == context && persisted(block)).collect()
    }

    /// A task of an action's job is done, for the first time or again.
    pub(in crate::engine) fn rdd_task_done(
        &mut self,
        attempt: AttemptId,
        partition: Partition,
        executor: MemberId,
        now: Millis,
    ) {
        let reported = self.reported.take_if(|(reported, _)| *reported == attempt);
        let (Some((_, TaskResult::Rdd(done))), Some(stage)) =
            (reported, self.rdds.stages.get(&attempt.stage))
        else {
            return;
        };
        let (job, goal) = (stage.job, stage.goal);
        if let (Goal::Shuffle(shuffle), Some(context)) = (goal, self.rdds.contexts.get_mut(&stage.context)) {
            context.outputs_mut(shuffle).store(partition, executor);
        }
        let Some(action) = self.rdds.jobs.get_mut(&job) else { return };
        match action.on_task_done(attempt, goal, partition, done) {
            Ok(parts) if parts.is_empty() => {}
            Ok(parts) => {
                let progress = action.progress(now, PROGRESS_INTERVAL);
                // A piece is as large as a message may be.
                for part in parts {
                    self.reply(job, pb::run_reply::Reply::Parts(pb::Parts { parts: vec![part] }));
                }
                if let Some(progress) = progress {
                    self.reply(job, pb::run_reply::Reply::Progress(progress));
                }
            }
            Err(error) => self.too_large(job, error, now),
        }
    }

    /// All tasks of a stage are done: after the last stage, so is the job.
    pub(in crate::engine) fn rdd_stage_finished(&mut self, stage: StageId, now: Millis) {
        let Some(RddStage { job, goal: Goal::Result, .. }) = self.rdds.stages.get(&stage) else { return };
        self.end_action(*job, Ended::Well, now);
    }

    /// An attempt of an action's job failed.
    pub(in crate::engine) fn rdd_failed(
        &mut self,
        attempt: AttemptId,
        id: MemberId,
        kind: FailureKind,
        failed: pb::AttemptFailed,
        now: Millis,
    ) {
        let runs = self.runs(id, attempt);
        if let Some(action) = self.rdds.jobs.get_mut(&attempt.job).filter(|_| runs) {
            action.on_attempt_over(attempt);
        }
        match failed.fetch.filter(|_| runs && kind == FailureKind::FetchFailed) {
            Some(fetch) => self.rdd_fetch_failed((attempt, id), &fetch, failed.message, now),
            None => {
                let commands = self.scheduler.on_attempt_failed(attempt, id, kind, failed.message, now);
                self.carry_out(commands, now);
            }
        }
    }

    /// An executor is lost: what came of its attempts is dropped.
    pub(in crate::engine) fn rdd_executor_lost(&mut self, id: MemberId) {
        let Some(executor) = self.scheduler.executor(id) else { return };
        for attempt in &executor.attempts {
            if let Some(action) = self.rdds.jobs.get_mut(&attempt.job) {
                action.on_attempt_over(*attempt);
            }
        }
    }

    /// An attempt of an action's job is tried again.
    pub(in crate::engine) fn rdd_retrying(&mut self, attempt: AttemptId) {
        if let Some(action) = self.rdds.jobs.get_mut(&attempt.job) {
            action.report.retries += 1;
            action.on_attempt_over(attempt);
        }
    }

    /// A stage of an action's job, or of any other, is tried again.
    pub(in crate::engine) fn rdd_stage_retried(&mut self, job: JobId) {
        if let Some(action) = self.rdds.jobs.get_mut(&job) {
            action.report.stages_retried += 1;
        }
    }

    /// An attempt of an action's job, or of any other, is launched.
    pub(in crate::engine) fn rdd_launched(&mut self, job: JobId, speculative: bool) {
        if let Some(action) = self.rdds.jobs.get_mut(&job) {
            action.report.tasks += 1;
            action.report.speculative += u32::from(speculative);
        }
    }

    /// A job waits for an executor, or goes on.
    pub(in crate::engine) fn rdd_waiting(&mut self, job: JobId, waiting: String) {
        let Some(action) = self.rdds.jobs.get(&job) else { return };
        let (done, total) = (action.done(), action.partitions.len() as u32);
        self.reply(job, pb::run_reply::Reply::Progress(pb::RunProgress { done, total, waiting }));
    }
}

/// The executor that comes after another, for second copies of its blocks.
fn neighbour<T>(attached: &BTreeMap<MemberId, T>, members: &Members, executor: MemberId) -> Option<MemberId> {
    let stays = |id: &MemberId| members.get(*id).is_some_and(|member| !member.draining);
    let mut others = attached.keys().copied().filter(|other| *other != executor).filter(stays);
    let first = others.clone().next();
    others.find(|other| *other > executor).or(first)
}

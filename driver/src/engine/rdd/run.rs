use howdah_proto::{
    BlockId, ContextId, JobId, NodeId, Partition, StageId, WireError, pb, pb::run_failed::Kind, required,
};

use super::RddStage;
use crate::{
    actions::{ActionJob, Ended},
    engine::{Effect, Engine},
    plan::{Goal, Plan, Planned, kept_on_the_way},
    scheduler::{JobError, JobOptions, Millis, Output, Speculation, StageDescription, TaskDescription},
};

/// How often in a row the stages of a job are planned anew because map outputs that nobody planned are missing.
const MOST_PLANS: u32 = 4;

/// From this plan on in a row, nobody is believed to have the blocks of persisted nodes.
const FIRST_DISTRUSTFUL_PLAN: u32 = 3;

impl Engine {
    /// A program runs an action.
    ///
    /// # Errors
    /// [`WireError`] if the request makes no sense.
    pub fn on_run(
        &mut self,
        request: pb::RunRequest,
        now: Millis,
    ) -> Result<(JobId, Vec<Effect>), WireError> {
        let id = ContextId(request.context_id);
        self.define(id, request.nodes, now)?;
        let node = NodeId(request.node);
        let known = self.context_mut(id)?.lineage().get(node);
        let known =
            known.ok_or_else(|| WireError::invalid("node", format!("context {id} has no node {node}")))?;
        let action = required(request.action, "action")?;
        let ends_save = ends_save(required(action.kind.as_ref(), "action.kind")?);
        let partitions: Vec<Partition> = if ends_save {
            vec![Partition(0)]
        } else if request.partitions.is_empty() {
            (0..known.partitions).map(Partition).collect()
        } else {
            request.partitions.into_iter().map(Partition).collect()
        };
        if let Some(wrong) = partitions.iter().find(|partition| !ends_save && partition.0 >= known.partitions)
        {
            let reason = format!("node {node} has {} partitions, and no partition {wrong}", known.partitions);
            return Err(WireError::invalid("partitions", reason));
        }
        let job = JobId(self.next_job);
        self.next_job += 1;
        let action = ActionJob::new(id, node, partitions, action, request.options.into());
        self.rdds.jobs.insert(job, action);
        self.reply(job, pb::run_reply::Reply::Started(pb::RunStarted { job_id: job.0 }));
        self.plan(job, now);
        Ok((job, std::mem::take(&mut self.effects)))
    }

    /// Cuts what a job lacks into stages, and submits them.
    fn plan(&mut self, job: JobId, now: Millis) {
        let Some(action) = self.rdds.jobs.get_mut(&job) else { return };
        let id = action.context;
        action.plans += 1;
        if action.plans > MOST_PLANS {
            let error = format!("map outputs that its stages need were lost {MOST_PLANS} times in a row");
            let hint = "persist with two copies, or checkpoint, what is used again and again".to_owned();
            return self.end_action(job, Ended::Badly { kind: Kind::Failed, error, hint }, now);
        }
        let believes = action.plans < FIRST_DISTRUSTFUL_PLAN;
        let options = JobOptions {
            task_attempts: action.options.task_attempts,
            executor_wait: action.options.executor_wait,
            speculation: action.options.speculation.then(Speculation::default),
            pool: action.options.pool.clone(),
            ..JobOptions::default()
        };
        let node = action.node;
        let commands = self.scheduler.on_job_submitted(job, id, options);
        self.carry_out(commands, now);
        let Some(context) = self.rdds.contexts.get(&id) else { return };
        let kind = self.rdds.jobs.get(&job).and_then(|action| action.action.kind.as_ref());
        let plan = if kind.is_some_and(ends_save) {
            let stage = Planned { node, goal: Goal::Result, parents: Vec::new(), persisted: Vec::new() };
            Plan { stages: vec![stage] }
        } else {
            Plan::to(context.lineage(), node, |node| believes && self.is_kept(id, node))
        };
        let first = self.next_stage;
        self.next_stage += plan.stages.len() as u64;
        let stage_at = |place: usize| StageId(first + place as u64);
        for (place, planned) in plan.stages.iter().enumerate() {
            let parents: Vec<StageId> = planned.parents.iter().map(|parent| stage_at(*parent)).collect();
            let shuffles = planned.parents.iter().filter_map(|parent| match plan.stages.get(*parent)?.goal {
                Goal::Shuffle(shuffle) => Some(shuffle),
                Goal::Result => None,
            });
            let shuffles = shuffles.collect();
            self.submit_planned(job, id, planned, (stage_at(place), parents, shuffles), now);
        }
    }

    fn submit_planned(
        &mut self,
        job: JobId,
        id: ContextId,
        planned: &Planned,
        (stage, parents, shuffles): (StageId, Vec<StageId>, Vec<NodeId>),
        now: Millis,
    ) {
        let (Some(action), Some(context)) = (self.rdds.jobs.get_mut(&job), self.rdds.contexts.get_mut(&id))
        else {
            return;
        };
        if let Goal::Shuffle(shuffle) = planned.goal {
            // Whoever reads it is told where its outputs are, even if there are none because nothing is shuffled.
            context.outputs_mut(shuffle);
        }
        let context = &*context;
        let lineage = context.lineage();
        let (partitions, output) = match planned.goal {
            Goal::Result => (action.missing(), Output::Returned),
            Goal::Shuffle(_) => {
                let all = lineage.get(planned.node).map_or(0, |node| node.partitions);
                ((0..all).map(Partition).collect(), Output::Kept)
            }
        };
        let persists = !planned.persisted.is_empty();
        let block = |(node, partition)| BlockId { context: id, node, partition };
        let tasks: Vec<TaskDescription> = partitions
            .iter()
            .map(|partition| {
                let kept_at = match planned.goal {
                    Goal::Shuffle(shuffle) => context.holder(shuffle, *partition),
                    Goal::Result => None,
                };
                let is_kept = |kept| self.scheduler.holders(block(kept)).next().is_some();
                let near = if persists {
                    kept_on_the_way(lineage, (planned.node, *partition), is_kept)
                } else {
                    Vec::new()
                };
                TaskDescription {
                    partition: *partition,
                    prefers: near.into_iter().map(block).collect(),
                    kept_at,
                }
            })
            .collect();
        let skipped = !tasks.is_empty() && tasks.iter().all(|task| task.kept_at.is_some());
        action.report.stages += 1;
        action.report.stages_skipped += u32::from(skipped);
        let state = RddStage { job, context: id, node: planned.node, goal: planned.goal, shuffles, persists };
        self.rdds.stages.insert(stage, state);
        let description = StageDescription { stage, parents, tasks, output };
        let commands = self.scheduler.on_stage_submitted(job, description, now);
        self.carry_out(commands, now);
    }

    /// Plans a job anew, because its stages don't give all that its tasks need, or no longer can.
    pub(super) fn plan_again(&mut self, job: JobId, now: Millis) {
        let commands = self.scheduler.on_job_finished(job, now);
        self.carry_out(commands, now);
        self.rdds.stages.retain(|_, stage| stage.job != job);
        if let Some(action) = self.rdds.jobs.get_mut(&job) {
            action.on_planned_anew();
        }
        self.plan(job, now);
    }

    /// Whether all partitions of a node are kept somewhere.
    fn is_kept(&self, context: ContextId, node: NodeId) -> bool {
        let Some(state) = self.rdds.contexts.get(&context).and_then(|state| state.lineage().get(node)) else {
            return false;
        };
        let block = |partition| BlockId { context, node, partition };
        let mut partitions = (0..state.partitions).map(Partition);
        partitions.all(|partition| self.scheduler.holders(block(partition)).next().is_some())
    }

    /// The scheduler gave an action's job up.
    pub(in crate::engine) fn give_action_up(&mut self, job: JobId, error: &JobError, now: Millis) {
        let (kind, hint) = match error {
            JobError::Cancelled { .. } => (Kind::Cancelled, ""),
            JobError::NoExecutor { .. } => (Kind::NoExecutor, "start an executor, or allow a longer wait"),
            _ => (Kind::Failed, ""),
        };
        let ended = Ended::Badly { kind, error: error.to_string(), hint: hint.to_owned() };
        self.end_action(job, ended, now);
    }

    pub(super) fn end_action(&mut self, job: JobId, ended: Ended, now: Millis) {
        let Some(action) = self.rdds.jobs.remove(&job) else { return };
        self.rdds.stages.retain(|_, stage| stage.job != job);
        let commands = self.scheduler.on_job_finished(job, now);
        self.carry_out(commands, now);
        let reply = match ended {
            Ended::Well => pb::run_reply::Reply::Finished(pb::RunFinished {
                accumulators: action.accumulators().to_wire(),
                report: Some(action.report),
            }),
            Ended::Badly { kind, error, hint } => {
                pb::run_reply::Reply::Failed(pb::RunFailed { kind: kind.into(), error, hint })
            }
        };
        self.reply(job, reply);
        self.effects.push(Effect::EndReplies { job });
    }

    pub(super) fn reply(&mut self, job: JobId, reply: pb::run_reply::Reply) {
        self.effects.push(Effect::Reply { job, reply: pb::RunReply { reply: Some(reply) } });
    }
}

/// Whether an action is the end of a save: one task, on no records.
fn ends_save(action: &pb::action::Kind) -> bool {
    matches!(action, pb::action::Kind::Commit(_) | pb::action::Kind::Discard(_))
}

use howdah_proto::{
    AttemptId, BlockId, ContextId, JobId, MemberId, NodeId, Partition, TaskIndex, event::FailureKind, pb,
};

use crate::{
    engine::Engine,
    plan::{Goal, kept_on_the_way, leads_to},
    scheduler::{LostOutput, Millis},
};

impl Engine {
    /// An attempt that runs could not fetch map outputs.
    pub(super) fn rdd_fetch_failed(
        &mut self,
        (attempt, id): (AttemptId, MemberId),
        fetch: &pb::FetchFailed,
        message: String,
        now: Millis,
    ) {
        let Some(stage) = self.rdds.stages.get(&attempt.stage) else {
            // Its job was planned anew meanwhile; only its slot comes free.
            return self.end_attempt(attempt, id, now);
        };
        let (context, shuffle) = (stage.context, NodeId(fetch.shuffle));
        if !stage.shuffles.contains(&shuffle) {
            // It was to find kept blocks instead.
            self.forget_missing(attempt, shuffle, now);
            self.forget_outputs(context, fetch);
            self.plan_again(attempt.job, now);
            return self.end_attempt(attempt, id, now);
        }
        let lost = self.lost_outputs(attempt, fetch);
        self.forget_outputs(context, fetch);
        let commands = self.scheduler.on_fetch_failed(attempt, id, &lost, message, now);
        self.carry_out(commands, now);
    }

    /// Frees the slot of an attempt whose stage is gone.
    fn end_attempt(&mut self, attempt: AttemptId, id: MemberId, now: Millis) {
        let (kind, reason) = (FailureKind::Cancelled, "its job was planned anew");
        let commands = self.scheduler.on_attempt_failed(attempt, id, kind, reason, now);
        self.carry_out(commands, now);
    }

    /// The outputs that a fetch missed, where the scheduler takes them to be.
    fn lost_outputs(&self, attempt: AttemptId, fetch: &pb::FetchFailed) -> Vec<LostOutput> {
        let goal = Goal::Shuffle(NodeId(fetch.shuffle));
        let gives = self.rdds.stages.iter().find(|(_, stage)| stage.job == attempt.job && stage.goal == goal);
        let Some((stage, state)) = gives else { return Vec::new() };
        let lost = |partition: &u32, at| LostOutput { stage: *stage, task: TaskIndex(*partition), at };
        if fetch.member_id != 0 {
            let at = MemberId(fetch.member_id);
            if self.is_out_of_reach(state.context, fetch) {
                return self.outputs_at(attempt.job, at);
            }
            return fetch.partitions.iter().map(|partition| lost(partition, at)).collect();
        }
        // They were nowhere when the task began: another job of the context had found them lost.
        let context = self.rdds.contexts.get(&state.context);
        let known = |partition: &u32| {
            context.and_then(|context| context.holder(NodeId(fetch.shuffle), Partition(*partition)))
        };
        let recorded: Vec<Option<MemberId>> = self.scheduler.outputs(attempt.job, *stage).collect();
        let nowhere = fetch.partitions.iter().filter(|partition| known(partition).is_none());
        nowhere
            .filter_map(|partition| Some(lost(partition, (*recorded.get(*partition as usize)?)?)))
            .collect()
    }

    /// Whether nothing could be had of what an executor has of a shuffle: then nothing else there can be had either,
    /// and is better found lost at once than stage by stage.
    fn is_out_of_reach(&self, context: ContextId, fetch: &pb::FetchFailed) -> bool {
        let outputs = self.rdds.contexts.get(&context).and_then(|state| state.outputs(NodeId(fetch.shuffle)));
        let has = outputs.and_then(|outputs| outputs.counts().get(&MemberId(fetch.member_id)).copied());
        has.is_some_and(|has| has as usize <= fetch.partitions.len())
    }

    /// The map outputs of all stages of a job that an executor has.
    fn outputs_at(&self, job: JobId, at: MemberId) -> Vec<LostOutput> {
        let stages = self.rdds.stages.iter().filter(|(_, stage)| stage.job == job);
        let lost = stages.flat_map(|(stage, _)| {
            let outputs = (0..).map(TaskIndex).zip(self.scheduler.outputs(job, *stage));
            let there = outputs.filter(|(_, holder)| *holder == Some(at));
            there.map(|(task, _)| LostOutput { stage: *stage, task, at })
        });
        lost.collect()
    }

    fn forget_outputs(&mut self, id: ContextId, fetch: &pb::FetchFailed) {
        let out_of_reach = self.is_out_of_reach(id, fetch);
        let Some(context) = self.rdds.contexts.get_mut(&id) else { return };
        if out_of_reach {
            context.forget_outputs_at(MemberId(fetch.member_id));
        }
        for partition in &fetch.partitions {
            context.forget_output(NodeId(fetch.shuffle), Partition(*partition), MemberId(fetch.member_id));
        }
    }

    /// Forgets the kept blocks that an attempt did not find: with one of them it would not have read the shuffle.
    fn forget_missing(&mut self, attempt: AttemptId, shuffle: NodeId, now: Millis) {
        let Some(partition) = self.scheduler.partition(attempt) else { return };
        let Some(stage) = self.rdds.stages.get(&attempt.stage) else { return };
        let Some(context) = self.rdds.contexts.get(&stage.context) else { return };
        let lineage = context.lineage();
        let block = |(node, partition)| BlockId { context: stage.context, node, partition };
        let is_kept = |kept| self.scheduler.holders(block(kept)).next().is_some();
        let on_the_way = kept_on_the_way(lineage, (stage.node, partition), is_kept);
        let missing = on_the_way.into_iter().filter(|kept| leads_to(lineage, *kept, shuffle));
        let missing: Vec<BlockId> = missing.map(block).collect();
        for missing in missing {
            for holder in self.scheduler.holders(missing).collect::<Vec<_>>() {
                let commands = self.scheduler.on_blocks_dropped(holder, &[missing], now);
                self.carry_out(commands, now);
            }
        }
    }
}

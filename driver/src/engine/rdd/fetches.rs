use howdah_proto::{AttemptId, BlockId, MemberId, NodeId, Partition, TaskIndex, event::FailureKind, pb};

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

    fn forget_outputs(&mut self, context: howdah_proto::ContextId, fetch: &pb::FetchFailed) {
        let Some(context) = self.rdds.contexts.get_mut(&context) else { return };
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

use howdah_proto::{ContextId, JobId, NodeId};

use crate::scheduler::{Command, JobError, Millis, Scheduler};

impl Scheduler {
    /// Forgets the blocks of a context. Jobs of it that still live are cancelled.
    pub fn on_context_closed(&mut self, context: ContextId, now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        let of_context = (context, JobId(0))..=(context, JobId(u64::MAX));
        let jobs: Vec<JobId> = self.jobs.by_context.range(of_context).map(|(_, job)| *job).collect();
        for job in jobs {
            let reason = format!("context {context} was closed");
            self.fail_job(job, JobError::Cancelled { job, reason }, &mut commands);
        }
        self.forget_blocks(context, None);
        self.settle(now, commands)
    }

    /// Forgets the blocks of a node of a lineage, which the executors are told to drop.
    pub fn on_blocks_forgotten(&mut self, context: ContextId, node: NodeId, now: Millis) -> Vec<Command> {
        self.forget_blocks(context, Some(node));
        self.settle(now, Vec::new())
    }

    fn forget_blocks(&mut self, context: ContextId, node: Option<NodeId>) {
        for block in self.blocks.blocks(context, node) {
            for executor in self.blocks.holders(block).collect::<Vec<_>>() {
                self.block_dropped(executor, block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{BlockId, MemberId};

    use super::*;
    use crate::scheduler::fixture::*;

    #[test]
    fn blocks_outlive_their_job_and_go_with_their_context() {
        let mut scheduler = cluster(&[1, 1]);
        scheduler.submit(tasks(2));
        scheduler.on_attempt_succeeded(attempt(1, 1), MemberId(2), &[block(1)], START);
        scheduler.on_job_finished(JOB, START);
        scheduler.fail(attempt(0, 1), 1, howdah_proto::event::FailureKind::Cancelled);
        // A later job of the context finds the block.
        scheduler.on_job_submitted(JobId(2), JOB.into(), Default::default());
        let mut near = tasks(1);
        near[0].prefers = vec![block(1)];
        assert_eq!(launches(&scheduler.submit_stage(JobId(2), 1, &[], near)), [(1, 0, 1, 2)]);
        let commands = scheduler.on_context_closed(JOB.into(), START);
        assert!(matches!(error(&commands), Some(JobError::Cancelled { .. })), "{commands:?}");
        scheduler.fail(
            howdah_proto::AttemptId { job: JobId(2), ..attempt(0, 1) },
            2,
            howdah_proto::event::FailureKind::Cancelled,
        );
        assert!(scheduler.is_clean());
    }

    #[test]
    fn the_blocks_of_a_node_that_is_no_longer_persisted_are_forgotten() {
        let mut scheduler = cluster(&[1]);
        scheduler.submit(tasks(1));
        let other = BlockId { node: NodeId(9), ..block(0) };
        scheduler.on_attempt_succeeded(attempt(0, 1), MemberId(1), &[block(0), other], START);
        scheduler.on_blocks_forgotten(JOB.into(), NodeId(9), START);
        assert_eq!((scheduler.holders(block(0)).count(), scheduler.holders(other).count()), (1, 0));
    }
}

use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{BlockId, JobId, MemberId, NodeId, Partition};

/// Which executors hold which blocks.
#[derive(Debug, Default)]
pub(super) struct Locations {
    holders: BTreeMap<BlockId, BTreeSet<MemberId>>,
    held: BTreeMap<MemberId, BTreeSet<BlockId>>,
}

impl Locations {
    /// Records a copy of a block; returns whether it is news.
    pub(super) fn store(&mut self, executor: MemberId, block: BlockId) -> bool {
        self.held.entry(executor).or_default().insert(block);
        self.holders.entry(block).or_default().insert(executor)
    }

    /// Forgets a copy of a block.
    pub(super) fn forget(&mut self, executor: MemberId, block: BlockId) {
        remove(&mut self.held, &executor, &block);
        remove(&mut self.holders, &block, &executor);
    }

    /// Forgets all blocks of an executor.
    pub(super) fn forget_executor(&mut self, executor: MemberId) {
        for block in self.held.remove(&executor).unwrap_or_default() {
            remove(&mut self.holders, &block, &executor);
        }
    }

    /// Forgets all blocks of a job.
    pub(super) fn forget_job(&mut self, job: JobId) {
        let first = BlockId { job, node: NodeId(0), partition: Partition(0) };
        let last = BlockId { job, node: NodeId(u32::MAX), partition: Partition(u32::MAX) };
        let blocks: Vec<BlockId> = self.holders.range(first..=last).map(|(block, _)| *block).collect();
        for block in blocks {
            for executor in self.holders.remove(&block).unwrap_or_default() {
                remove(&mut self.held, &executor, &block);
            }
        }
    }

    /// Returns the executors that hold a block, lowest id first.
    pub(super) fn holders(&self, block: BlockId) -> impl Iterator<Item = MemberId> + '_ {
        self.holders.get(&block).into_iter().flatten().copied()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty() && self.held.is_empty()
    }
}

fn remove<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(job: u64, partition: u32) -> BlockId {
        BlockId { job: JobId(job), node: NodeId(7), partition: Partition(partition) }
    }

    #[test]
    fn a_lost_executor_and_an_ended_job_take_their_blocks_with_them() {
        let mut locations = Locations::default();
        for (executor, of) in [(1, block(1, 0)), (2, block(1, 0)), (1, block(2, 5))] {
            assert!(locations.store(MemberId(executor), of));
        }
        assert!(!locations.store(MemberId(1), block(1, 0)));
        locations.forget_executor(MemberId(1));
        assert_eq!(locations.holders(block(1, 0)).collect::<Vec<_>>(), [MemberId(2)]);
        assert_eq!(locations.holders(block(2, 5)).count(), 0);
        locations.store(MemberId(3), block(2, 5));
        locations.forget_job(JobId(1));
        assert_eq!(locations.holders(block(1, 0)).count(), 0);
        locations.forget(MemberId(3), block(2, 5));
        assert!(locations.is_empty());
    }
}

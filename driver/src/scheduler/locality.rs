use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{BlockId, ContextId, MemberId, NodeId, Partition};

use super::queues::{add, remove};

/// Which executors hold which blocks.
#[derive(Debug, Default)]
pub(super) struct Locations {
    holders: BTreeMap<BlockId, BTreeSet<MemberId>>,
    held: BTreeMap<MemberId, BTreeSet<BlockId>>,
}

impl Locations {
    /// Records a copy of a block; returns whether it is news.
    pub(super) fn store(&mut self, executor: MemberId, block: BlockId) -> bool {
        add(&mut self.held, executor, block);
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

    /// Returns the blocks of a context, or those of one node of it.
    pub(super) fn blocks(&self, context: ContextId, node: Option<NodeId>) -> Vec<BlockId> {
        let (first, last) = node.map_or((NodeId(0), NodeId(u32::MAX)), |node| (node, node));
        let first = BlockId { context, node: first, partition: Partition(0) };
        let last = BlockId { context, node: last, partition: Partition(u32::MAX) };
        self.holders.range(first..=last).map(|(block, _)| *block).collect()
    }

    /// Returns the executors that hold a block, lowest id first.
    pub(super) fn holders(&self, block: BlockId) -> impl Iterator<Item = MemberId> + '_ {
        self.holders.get(&block).into_iter().flatten().copied()
    }

    /// Whether an executor holds a block.
    pub(super) fn is_at(&self, block: BlockId, executor: MemberId) -> bool {
        self.holders.get(&block).is_some_and(|holders| holders.contains(&executor))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty() && self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(context: u64, node: u32) -> BlockId {
        BlockId { context: ContextId(context), node: NodeId(node), partition: Partition(0) }
    }

    #[test]
    fn a_lost_executor_takes_its_copies_with_it() {
        let mut locations = Locations::default();
        for (executor, of) in [(1, block(1, 0)), (2, block(1, 0)), (1, block(2, 5))] {
            assert!(locations.store(MemberId(executor), of));
        }
        assert!(!locations.store(MemberId(1), block(1, 0)));
        locations.forget_executor(MemberId(1));
        assert_eq!(locations.holders(block(1, 0)).collect::<Vec<_>>(), [MemberId(2)]);
        assert_eq!(locations.holders(block(2, 5)).count(), 0);
        locations.forget(MemberId(2), block(1, 0));
        assert!(locations.is_empty());
    }

    #[test]
    fn the_blocks_of_a_context_and_of_its_nodes_are_found() {
        let mut locations = Locations::default();
        for of in [block(1, 0), block(1, u32::MAX), block(2, 0)] {
            locations.store(MemberId(1), of);
        }
        assert_eq!(locations.blocks(ContextId(1), None), [block(1, 0), block(1, u32::MAX)]);
        assert_eq!(locations.blocks(ContextId(1), Some(NodeId(0))), [block(1, 0)]);
    }
}

use std::collections::{BTreeMap, HashMap};

use howdah_proto::BlockId;

use super::PutOutcome;

/// Which blocks are kept: a pure decision over sizes and the order of use.
#[derive(Debug)]
pub(super) struct Lru<T> {
    budget_bytes: u64,
    used_bytes: u64,
    uses: u64,
    entries: HashMap<BlockId, Entry<T>>,
    by_use: BTreeMap<u64, BlockId>,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    bytes: u64,
    last_use: u64,
}

impl<T: Clone> Lru<T> {
    pub(super) fn new(budget_bytes: u64) -> Self {
        Self { budget_bytes, used_bytes: 0, uses: 0, entries: HashMap::new(), by_use: BTreeMap::new() }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    pub(super) fn get(&mut self, id: BlockId) -> Option<T> {
        self.uses += 1;
        let entry = self.entries.get_mut(&id)?;
        self.by_use.remove(&entry.last_use);
        entry.last_use = self.uses;
        self.by_use.insert(self.uses, id);
        Some(entry.value.clone())
    }

    /// Blocks of the same node don't evict each other: a scan over partitions that don't all fit would then
    /// evict each block just before it is used again.
    pub(super) fn put(&mut self, id: BlockId, value: T, bytes: u64) -> PutOutcome {
        self.remove(id);
        let mut evicted = Vec::new();
        let mut to_free = (self.used_bytes + bytes).saturating_sub(self.budget_bytes);
        for candidate in self.by_use.values() {
            if to_free == 0 {
                break;
            }
            if (candidate.context, candidate.node) != (id.context, id.node) {
                to_free = to_free.saturating_sub(self.entries.get(candidate).map_or(0, |entry| entry.bytes));
                evicted.push(*candidate);
            }
        }
        if to_free > 0 {
            return PutOutcome { stored: false, evicted: Vec::new() };
        }
        for id in &evicted {
            self.remove(*id);
        }
        self.uses += 1;
        self.used_bytes += bytes;
        self.by_use.insert(self.uses, id);
        self.entries.insert(id, Entry { value, bytes, last_use: self.uses });
        PutOutcome { stored: true, evicted }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&BlockId) -> bool) {
        let gone: Vec<BlockId> = self.entries.keys().filter(|id| !keep(id)).copied().collect();
        for id in gone {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: BlockId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.by_use.remove(&entry.last_use);
            self.used_bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{ContextId, NodeId, Partition};

    use super::*;

    fn block(node: u32, partition: u32) -> BlockId {
        BlockId { context: ContextId(1), node: NodeId(node), partition: Partition(partition) }
    }

    #[test]
    fn the_least_recently_used_block_of_another_node_leaves_first() {
        let mut lru = Lru::new(30);
        for partition in 0..3 {
            assert!(lru.put(block(0, partition), partition, 10).stored);
        }
        assert_eq!(lru.get(block(0, 0)), Some(0));
        let outcome = lru.put(block(1, 0), 9, 10);
        assert_eq!(outcome, PutOutcome { stored: true, evicted: vec![block(0, 1)] });
        assert_eq!(lru.used_bytes(), 30);
    }

    #[test]
    fn blocks_of_one_node_do_not_evict_each_other() {
        let mut lru = Lru::new(25);
        assert!(lru.put(block(0, 0), 0, 10).stored);
        assert!(lru.put(block(0, 1), 1, 10).stored);
        assert_eq!(lru.put(block(0, 2), 2, 10), PutOutcome { stored: false, evicted: vec![] });
        assert_eq!(lru.get(block(0, 0)), Some(0));
    }

    #[test]
    fn a_block_larger_than_the_budget_is_not_kept_and_evicts_nothing() {
        let mut lru = Lru::new(25);
        assert!(lru.put(block(0, 0), 0, 10).stored);
        assert_eq!(lru.put(block(1, 0), 1, 26), PutOutcome { stored: false, evicted: vec![] });
        assert_eq!(lru.used_bytes(), 10);
    }

    #[test]
    fn putting_a_block_again_replaces_it() {
        let mut lru = Lru::new(25);
        lru.put(block(0, 0), 0, 20);
        assert!(lru.put(block(0, 0), 1, 25).stored);
        assert_eq!((lru.get(block(0, 0)), lru.used_bytes()), (Some(1), 25));
        lru.retain(|_| false);
        assert_eq!((lru.get(block(0, 0)), lru.used_bytes()), (None, 0));
    }
}

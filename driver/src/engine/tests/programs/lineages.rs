use std::hash::{DefaultHasher, Hash, Hasher};

use howdah_proto::{
    NodeId, Partition,
    lineage::{Inputs, Lineage, Node, NodeKind, Order, Partitioner, Reshape, Shuffle, StorageLevel, to_wire},
    pb,
};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

/// A lineage, and the right value of each partition of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Program {
    pub(super) lineage: Lineage,
    values: Vec<Vec<u64>>,
}

/// The value of a partition stands for its records: it shows what they were made of.
pub(super) fn made_of(node: NodeId, partition: Partition, inputs: &[u64]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (node, partition, inputs).hash(&mut hasher);
    hasher.finish()
}

impl Program {
    pub(super) fn random(random: &mut StdRng) -> Self {
        let mut program = Self::default();
        for _ in 0..random.random_range(3..12) {
            program.add_random(random);
        }
        program
    }

    pub(super) fn add(&mut self, kind: NodeKind, parents: &[u32], partitions: u32) -> NodeId {
        let id = NodeId(self.lineage.len() as u32);
        let parents = parents.iter().copied().map(NodeId).collect();
        self.lineage.define(id, Node { kind, parents, partitions, persist: None }).unwrap();
        let values = (0..partitions).map(|partition| self.made(id, Partition(partition))).collect();
        self.values.push(values);
        id
    }

    fn made(&self, id: NodeId, partition: Partition) -> u64 {
        let inputs = match self.lineage.inputs(id, partition).unwrap() {
            Inputs::None => Vec::new(),
            Inputs::Narrow(inputs) => inputs.iter().map(|(node, at)| self.value(*node, *at)).collect(),
            Inputs::Shuffled(parent) => self.values[parent.0 as usize].clone(),
        };
        made_of(id, partition, &inputs)
    }

    fn add_random(&mut self, random: &mut StdRng) {
        let count = self.lineage.len() as u32;
        let any = |random: &mut StdRng| random.random_range(0..count.max(1));
        let partitions = |node: u32| self.lineage.get(NodeId(node)).map_or(0, |node| node.partitions);
        let first = any(random);
        let alike: Vec<u32> = (0..count).filter(|other| partitions(*other) == partitions(first)).collect();
        let id = match random.random_range(0..10) {
            _ if count == 0 => self.add(source(), &[], random.random_range(1..5)),
            0 => self.add(source(), &[], random.random_range(1..5)),
            1 | 2 => self.add(NodeKind::Reshape(Reshape::Pairs), &[first], partitions(first)),
            3 if partitions(first) < 8 => {
                let second = any(random);
                let both = partitions(first) + partitions(second);
                self.add(NodeKind::Union, &[first, second], both)
            }
            4 => {
                let other = *alike.choose(random).unwrap();
                self.add(NodeKind::Zip, &[first, other], partitions(first))
            }
            5 => self.add(NodeKind::Coalesce, &[first], partitions(first).div_ceil(2)),
            _ => self.add(shuffle(), &[first], random.random_range(1..4)),
        };
        if random.random_bool(0.3) {
            let twice = random.random_bool(0.5);
            let level = if twice { StorageLevel::MEMORY.twice() } else { StorageLevel::MEMORY };
            self.lineage.persist(id, Some(level));
        }
    }

    pub(super) fn value(&self, node: NodeId, partition: Partition) -> u64 {
        self.values[node.0 as usize][partition.0 as usize]
    }

    pub(super) fn partitions(&self, node: NodeId) -> u32 {
        self.lineage.get(node).unwrap().partitions
    }

    pub(super) fn nodes(&self) -> Vec<pb::Node> {
        pb::Lineage::from(&self.lineage).nodes
    }

    pub(super) fn any_node(&self, random: &mut StdRng) -> NodeId {
        NodeId(random.random_range(0..self.lineage.len() as u32))
    }

    /// The last node is asked for most: everything is behind it.
    pub(super) fn likely_node(&self, random: &mut StdRng) -> NodeId {
        if random.random_bool(0.5) { NodeId(self.lineage.len() as u32 - 1) } else { self.any_node(random) }
    }

    /// The node as a checkpoint leaves it: its partitions are read from files.
    pub(super) fn checkpoint(&mut self, node: NodeId) -> pb::Node {
        let former = self.lineage.get(node).unwrap();
        let kind = NodeKind::Saved { folder: "/saved".to_owned() };
        let saved =
            Node { kind, parents: Vec::new(), partitions: former.partitions, persist: former.persist };
        self.lineage.define(node, saved).unwrap();
        to_wire(node, self.lineage.get(node).unwrap())
    }
}

pub(super) fn source() -> NodeKind {
    NodeKind::Range { start: 0, end: 10, step: 1 }
}

pub(super) fn shuffle() -> NodeKind {
    NodeKind::Shuffle(Shuffle { partitioner: Partitioner::Hash, combiner: None, order: Order::Arrival })
}

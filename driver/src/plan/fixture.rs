//! Small lineages of two partitions for tests.

use howdah_proto::{
    NodeId,
    lineage::{Lineage, Node, NodeKind, Order, Partitioner, Reshape, Shuffle},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Source,
    Narrow,
    Zip,
    Shuffled,
}

/// A lineage of nodes with these kinds and parents.
pub(crate) fn lineage(nodes: &[(Kind, &[u32])]) -> Lineage {
    let mut lineage = Lineage::new();
    for (id, (kind, parents)) in (0..).zip(nodes) {
        let kind = match kind {
            Kind::Source => NodeKind::Range { start: 0, end: 10, step: 1 },
            Kind::Narrow => NodeKind::Reshape(Reshape::Pairs),
            Kind::Zip => NodeKind::Zip,
            Kind::Shuffled => NodeKind::Shuffle(Shuffle {
                partitioner: Partitioner::Hash,
                combiner: None,
                order: Order::Arrival,
            }),
        };
        let parents = parents.iter().copied().map(NodeId).collect();
        lineage.define(NodeId(id), Node { kind, parents, partitions: 2, persist: None }).unwrap();
    }
    lineage
}

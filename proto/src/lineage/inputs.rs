use super::{Lineage, Node, NodeKind};
use crate::{NodeId, Partition};

/// What a partition of a node is computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// Nothing: the node is a source.
    None,
    /// These partitions of parents, in this order.
    Narrow(Vec<(NodeId, Partition)>),
    /// All partitions of a parent, through a shuffle.
    Shuffled(NodeId),
}

impl Lineage {
    /// What a partition of a node is computed from; none if there is no such node or partition.
    pub fn inputs(&self, id: NodeId, partition: Partition) -> Option<Inputs> {
        let node = self.get(id)?;
        if node.partitions > 0 && partition.0 >= node.partitions {
            return None;
        }
        let same = |parents: &[NodeId]| parents.iter().map(|parent| (*parent, partition)).collect();
        Some(match &node.kind {
            NodeKind::Files | NodeKind::Range { .. } | NodeKind::Collection(_) | NodeKind::Saved { .. } => {
                Inputs::None
            }
            NodeKind::Operator(_)
            | NodeKind::Reshape(_)
            | NodeKind::Sample { .. }
            | NodeKind::Split { .. }
            | NodeKind::ZipWithIndex { .. }
            | NodeKind::Zip
            | NodeKind::Combine { .. }
            | NodeKind::Partial { .. }
            | NodeKind::Group(_) => Inputs::Narrow(same(&node.parents)),
            NodeKind::Shuffle(_) => Inputs::Shuffled(*node.parents.first()?),
            NodeKind::Union => Inputs::Narrow(vec![self.in_union(node, partition)?]),
            NodeKind::Cartesian => {
                let [left, right] = node.parents[..] else { return None };
                let width = self.get(right)?.partitions.max(1);
                let (row, column) = (partition.0 / width, partition.0 % width);
                Inputs::Narrow(vec![(left, Partition(row)), (right, Partition(column))])
            }
            NodeKind::Coalesce => {
                let parent = *node.parents.first()?;
                let (from, to) = (u64::from(self.get(parent)?.partitions), u64::from(node.partitions.max(1)));
                let first = u64::from(partition.0) * from / to;
                let end = (u64::from(partition.0) + 1) * from / to;
                Inputs::Narrow((first..end).map(|place| (parent, Partition(place as u32))).collect())
            }
        })
    }

    fn in_union(&self, union: &Node, partition: Partition) -> Option<(NodeId, Partition)> {
        let mut place = partition.0;
        for parent in &union.parents {
            let partitions = self.get(*parent)?.partitions;
            if place < partitions {
                return Some((*parent, Partition(place)));
            }
            place -= partitions;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(kind: NodeKind, parents: &[u32], partitions: u32) -> Lineage {
        let mut lineage = Lineage::new();
        let range = |partitions| Node {
            kind: NodeKind::Range { start: 0, end: 9, step: 1 },
            parents: vec![],
            partitions,
            persist: None,
        };
        lineage.define(NodeId(0), range(2)).unwrap();
        lineage.define(NodeId(1), range(3)).unwrap();
        let parents = parents.iter().copied().map(NodeId).collect();
        lineage.define(NodeId(2), Node { kind, parents, partitions, persist: None }).unwrap();
        lineage
    }

    fn all(lineage: &Lineage) -> Vec<Vec<(u32, u32)>> {
        let partitions = lineage.get(NodeId(2)).unwrap().partitions;
        let inputs = (0..partitions).map(|partition| lineage.inputs(NodeId(2), Partition(partition)));
        let narrow = inputs.map(|inputs| match inputs {
            Some(Inputs::Narrow(inputs)) => inputs.iter().map(|(node, place)| (node.0, place.0)).collect(),
            other => panic!("{other:?}"),
        });
        narrow.collect()
    }

    #[test]
    fn a_union_has_the_partitions_of_all_parents() {
        let union = lineage(NodeKind::Union, &[0, 1, 0], 7);
        let expected = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (0, 0), (0, 1)];
        assert_eq!(all(&union), expected.map(|input| vec![input]));
        assert_eq!(union.inputs(NodeId(2), Partition(7)), None);
    }

    #[test]
    fn a_cartesian_product_has_each_pair_of_partitions() {
        let product = lineage(NodeKind::Cartesian, &[0, 1], 6);
        assert_eq!(all(&product)[4], [(0, 1), (1, 1)]);
    }

    #[test]
    fn coalesced_partitions_take_each_parent_partition_once() {
        let coalesced = lineage(NodeKind::Coalesce, &[1], 2);
        assert_eq!(all(&coalesced), [vec![(1, 0)], vec![(1, 1), (1, 2)]]);
    }
}

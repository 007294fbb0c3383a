use super::{Group, Lineage, Node, NodeKind, Partitioner};
use crate::{NodeId, WireError};

/// The most partitions that a node may have.
pub const MAX_PARTITIONS: u32 = 10_000_000;

impl Lineage {
    /// Checks that a node can stand at a place: its parents are before it, as many as its kind takes, and its
    /// partitions follow from theirs.
    pub(super) fn check(&self, id: NodeId, node: &Node) -> Result<(), WireError> {
        if id.0 as usize > self.len() {
            let reason = format!("node {id} can't follow {} nodes", self.len());
            return Err(WireError::invalid("lineage.nodes.id", reason));
        }
        let wrong = |reason: String| Err(WireError::invalid("lineage.nodes", format!("node {id}: {reason}")));
        if node.parents.iter().any(|parent| *parent >= id) {
            return wrong("a parent doesn't stand before it".to_owned());
        }
        let parents: Vec<&Node> = node.parents.iter().filter_map(|parent| self.get(*parent)).collect();
        if parents.len() != node.parents.len() {
            return wrong("a parent doesn't exist".to_owned());
        }
        let takes = parents_of(&node.kind);
        if !takes.contains(&parents.len()) {
            return wrong(format!("it has {} parents", parents.len()));
        }
        let counts: Vec<u64> = parents.iter().map(|parent| u64::from(parent.partitions)).collect();
        let expected = match &node.kind {
            NodeKind::Collection(slices) => Some(slices.len() as u64),
            NodeKind::ZipWithIndex { first } if counts != [first.len() as u64] => {
                return wrong(format!("it counts {} partitions, its parent has {counts:?}", first.len()));
            }
            NodeKind::Union => Some(counts.iter().sum()),
            NodeKind::Cartesian => Some(counts.iter().product()),
            NodeKind::Zip | NodeKind::Group(_) => {
                if counts.iter().any(|count| Some(count) != counts.first()) {
                    return wrong(format!("its parents have different numbers of partitions: {counts:?}"));
                }
                counts.first().copied()
            }
            NodeKind::Shuffle(shuffle) => {
                if let Partitioner::Range { bounds, .. } = &shuffle.partitioner
                    && bounds.len() as u64 + 1 > u64::from(node.partitions.max(1))
                {
                    return wrong(format!("{} bounds are too many for its partitions", bounds.len()));
                }
                None
            }
            NodeKind::Files | NodeKind::Range { .. } | NodeKind::Saved { .. } => None,
            NodeKind::Coalesce if counts.iter().all(|count| *count >= u64::from(node.partitions)) => None,
            NodeKind::Coalesce => return wrong("it has more partitions than its parent".to_owned()),
            _ => counts.first().copied(),
        };
        if expected.is_some_and(|expected| expected != u64::from(node.partitions)) {
            return wrong(format!("it has {} partitions, not {expected:?}", node.partitions));
        }
        if node.partitions > MAX_PARTITIONS {
            return wrong(format!("more than {MAX_PARTITIONS} partitions"));
        }
        match &node.kind {
            NodeKind::Range { step: 0, .. } => wrong("its step is 0".to_owned()),
            NodeKind::Sample { fraction, with_replacement, .. }
                if !(fraction.is_finite() && *fraction >= 0.0 && (*with_replacement || *fraction <= 1.0)) =>
            {
                wrong(format!("it can't choose a fraction of {fraction}"))
            }
            NodeKind::Split { from, to, .. } if !(0.0 <= *from && from <= to && *to <= 1.0) => {
                wrong(format!("it can't choose from {from} to {to}"))
            }
            _ => Ok(()),
        }
    }
}

/// How many parents a kind of node takes.
fn parents_of(kind: &NodeKind) -> std::ops::RangeInclusive<usize> {
    match kind {
        NodeKind::Files | NodeKind::Range { .. } | NodeKind::Collection(_) | NodeKind::Saved { .. } => 0..=0,
        NodeKind::Union => 0..=usize::MAX,
        NodeKind::Zip | NodeKind::Cartesian => 2..=2,
        NodeKind::Group(group) => match group {
            Group::Values | Group::Distinct => 1..=1,
            Group::Cogroup => 2..=16,
            Group::InnerJoin
            | Group::LeftOuterJoin
            | Group::RightOuterJoin
            | Group::FullOuterJoin
            | Group::Intersection
            | Group::Subtract => 2..=2,
        },
        NodeKind::Operator(_)
        | NodeKind::Reshape(_)
        | NodeKind::Sample { .. }
        | NodeKind::Split { .. }
        | NodeKind::ZipWithIndex { .. }
        | NodeKind::Coalesce
        | NodeKind::Combine { .. }
        | NodeKind::Partial { .. }
        | NodeKind::Shuffle(_) => 1..=1,
    }
}

use std::collections::BTreeSet;

use howdah_proto::{
    NodeId, Partition,
    lineage::{Inputs, Lineage},
};

/// A partition of a persisted node.
pub type Kept = (NodeId, Partition);

/// A way through more partitions than these isn't followed: to know where they lie would cost more than it gains.
const MOST_STEPS: usize = 10_000;

/// The partitions of persisted nodes that a partition can be computed from, nearest first. Those behind a partition
/// that `is_kept` says is kept aren't needed.
pub fn kept_on_the_way(
    lineage: &Lineage,
    (node, partition): Kept,
    is_kept: impl Fn(Kept) -> bool,
) -> Vec<Kept> {
    let mut found = Vec::new();
    let mut waiting = vec![(node, partition)];
    let mut steps = 0;
    while let Some((id, partition)) = waiting.pop() {
        steps += 1;
        let Some(node) = lineage.get(id).filter(|_| steps <= MOST_STEPS) else { break };
        if node.persist.is_some() {
            found.push((id, partition));
            if is_kept((id, partition)) {
                continue;
            }
        }
        if let Some(Inputs::Narrow(inputs)) = lineage.inputs(id, partition) {
            waiting.extend(inputs.into_iter().rev());
        }
    }
    found
}

/// Whether computing a partition anew reads a shuffle.
pub fn leads_to(lineage: &Lineage, from: Kept, shuffle: NodeId) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut waiting = vec![from];
    while let Some((id, partition)) = waiting.pop().filter(|_| seen.len() <= MOST_STEPS) {
        if id == shuffle {
            return true;
        }
        if let Some(Inputs::Narrow(inputs)) = lineage.inputs(id, partition) {
            waiting.extend(inputs.into_iter().filter(|input| seen.insert(*input)));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use howdah_proto::lineage::StorageLevel;

    use super::*;
    use crate::plan::fixture::{Kind, lineage};

    #[test]
    fn the_nearest_kept_partition_hides_those_behind_it() {
        let mut lineage = lineage(&[(Kind::Source, &[]), (Kind::Narrow, &[0]), (Kind::Narrow, &[1])]);
        lineage.persist(NodeId(0), Some(StorageLevel::MEMORY));
        lineage.persist(NodeId(1), Some(StorageLevel::DISK));
        let at = |node, partition| (NodeId(node), Partition(partition));
        assert_eq!(kept_on_the_way(&lineage, at(2, 1), |_| false), [at(1, 1), at(0, 1)]);
        assert_eq!(kept_on_the_way(&lineage, at(2, 1), |kept| kept == at(1, 1)), [at(1, 1)]);
    }

    #[test]
    fn a_partition_leads_to_the_first_shuffles_behind_it() {
        let lineage = lineage(&[
            (Kind::Source, &[]),
            (Kind::Shuffled, &[0]),
            (Kind::Shuffled, &[1]),
            (Kind::Narrow, &[2]),
        ]);
        let leads = |to| leads_to(&lineage, (NodeId(3), Partition(1)), NodeId(to));
        assert_eq!([0, 1, 2].map(leads), [false, false, true]);
    }

    #[test]
    fn the_way_ends_at_a_shuffle() {
        let mut lineage = lineage(&[(Kind::Source, &[]), (Kind::Shuffled, &[0]), (Kind::Narrow, &[1])]);
        lineage.persist(NodeId(0), Some(StorageLevel::MEMORY));
        assert_eq!(kept_on_the_way(&lineage, (NodeId(2), Partition(0)), |_| false), []);
    }
}

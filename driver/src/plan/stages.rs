use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{
    NodeId,
    lineage::{Lineage, NodeKind},
};

/// What the tasks of a stage leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// Map outputs of the shuffle with this node, on their executors.
    Shuffle(NodeId),
    /// Results, which go to the driver.
    Result,
}

/// A stage of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The node that its tasks compute.
    pub node: NodeId,
    /// What they leave behind.
    pub goal: Goal,
    /// The places in the plan of the stages whose map outputs it reads.
    pub parents: Vec<usize>,
    /// The persisted nodes that its tasks may find kept, the last first.
    pub persisted: Vec<NodeId>,
}

/// The stages that give a node, parents before children; the last one gives the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The stages.
    pub stages: Vec<Planned>,
}

impl Plan {
    /// Plans the way to a node. Nothing is planned behind a node all of whose partitions are kept, which
    /// `is_kept` says.
    ///
    /// It costs a visit to each node on the way, in a loop: a lineage may be long.
    pub fn to(lineage: &Lineage, node: NodeId, is_kept: impl Fn(NodeId) -> bool) -> Self {
        let mut found = BTreeMap::new();
        let mut waiting = vec![(Goal::Result, node)];
        while let Some((goal, node)) = waiting.pop() {
            if found.contains_key(&goal) {
                continue;
            }
            let walked = walk(lineage, node, &is_kept);
            waiting.extend(walked.shuffles.iter().filter_map(|shuffle| {
                let parent = lineage.get(*shuffle)?.parents.first()?;
                Some((Goal::Shuffle(*shuffle), *parent))
            }));
            found.insert(goal, (node, walked));
        }
        // Shuffles stand in the order of their nodes, which is one in which parents come first; the result is last.
        let places: BTreeMap<Goal, usize> = found.keys().copied().zip(0..).collect();
        let stages = found.into_iter().map(|(goal, (node, walked))| {
            let parents = walked.shuffles.iter().filter_map(|shuffle| places.get(&Goal::Shuffle(*shuffle)));
            Planned { node, goal, parents: parents.copied().collect(), persisted: walked.persisted }
        });
        Self { stages: stages.collect() }
    }
}

/// What a walk back from a node to sources, shuffles and kept nodes has met.
#[derive(Debug)]
struct Walked {
    shuffles: BTreeSet<NodeId>,
    persisted: Vec<NodeId>,
}

fn walk(lineage: &Lineage, from: NodeId, is_kept: impl Fn(NodeId) -> bool) -> Walked {
    let mut walked = Walked { shuffles: BTreeSet::new(), persisted: Vec::new() };
    let mut seen = BTreeSet::from([from]);
    let mut waiting = vec![from];
    while let Some(id) = waiting.pop() {
        let Some(node) = lineage.get(id) else { continue };
        if node.persist.is_some() {
            walked.persisted.push(id);
            if is_kept(id) {
                continue;
            }
        }
        if let NodeKind::Shuffle(_) = node.kind {
            walked.shuffles.insert(id);
            continue;
        }
        waiting.extend(node.parents.iter().filter(|parent| seen.insert(**parent)));
    }
    walked.persisted.sort_unstable_by(|one, other| other.cmp(one));
    walked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Kind, lineage};
    use Kind::{Narrow, Shuffled, Source};

    fn parents(plan: &Plan) -> Vec<(u32, Vec<usize>)> {
        plan.stages.iter().map(|stage| (stage.node.0, stage.parents.clone())).collect()
    }

    #[test]
    fn narrow_transformations_are_one_stage() {
        let lineage = lineage(&[(Source, &[]), (Narrow, &[0]), (Narrow, &[1])]);
        let plan = Plan::to(&lineage, NodeId(2), |_| false);
        assert_eq!(parents(&plan), [(2, vec![])]);
        assert_eq!(plan.stages[0].goal, Goal::Result);
    }

    #[test]
    fn a_stage_ends_at_each_shuffle() {
        let lineage =
            lineage(&[(Source, &[]), (Shuffled, &[0]), (Narrow, &[1]), (Shuffled, &[2]), (Narrow, &[3])]);
        let plan = Plan::to(&lineage, NodeId(4), |_| false);
        assert_eq!(parents(&plan), [(0, vec![]), (2, vec![0]), (4, vec![1])]);
    }

    #[test]
    fn a_shuffle_that_is_used_twice_is_computed_once() {
        let lineage =
            lineage(&[(Source, &[]), (Shuffled, &[0]), (Narrow, &[1]), (Narrow, &[1]), (Kind::Zip, &[2, 3])]);
        let plan = Plan::to(&lineage, NodeId(4), |_| false);
        assert_eq!(parents(&plan), [(0, vec![]), (4, vec![0])]);
    }

    #[test]
    fn two_shuffled_sides_are_two_parents() {
        let lineage = lineage(&[
            (Source, &[]),
            (Source, &[]),
            (Shuffled, &[0]),
            (Shuffled, &[1]),
            (Kind::Zip, &[2, 3]),
        ]);
        let plan = Plan::to(&lineage, NodeId(4), |_| false);
        assert_eq!(parents(&plan), [(0, vec![]), (1, vec![]), (4, vec![0, 1])]);
    }

    #[test]
    fn nothing_is_planned_behind_a_kept_node() {
        let mut lineage = lineage(&[(Source, &[]), (Shuffled, &[0]), (Narrow, &[1]), (Narrow, &[2])]);
        lineage.persist(NodeId(2), Some(howdah_proto::lineage::StorageLevel::MEMORY));
        let plan = Plan::to(&lineage, NodeId(3), |node| node == NodeId(2));
        assert_eq!(parents(&plan), [(3, vec![])]);
        let plan = Plan::to(&lineage, NodeId(3), |_| false);
        assert_eq!(parents(&plan), [(0, vec![]), (3, vec![0])]);
        assert_eq!(plan.stages[1].persisted, [NodeId(2)]);
    }

    #[test]
    fn a_hundred_thousand_nodes_are_planned_without_recursion() {
        let mut nodes: Vec<(Kind, Vec<u32>)> = vec![(Source, vec![])];
        nodes.extend(
            (0..100_000).map(|parent| (if parent % 100 == 0 { Shuffled } else { Narrow }, vec![parent])),
        );
        let nodes: Vec<(Kind, &[u32])> = nodes.iter().map(|(kind, parents)| (*kind, &parents[..])).collect();
        let plan = Plan::to(&lineage(&nodes), NodeId(100_000), |_| false);
        assert_eq!(plan.stages.len(), 1001);
    }
}

use std::collections::BTreeMap;

use howdah_proto::{NodeId, pb};

/// Which partitions are where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// How many partitions there could be.
    pub of: u32,
    /// How many each executor has, by its name.
    pub at: Vec<(String, u32)>,
}

/// What a cluster keeps of a lineage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The kept partitions of persisted nodes.
    pub blocks: BTreeMap<NodeId, Places>,
    /// The map outputs of shuffles.
    pub outputs: BTreeMap<NodeId, Places>,
}

impl From<&pb::ContextDescription> for Kept {
    fn from(description: &pb::ContextDescription) -> Self {
        Self { blocks: places(&description.kept), outputs: places(&description.outputs) }
    }
}

fn places(nodes: &[pb::KeptNode]) -> BTreeMap<NodeId, Places> {
    let place = |node: &pb::KeptNode| {
        let at = node.at.iter().map(|at| (at.executor.clone(), at.partitions)).collect();
        (NodeId(node.node), Places { of: node.partitions, at })
    };
    nodes.iter().map(place).collect()
}

impl std::fmt::Display for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.at.iter().all(|(_, partitions)| *partitions == 0) {
            return write!(f, "none of {}", self.of);
        }
        for (place, (executor, partitions)) in self.at.iter().enumerate() {
            write!(f, "{}{partitions} on {executor}", if place == 0 { "" } else { ", " })?;
        }
        write!(f, ", of {}", self.of)
    }
}

//! Lineage as data: a flat list of nodes that any executor can compute again.

mod check;
mod inputs;
mod node;
mod partitioner;
mod wire;

use std::sync::Arc;

use crate::{NodeId, WireError};

pub use check::MAX_PARTITIONS;
pub use inputs::Inputs;
pub use node::{
    Copies, Group, Node, NodeKind, OperatorSpec, Order, Reshape, Shuffle, Slice, StorageLevel, StoragePlace,
};
pub use partitioner::Partitioner;
pub use wire::{from_wire, to_wire};

/// A lineage that has been checked: every parent stands before its child. A copy shares its nodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lineage {
    nodes: Vec<Arc<Node>>,
}

impl Lineage {
    /// Makes an empty lineage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source of listed pictures.
    pub fn files(&mut self) -> NodeId {
        self.push(Node { kind: NodeKind::Files, parents: Vec::new(), partitions: 0, persist: None })
    }

    /// Adds an operator over the records of `parent`.
    pub fn operator(&mut self, parent: NodeId, operator: OperatorSpec) -> NodeId {
        let partitions = self.get(parent).map_or(0, |node| node.partitions);
        self.push(Node {
            kind: NodeKind::Operator(operator),
            parents: vec![parent],
            partitions,
            persist: None,
        })
    }

    /// Sets how the computed partitions of a node are kept.
    pub fn persist(&mut self, node: NodeId, level: Option<StorageLevel>) {
        if let Some(node) = self.nodes.get_mut(node.0 as usize) {
            Arc::make_mut(node).persist = level;
        }
    }

    /// Adds the next node, or puts another in the place of one that is there.
    ///
    /// # Errors
    /// [`WireError`] if the node doesn't follow the last one, or can't be computed from its parents.
    pub fn define(&mut self, id: NodeId, node: Node) -> Result<(), WireError> {
        self.check(id, &node)?;
        match self.nodes.get_mut(id.0 as usize) {
            Some(place) => *place = Arc::new(node),
            None => self.nodes.push(Arc::new(node)),
        }
        Ok(())
    }

    /// The node with this id.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize).map(|node| &**node)
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The way from a source to `node` along first parents, source first; empty if there is no such node.
    pub fn path_to(&self, node: NodeId) -> Vec<NodeId> {
        let mut path = Vec::new();
        let mut next = Some(node);
        while let Some(id) = next {
            let Some(node) = self.get(id) else { break };
            path.push(id);
            next = node.parents.first().copied();
        }
        path.reverse();
        path
    }

    /// The source at the end of the way along first parents; none if there is no such node.
    pub fn source_of(&self, node: NodeId) -> Option<&Node> {
        let mut node = self.get(node)?;
        while let Some(parent) = node.parents.first().and_then(|parent| self.get(*parent)) {
            node = parent;
        }
        Some(node)
    }

    /// Adds a node, which must have been checked.
    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(Arc::new(node));
        NodeId(self.nodes.len() as u32 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb;

    fn operator(name: &str) -> OperatorSpec {
        OperatorSpec { name: name.to_owned(), version: 1, params: serde_json::json!({"a": 1}) }
    }

    #[test]
    fn a_lineage_survives_the_wire() {
        let mut lineage = Lineage::new();
        let files = lineage.files();
        let decoded = lineage.operator(files, operator("decode"));
        lineage.persist(decoded, Some(StorageLevel::MEMORY.twice()));
        let back = Lineage::try_from(pb::Lineage::from(&lineage)).unwrap();
        assert_eq!(back, lineage);
        assert_eq!(back.path_to(decoded), vec![files, decoded]);
    }

    #[test]
    fn a_lineage_of_a_hundred_thousand_nodes_does_not_recurse() {
        let mut lineage = Lineage::new();
        let mut last = lineage.files();
        for _ in 0..100_000 {
            last = lineage.operator(last, operator("decode"));
        }
        let back = Lineage::try_from(pb::Lineage::from(&lineage)).unwrap();
        assert_eq!(back.path_to(last).len(), 100_001);
    }

    #[test]
    fn a_parent_that_does_not_stand_before_its_child_is_refused() {
        let mut wire = pb::Lineage::from(&{
            let mut lineage = Lineage::new();
            let files = lineage.files();
            lineage.operator(files, operator("decode"));
            lineage
        });
        wire.nodes[1].parents = vec![1];
        assert!(Lineage::try_from(wire.clone()).is_err());
        wire.nodes[1].parents = vec![];
        assert!(Lineage::try_from(wire).is_err());
    }
}

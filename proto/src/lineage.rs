//! Lineage as data: a flat list of nodes that any executor can compute again.

use serde::{Deserialize, Serialize};

use crate::{NodeId, WireError, pb, required};

/// An operator as it is shipped and as a model file records it: looked up by name and version where it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorSpec {
    /// The name under which the operator is registered.
    #[serde(rename = "operator")]
    pub name: String,
    /// The version of its behaviour.
    pub version: u32,
    /// Its parameters, a JSON object.
    #[serde(default)]
    pub params: serde_json::Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Pictures as the driver listed them; a partition's share arrives with the task.
    Files,
    /// An operator over the records of the node's only parent.
    Operator(OperatorSpec),
}

/// A node of a lineage.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where its records come from.
    pub parent: Option<NodeId>,
    /// Whether its computed partitions are kept in the block store.
    pub persist: bool,
}

/// A lineage that has been checked: every parent stands before its child.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lineage {
    nodes: Vec<Node>,
}

impl Lineage {
    /// Makes an empty lineage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source of listed pictures.
    pub fn files(&mut self) -> NodeId {
        self.push(Node { kind: NodeKind::Files, parent: None, persist: false })
    }

    /// Adds an operator over the records of `parent`.
    pub fn operator(&mut self, parent: NodeId, operator: OperatorSpec) -> NodeId {
        self.push(Node { kind: NodeKind::Operator(operator), parent: Some(parent), persist: false })
    }

    /// Keeps the computed partitions of a node in the block store.
    pub fn persist(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(node.0 as usize) {
            node.persist = true;
        }
    }

    /// The node with this id.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The way from a source to `node`, source first; empty if there is no such node.
    pub fn path_to(&self, node: NodeId) -> Vec<NodeId> {
        let mut path = Vec::new();
        let mut next = Some(node);
        while let Some(id) = next {
            let Some(node) = self.get(id) else { break };
            path.push(id);
            next = node.parent;
        }
        path.reverse();
        path
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }
}

impl From<&Lineage> for pb::Lineage {
    fn from(lineage: &Lineage) -> Self {
        let nodes = lineage.nodes.iter().enumerate().map(|(id, node)| pb::Node {
            id: id as u32,
            parents: node.parent.iter().map(|parent| parent.0).collect(),
            persist: node.persist,
            kind: Some(match &node.kind {
                NodeKind::Files => pb::node::Kind::Files(pb::FilesSource {}),
                NodeKind::Operator(operator) => pb::node::Kind::Operator(pb::Operator {
                    name: operator.name.clone(),
                    version: operator.version,
                    params: operator.params.to_string(),
                }),
            }),
        });
        Self { nodes: nodes.collect() }
    }
}

impl TryFrom<pb::Lineage> for Lineage {
    type Error = WireError;

    fn try_from(message: pb::Lineage) -> Result<Self, WireError> {
        let mut lineage = Self::new();
        for (place, node) in message.nodes.into_iter().enumerate() {
            if node.id as usize != place {
                return Err(WireError::invalid(
                    "lineage.nodes.id",
                    format!("node {} stands at {place}", node.id),
                ));
            }
            let parent = match node.parents[..] {
                [] => None,
                [parent] if (parent as usize) < place => Some(NodeId(parent)),
                _ => {
                    return Err(WireError::invalid(
                        "lineage.nodes.parents",
                        format!("those of node {place}"),
                    ));
                }
            };
            let kind = match required(node.kind, "lineage.nodes.kind")? {
                pb::node::Kind::Files(_) => NodeKind::Files,
                pb::node::Kind::Operator(operator) => NodeKind::Operator(OperatorSpec {
                    name: operator.name,
                    version: operator.version,
                    params: serde_json::from_str(&operator.params)
                        .map_err(|error| WireError::invalid("lineage.nodes.operator.params", error))?,
                }),
            };
            if matches!(kind, NodeKind::Files) != parent.is_none() {
                return Err(WireError::invalid(
                    "lineage.nodes.parents",
                    format!("node {place}: a source has no parent, an operator has one"),
                ));
            }
            lineage.push(Node { kind, parent, persist: node.persist });
        }
        Ok(lineage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(name: &str) -> OperatorSpec {
        OperatorSpec { name: name.to_owned(), version: 1, params: serde_json::json!({"a": 1}) }
    }

    #[test]
    fn a_lineage_survives_the_wire() {
        let mut lineage = Lineage::new();
        let files = lineage.files();
        let decoded = lineage.operator(files, operator("decode"));
        lineage.persist(decoded);
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

use std::collections::BTreeSet;

use bytes::Bytes;
use howdah_proto::{
    NodeId, ObjectId, WireError,
    lineage::{Lineage, Node, StorageLevel, to_wire},
    pb,
};

/// The nodes of a context, and which of them the driver lacks.
#[derive(Debug, Default)]
pub(in crate::rdd) struct Graph {
    lineage: Lineage,
    /// The nodes in the order in which they were defined; one that was defined again stands here again.
    changes: Vec<NodeId>,
    /// How many changes the driver has.
    told: usize,
    objects: Vec<(ObjectId, Bytes)>,
    last_object: u64,
}

/// What the driver lacks.
#[derive(Debug, Default)]
pub(in crate::rdd) struct Parcel {
    pub(in crate::rdd) objects: Vec<(ObjectId, Bytes)>,
    pub(in crate::rdd) nodes: Vec<pb::Node>,
    changes: usize,
}

impl Graph {
    /// The nodes.
    pub(in crate::rdd) fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Adds a node.
    pub(in crate::rdd) fn add(&mut self, node: Node) -> Result<NodeId, WireError> {
        let id = NodeId(self.lineage.len() as u32);
        self.define(id, node)?;
        Ok(id)
    }

    /// Puts a node in the place of another.
    pub(in crate::rdd) fn define(&mut self, id: NodeId, node: Node) -> Result<(), WireError> {
        self.lineage.define(id, node)?;
        self.changes.push(id);
        Ok(())
    }

    /// Changes how a node is kept.
    pub(in crate::rdd) fn persist(&mut self, id: NodeId, level: Option<StorageLevel>) {
        if self.lineage.get(id).is_some_and(|node| node.persist != level) {
            self.lineage.persist(id, level);
            self.changes.push(id);
        }
    }

    /// Gives bytes a name; they travel with the next parcel.
    pub(in crate::rdd) fn object(&mut self, bytes: Bytes) -> ObjectId {
        let id = self.next_object();
        self.objects.push((id, bytes));
        id
    }

    /// A name for bytes that the caller sends.
    pub(in crate::rdd) fn next_object(&mut self) -> ObjectId {
        self.last_object += 1;
        ObjectId(self.last_object)
    }

    /// What the driver lacks.
    pub(in crate::rdd) fn parcel(&self) -> Parcel {
        let mut seen = BTreeSet::new();
        let news = self.changes[self.told..].iter().filter(|id| seen.insert(**id));
        let nodes = news.filter_map(|id| Some(to_wire(*id, self.lineage.get(*id)?))).collect();
        Parcel { objects: self.objects.clone(), nodes, changes: self.changes.len() }
    }

    /// The driver has got an object: it doesn't take one twice.
    pub(in crate::rdd) fn has_object(&mut self, object: ObjectId) {
        self.objects.retain(|(id, _)| *id != object);
    }

    /// The driver has got the nodes of a parcel; parcels go one after the other.
    pub(in crate::rdd) fn has_nodes(&mut self, parcel: &Parcel) {
        self.told = parcel.changes;
    }
}

impl Parcel {
    pub(in crate::rdd) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.nodes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use howdah_proto::lineage::NodeKind;

    fn range(partitions: u32) -> Node {
        let kind = NodeKind::Range { start: 0, end: 9, step: 1 };
        Node { kind, parents: vec![], partitions, persist: None }
    }

    fn ids(graph: &Graph) -> Vec<u32> {
        graph.parcel().nodes.iter().map(|node| node.id).collect()
    }

    #[test]
    fn the_driver_gets_each_change_once() {
        let mut graph = Graph::default();
        let first = graph.add(range(1)).unwrap();
        graph.add(range(2)).unwrap();
        graph.persist(first, Some(StorageLevel::MEMORY));
        assert_eq!(ids(&graph), [0, 1]);
        let parcel = graph.parcel();
        assert!(parcel.nodes[0].persist.is_some());
        graph.persist(first, None);
        graph.has_nodes(&parcel);
        assert_eq!(ids(&graph), [0]);
        graph.persist(first, None);
        let parcel = graph.parcel();
        graph.has_nodes(&parcel);
        assert!(graph.parcel().is_empty());
    }

    #[test]
    fn objects_wait_until_they_are_delivered() {
        let mut graph = Graph::default();
        let first = graph.object(Bytes::from("a"));
        let parcel = graph.parcel();
        let second = graph.object(Bytes::from("b"));
        assert_ne!(first, second);
        graph.has_object(parcel.objects[0].0);
        assert_eq!(graph.parcel().objects, [(second, Bytes::from("b"))]);
    }
}

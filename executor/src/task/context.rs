use std::{collections::HashMap, sync::Arc};

use howdah_proto::{
    ContextId, MemberId, NodeId, Partition, WireError,
    lineage::{Lineage, from_wire},
    pb,
};

/// What an executor has been told of a context. A copy shares what it holds, so that each task has its own.
#[derive(Debug, Clone)]
pub struct ContextView {
    /// The context.
    pub context: ContextId,
    /// How its partitions are computed.
    pub lineage: Lineage,
    /// Where the map outputs of its shuffles are.
    pub outputs: HashMap<NodeId, Arc<OutputPlaces>>,
}

/// Where the map outputs of a shuffle are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPlaces {
    holders: Vec<Holder>,
    /// For each map partition its holder; beyond them if it is nowhere.
    places: Vec<u32>,
}

/// An executor that has map outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who it is.
    pub member: MemberId,
    /// Where it is reached.
    pub address: String,
}

impl ContextView {
    /// Makes the view of a context that nothing is known of.
    pub fn new(context: ContextId) -> Self {
        Self { context, lineage: Lineage::new(), outputs: HashMap::new() }
    }

    /// Takes nodes of the lineage.
    ///
    /// # Errors
    /// [`WireError`], naming the node.
    pub fn put_nodes(&mut self, nodes: Vec<pb::Node>) -> Result<(), WireError> {
        for node in nodes {
            let (id, node) = from_wire(node)?;
            self.lineage.define(id, node)?;
        }
        Ok(())
    }

    /// Takes where the map outputs of a shuffle are.
    pub fn put_outputs(&mut self, message: pb::PutMapOutputs) {
        let holder =
            |holder: pb::OutputHolder| Holder { member: MemberId(holder.member_id), address: holder.address };
        let holders = message.holders.into_iter().map(holder).collect();
        let places = OutputPlaces { holders, places: message.places };
        self.outputs.insert(NodeId(message.shuffle), Arc::new(places));
    }
}

impl OutputPlaces {
    /// The number of map partitions.
    pub fn partitions(&self) -> u32 {
        self.places.len() as u32
    }

    /// The map partitions with their holders; none for one that is nowhere.
    pub fn iter(&self) -> impl Iterator<Item = (Partition, Option<&Holder>)> {
        let places = (0..).map(Partition).zip(&self.places);
        places.map(|(partition, place)| (partition, self.holders.get(*place as usize)))
    }
}

use howdah_executor::task::Holder;
use howdah_proto::{
    BlockId, MemberId, NodeId, Partition,
    lineage::{Inputs, NodeKind},
    pb,
};

use super::{
    cluster::Cluster,
    lineages::made_of,
    process::{Process, Running},
};

/// A task's computation on an executor that finds what is there, and fails as a real one does.
pub(super) struct Computation<'a> {
    cluster: &'a Cluster,
    here: MemberId,
    running: &'a Running,
    /// The blocks that it computed or fetched to be kept.
    pub(super) kept: Vec<(BlockId, u64)>,
}

impl<'a> Computation<'a> {
    pub(super) fn new(cluster: &'a Cluster, here: MemberId, running: &'a Running) -> Self {
        Self { cluster, here, running, kept: Vec::new() }
    }

    pub(super) fn value(&mut self, node: NodeId, partition: Partition) -> Result<u64, pb::FetchFailed> {
        let view = &self.running.view;
        let known = view.lineage.get(node).expect("a node that it has not been told of");
        let id = BlockId { context: view.context, node, partition };
        if known.persist.is_some()
            && let Some(value) = self.kept_block(id)
        {
            return Ok(value);
        }
        let value = match view.lineage.inputs(node, partition).unwrap() {
            Inputs::None if matches!(known.kind, NodeKind::Saved { .. }) => {
                self.cluster.programs[&view.context].value(node, partition)
            }
            Inputs::None => made_of(node, partition, &[]),
            Inputs::Narrow(inputs) => {
                let mut values = Vec::new();
                for (node, partition) in inputs {
                    values.push(self.value(node, partition)?);
                }
                made_of(node, partition, &values)
            }
            Inputs::Shuffled(_) => made_of(node, partition, &self.fetch(node)?),
        };
        if known.persist.is_some() {
            self.kept.push((id, value));
        }
        Ok(value)
    }

    fn kept_block(&mut self, id: BlockId) -> Option<u64> {
        if let Some(value) = self.cluster.processes[&self.here].blocks.get(&id) {
            return Some(*value);
        }
        let holds = |place: &&pb::BlockPlace| (place.node, place.partition) == (id.node.0, id.partition.0);
        let mut peers =
            self.running.task.places.iter().filter(holds).filter_map(|place| self.peer(&place.address));
        let value = *peers.find_map(|peer| peer.blocks.get(&id))?;
        self.kept.push((id, value));
        Some(value)
    }

    fn fetch(&self, shuffle: NodeId) -> Result<Vec<u64>, pb::FetchFailed> {
        let view = &self.running.view;
        let failed =
            |at: MemberId, partitions| pb::FetchFailed { shuffle: shuffle.0, member_id: at.0, partitions };
        let Some(places) = view.outputs.get(&shuffle) else { return Err(failed(MemberId(0), vec![])) };
        let nowhere = places.iter().filter(|(_, holder)| holder.is_none()).map(|(map, _)| map.0);
        let nowhere: Vec<u32> = nowhere.collect();
        if !nowhere.is_empty() {
            return Err(failed(MemberId(0), nowhere));
        }
        let output = |map: Partition, holder: &Holder| {
            self.peer(&holder.address)?.outputs.get(&(view.context, shuffle, map)).copied()
        };
        let (mut values, mut missing) = (Vec::new(), Vec::<(MemberId, u32)>::new());
        for (map, holder) in places.iter().filter_map(|(map, holder)| Some((map, holder?))) {
            match output(map, holder) {
                Some(value) => values.push(value),
                None => missing.push((holder.member, map.0)),
            }
        }
        match missing.first() {
            None => Ok(values),
            Some((at, _)) => {
                let there = missing.iter().filter(|(other, _)| other == at).map(|(_, map)| *map);
                Err(failed(*at, there.collect()))
            }
        }
    }

    fn peer(&self, address: &str) -> Option<&'a Process> {
        self.cluster.processes.values().find(|process| process.address == address && !process.hangs)
    }
}

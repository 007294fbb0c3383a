use std::collections::BTreeMap;

use howdah_proto::{ContextId, MemberId, NodeId, Partition, pb};

/// Where the map outputs of a shuffle are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapOutputs {
    /// Changes with each change.
    version: u64,
    holders: Vec<Option<MemberId>>,
}

impl MapOutputs {
    /// Makes the outputs of so many map partitions, of which there is none yet.
    pub fn new(partitions: u32) -> Self {
        Self { version: 1, holders: vec![None; partitions as usize] }
    }

    /// Counts the changes.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The number of map partitions.
    pub fn partitions(&self) -> u32 {
        self.holders.len() as u32
    }

    /// Who has the output of a map partition.
    pub fn holder(&self, partition: Partition) -> Option<MemberId> {
        self.holders.get(partition.0 as usize).copied().flatten()
    }

    /// Notes that an executor has the output of a map partition.
    pub fn store(&mut self, partition: Partition, executor: MemberId) {
        if let Some(holder) = self.holders.get_mut(partition.0 as usize) {
            *holder = Some(executor);
            self.version += 1;
        }
    }

    /// Forgets the output of a map partition, if it is this executor that has it.
    pub fn forget(&mut self, partition: Partition, executor: MemberId) {
        if let Some(holder) =
            self.holders.get_mut(partition.0 as usize).filter(|holder| **holder == Some(executor))
        {
            *holder = None;
            self.version += 1;
        }
    }

    /// Forgets all outputs that an executor has.
    pub fn forget_executor(&mut self, executor: MemberId) {
        for holder in self.holders.iter_mut().filter(|holder| **holder == Some(executor)) {
            *holder = None;
            self.version += 1;
        }
    }

    /// How many outputs each executor has.
    pub fn counts(&self) -> BTreeMap<MemberId, u32> {
        let mut counts = BTreeMap::new();
        for holder in self.holders.iter().flatten() {
            *counts.entry(*holder).or_default() += 1;
        }
        counts
    }

    /// Tells an executor where the outputs are; an output that is nowhere has no place.
    pub fn to_wire(
        &self,
        context: ContextId,
        shuffle: NodeId,
        address: impl Fn(MemberId) -> Option<String>,
    ) -> pb::PutMapOutputs {
        let mut known = BTreeMap::new();
        let mut holders = Vec::new();
        let places = self.holders.iter().map(|holder| {
            let Some(holder) = holder else { return u32::MAX };
            *known.entry(*holder).or_insert_with(|| match address(*holder) {
                Some(address) => {
                    holders.push(pb::OutputHolder { member_id: holder.0, address });
                    holders.len() as u32 - 1
                }
                None => u32::MAX,
            })
        });
        let places = places.collect();
        pb::PutMapOutputs { context_id: context.0, shuffle: shuffle.0, holders, places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_forgotten_only_where_it_is() {
        let mut outputs = MapOutputs::new(3);
        outputs.store(Partition(0), MemberId(1));
        outputs.store(Partition(2), MemberId(2));
        outputs.forget(Partition(0), MemberId(2));
        assert_eq!(outputs.holder(Partition(0)), Some(MemberId(1)));
        let version = outputs.version();
        outputs.forget_executor(MemberId(1));
        assert!(outputs.version() > version);
        assert_eq!(outputs.counts(), BTreeMap::from([(MemberId(2), 1)]));
    }

    #[test]
    fn executors_are_told_where_each_output_is() {
        let mut outputs = MapOutputs::new(3);
        outputs.store(Partition(0), MemberId(7));
        outputs.store(Partition(2), MemberId(7));
        let wire = outputs.to_wire(ContextId(1), NodeId(4), |member| Some(format!("http://{member}")));
        assert_eq!(wire.places, [0, u32::MAX, 0]);
        assert_eq!(wire.holders, [pb::OutputHolder { member_id: 7, address: "http://7".to_owned() }]);
    }
}

use std::ops::Range;

use howdah_proto::{Partition, pb};

use super::save::set_bytes;
use crate::train::TrainJob;

impl TrainJob {
    /// How many of the pictures in a range of the listing may still turn out to be usable.
    pub(in crate::train) fn expected(&self, range: &Range<usize>) -> u64 {
        let left_out = self.prepared.iter().flat_map(|manifest| &manifest.left_out);
        let known = left_out.filter_map(|left| left.picture);
        let missing = known.filter(|picture| range.contains(&(*picture as usize))).count();
        range.len().saturating_sub(missing) as u64
    }

    /// The places of the shards that have pictures of a range of the listing; none if nothing was prepared before.
    pub(in crate::train) fn shards_of(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let shards = &self.prepared.as_ref()?.shards;
        let first = shards.partition_point(|shard| shard.last < range.start as u64);
        let end = shards.partition_point(|shard| shard.first < range.end as u64);
        Some(first..end.max(first))
    }

    /// Which rows of which shards the block of a partition is made of, if it was prepared before.
    pub fn prepared_block(&self, partition: Partition) -> Option<pb::PreparedBlock> {
        let manifest = self.prepared.as_ref()?;
        let range = self.pictures.cut.as_ref().map_or(0..0, |cut| cut.files(partition));
        let shards = manifest.shards.get(self.shards_of(&range)?).unwrap_or_default();
        Some(pb::PreparedBlock {
            set: set_bytes(&manifest.set).into(),
            classes: self.pictures.classes.len() as u32,
            first_key: range.start as u64,
            end_key: range.end as u64,
            // A manifest with a shard that can't be was refused when it was read.
            shards: shards.iter().filter_map(|shard| Some((&shard.info()?).into())).collect(),
        })
    }
}

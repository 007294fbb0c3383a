use std::ops::Range;

use howdah_proto::{WireError, pb};

use super::{SetId, ShardError, ShardInfo, decode};
use crate::rdd::Samples;

/// A block that is made of the rows of a prepared set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedBlock {
    set: SetId,
    classes: u32,
    keys: Range<u64>,
    shards: Vec<ShardInfo>,
}

impl PreparedBlock {
    /// Checks what the driver sends for a task with so many files.
    ///
    /// # Errors
    /// [`WireError`], naming the field.
    pub fn from_wire(message: pb::PreparedBlock, files: usize) -> Result<Self, WireError> {
        if message.shards.len() != files {
            return Err(WireError::invalid("prepared.shards", "as many as there are files"));
        }
        let shards = message.shards.into_iter().map(ShardInfo::try_from);
        Ok(Self {
            set: SetId::try_from(&message.set[..])?,
            classes: message.classes,
            keys: message.first_key..message.end_key,
            shards: shards.collect::<Result<_, _>>()?,
        })
    }

    /// How many pictures it has at most.
    pub fn most_pictures(&self) -> usize {
        let room = usize::try_from(self.keys.end.saturating_sub(self.keys.start)).unwrap_or(usize::MAX);
        let there = self.shards.iter().fold(0, |sum: u64, shard| sum.saturating_add(shard.header.pictures));
        room.min(usize::try_from(there).unwrap_or(usize::MAX))
    }

    /// Adds the pictures of one of its files to the block: those whose keys are wanted.
    ///
    /// # Errors
    /// [`ShardError`].
    pub fn take(&self, place: usize, file: &[u8], samples: &mut Samples) -> Result<(), ShardError> {
        let info = self.shards.get(place).ok_or(ShardError::Pictures)?;
        let shard = decode(file, self.set, info, self.classes)?;
        let before = |end: u64| {
            let below = |picture: &usize| shard.key(*picture).is_some_and(|key| key < end);
            (0..shard.len()).take_while(below).count()
        };
        let wanted = before(self.keys.start)..before(self.keys.end);
        Ok(samples.append(&shard, wanted)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            encode,
            shard::tests::{SET, samples},
        },
        *,
    };

    #[test]
    fn a_block_has_the_rows_of_its_keys_wherever_shards_begin() {
        let whole = samples(&[1, 2, 4, 5, 6, 9]);
        for (first_key, end_key, wanted) in
            [(0, 10, vec![1, 2, 4, 5, 6, 9]), (2, 6, vec![2, 4, 5]), (3, 4, vec![])]
        {
            let files: Vec<_> =
                [0..2, 2..3, 3..6].iter().map(|cut| encode(SET, &whole, cut).unwrap()).collect();
            let shards = files.iter().map(|(_, info)| info.into()).collect();
            let message =
                pb::PreparedBlock { set: SET.0.to_vec().into(), classes: 3, first_key, end_key, shards };
            let block = PreparedBlock::from_wire(message, 3).unwrap();
            let mut got = Samples::with_capacity(block.most_pictures());
            for (place, (file, _)) in files.iter().enumerate() {
                block.take(place, file, &mut got).unwrap();
            }
            assert_eq!(got, samples(&wanted));
            assert!(block.take(3, &files[0].0, &mut got).is_err());
            assert!(block.take(1, &files[0].0, &mut got).is_err());
        }
        assert!(PreparedBlock::from_wire(pb::PreparedBlock::default(), 0).is_err());
        let message = pb::PreparedBlock { set: SET.0.to_vec().into(), ..Default::default() };
        assert!(PreparedBlock::from_wire(message, 1).is_err());
    }
}

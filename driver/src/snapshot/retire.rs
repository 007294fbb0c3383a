use std::collections::BTreeMap;

use howdah_paramserver::client::ShardMarks;
use howdah_proto::{Epoch, Partition, Step, fence::TrainTask};

/// Decides which epochs all shards forget the marks of before a snapshot, so that its images have forgotten the same:
/// those up to `wanted`, if every shard has them whole, else those that some shard has forgotten before. `steps` tells
/// how many steps each partition has.
///
/// A shard may have less than a snapshot that became durable: it was made anew of the one before meanwhile, or a standby
/// took over that lacks what its primary had not acknowledged. What it lacks of an epoch that it forgets would count as
/// done.
///
/// # Errors
/// [`Lacking`] if a shard has not whole what another has forgotten.
pub fn retirable(
    shards: &[ShardMarks],
    steps: &BTreeMap<Partition, u64>,
    wanted: Epoch,
) -> Result<Epoch, Lacking> {
    let before = shards.iter().map(|shard| shard.retired).max().unwrap_or_default();
    let wanted = wanted.max(before);
    match lacking(shards, steps, wanted) {
        None => Ok(wanted),
        Some(_) => lacking(shards, steps, before).map_or(Ok(before), Err),
    }
}

/// An epoch of which a shard lacks steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard} lacks steps of epoch {epoch}, which are computed again at the end of the present one")]
pub struct Lacking {
    /// The shard, by its place among those asked.
    pub shard: usize,
    /// The epoch.
    pub epoch: Epoch,
}

fn lacking(shards: &[ShardMarks], steps: &BTreeMap<Partition, u64>, up_to: Epoch) -> Option<Lacking> {
    let of_shard = |(index, shard): (usize, &ShardMarks)| {
        let whole = |epoch: Epoch| {
            steps.iter().all(|(partition, steps)| {
                let task = TrainTask { epoch, partition: *partition };
                *steps == 0 || shard.marks.get(&task).is_some_and(|mark| *mark >= Step(*steps))
            })
        };
        let epoch = (shard.retired.0 + 1..=up_to.0).map(Epoch).find(|epoch| !whole(*epoch))?;
        Some(Lacking { shard: index, epoch })
    };
    shards.iter().enumerate().find_map(of_shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(retired: u32, marks: &[(u32, u32, u64)]) -> ShardMarks {
        let mark = |(epoch, partition, step): &(u32, u32, u64)| {
            (TrainTask { epoch: Epoch(*epoch), partition: Partition(*partition) }, Step(*step))
        };
        ShardMarks {
            marks: marks.iter().map(mark).collect(),
            retired: Epoch(retired),
            ..ShardMarks::default()
        }
    }

    fn retired(shards: &[ShardMarks], wanted: u32) -> Result<u32, Lacking> {
        let steps = BTreeMap::from([(Partition(0), 4), (Partition(1), 3), (Partition(2), 0)]);
        retirable(shards, &steps, Epoch(wanted)).map(|epoch| epoch.0)
    }

    #[test]
    fn an_epoch_is_forgotten_when_every_shard_has_it_whole() {
        let whole = shard(0, &[(1, 0, 4), (1, 1, 3), (2, 0, 1)]);
        assert_eq!(retired(&[whole.clone(), whole.clone()], 1), Ok(1));
        assert_eq!(retired(&[whole.clone(), whole.clone()], 0), Ok(0));
        assert_eq!(retired(&[shard(1, &[]), whole], 1), Ok(1));
    }

    #[test]
    fn a_shard_that_was_made_of_an_older_snapshot_forgets_nothing_that_it_lacks() {
        let whole = shard(0, &[(1, 0, 4), (1, 1, 3)]);
        for behind in [shard(0, &[(1, 0, 4), (1, 1, 2)]), shard(0, &[(1, 0, 4)])] {
            assert_eq!(retired(&[whole.clone(), behind], 1), Ok(0));
        }
    }

    #[test]
    fn shards_that_have_forgotten_different_epochs_become_alike_or_are_not_saved() {
        let ahead = shard(2, &[(3, 0, 1)]);
        let behind = shard(1, &[(2, 0, 4), (2, 1, 3)]);
        assert_eq!(retired(&[ahead.clone(), behind], 1), Ok(2));
        let lacking = retired(&[ahead, shard(1, &[(2, 0, 4)])], 3).unwrap_err();
        assert_eq!((lacking.shard, lacking.epoch), (1, Epoch(2)));
    }
}

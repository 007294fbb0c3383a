use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::{JobId, settings::UpdateRule};
use tonic::Status;

use super::{
    cell::{ShardCell, ShardKey},
    refusal::refusal,
};

/// The shards of a parameter server.
#[derive(Debug, Default)]
pub(super) struct Table {
    cells: Mutex<BTreeMap<ShardKey, Arc<ShardCell>>>,
}

impl Table {
    /// Makes a shard. Making the same one again is fine, so that a lost answer does no harm.
    pub(super) fn create(&self, key: ShardKey, range: Range<u64>, rule: UpdateRule) -> Result<(), Status> {
        match self.cells().entry(key) {
            Entry::Occupied(there) if there.get().range == range && there.get().rule == rule => Ok(()),
            Entry::Occupied(there) => Err(Status::already_exists(format!(
                "{key} exists with the values {:?} and the rule {:?}",
                there.get().range,
                there.get().rule,
            ))),
            Entry::Vacant(place) => {
                let cell = ShardCell::new(key, range, rule).map_err(|error| refusal(key, error))?;
                place.insert(Arc::new(cell));
                Ok(())
            }
        }
    }

    pub(super) fn find(&self, key: ShardKey) -> Result<Arc<ShardCell>, Status> {
        let cell = self.cells().get(&key).cloned();
        cell.ok_or_else(|| Status::not_found(format!("{key} is not on this parameter server")))
    }

    /// Drops the shards of a job. Requests that are under way finish on what they hold.
    pub(super) fn drop_job(&self, job: JobId) {
        self.cells().retain(|key, _| key.job != job);
    }

    /// Drops all shards. Requests that are under way finish on what they hold.
    pub(super) fn clear(&self) {
        self.cells().clear();
    }

    pub(super) fn bytes(&self) -> u64 {
        self.cells().values().map(|cell| cell.bytes()).sum()
    }

    // A panic can't leave the map half changed, so a poisoned lock is as good as a whole one.
    fn cells(&self) -> MutexGuard<'_, BTreeMap<ShardKey, Arc<ShardCell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::ShardIndex;

    use super::*;

    #[test]
    fn no_shard_outlives_the_driver_that_it_was_made_for() {
        let table = Table::default();
        let key = ShardKey { job: JobId(1), shard: ShardIndex(0) };
        table.create(key, 0..8, UpdateRule::Sum).unwrap();
        assert!(table.find(key).is_ok());
        table.clear();
        assert!(table.find(key).is_err());
        // Another job of that number starts anew.
        table.create(key, 0..4, UpdateRule::Sum).unwrap();
    }
}

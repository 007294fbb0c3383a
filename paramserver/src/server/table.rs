use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::{JobId, ShardIndex, Term};
use tokio::sync::Notify;
use tonic::Status;

use super::{
    cell::{ShardCell, ShardKey},
    kept::Kept,
    terms::{Role, Standing, moved},
};

/// The shards of a parameter server.
#[derive(Debug, Default)]
pub(super) struct Table {
    shards: Mutex<Shards>,
    /// Wakes whoever waits for shards to go, after each that went.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Shards {
    here: BTreeMap<ShardKey, Arc<ShardCell>>,
    /// Those that were dropped because others are in their place, and of which term these are at least.
    gone: BTreeMap<ShardKey, Term>,
}

/// Whether a new shard may take the place of one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    /// It is there already: a lost answer does no harm.
    Same,
}

fn place(there: &ShardCell, is: Standing, new: &ShardCell, wanted: Standing) -> Result<Place, Status> {
    let key = new.key;
    if wanted.term > is.term || (is.role != Role::Primary && wanted == is) {
        Ok(Place::Free)
    } else if wanted == is && there.range == new.range && there.spec == new.spec {
        Ok(Place::Same)
    } else if wanted.term == is.term && wanted.role == is.role {
        Err(Status::already_exists(format!(
            "{key} exists with the values {:?} and the spec {:?}",
            there.range, there.spec,
        )))
    } else {
        Err(moved(format!("{key} is in term {} here, which term {} can't replace", is.term, wanted.term)))
    }
}

impl Table {
    /// Puts a shard in the place of an older term, and gives the one that serves from then on.
    pub(super) async fn put(
        self: &Arc<Self>,
        new: ShardCell,
        wanted: Standing,
    ) -> Result<Arc<ShardCell>, Status> {
        let new = Arc::new(new);
        loop {
            let Some(there) = self.get(new.key) else {
                if self.swap(None, &new, wanted.term)? {
                    return Ok(new);
                }
                continue;
            };
            let (table, old, next) = (Arc::clone(self), Arc::clone(&there), Arc::clone(&new));
            // All at once: what was promoted meanwhile isn't replaced, and nobody promotes what was.
            let replace = move |is: &mut Standing, _: &Kept| table.replace(&old, is, next, wanted);
            if let Some(serves) = there.stand(replace).await? {
                return Ok(serves);
            }
        }
    }

    /// Puts `new` in the place of `old` if it may take it, and gives the one that serves from then on; none if `old` isn't
    /// there any more. Must be called under the lock of `old`.
    fn replace(
        &self,
        old: &Arc<ShardCell>,
        is: &mut Standing,
        new: Arc<ShardCell>,
        wanted: Standing,
    ) -> Result<Option<Arc<ShardCell>>, Status> {
        match place(old, *is, &new, wanted) {
            Ok(Place::Same) => return Ok(Some(Arc::clone(old))),
            Ok(Place::Free) => {}
            // It is a standby that was dropped meanwhile.
            Err(_) if !self.has(old) => return Ok(None),
            Err(refused) => return Err(refused),
        }
        if !self.swap(Some(old), &new, wanted.term)? {
            return Ok(None);
        }
        old.give_way(is);
        Ok(Some(new))
    }

    /// Puts `new` in the place of `old`, if that is what is there.
    fn swap(&self, old: Option<&Arc<ShardCell>>, new: &Arc<ShardCell>, wanted: Term) -> Result<bool, Status> {
        let Shards { here, gone } = &mut *self.shards();
        match (here.entry(new.key), old) {
            (Entry::Vacant(place), None) => {
                // A request that comes late must not bring back what was dropped.
                if gone.get(&new.key).is_some_and(|newer| wanted < *newer) {
                    return Err(moved(format!("{} had gone from here before term {wanted} came", new.key)));
                }
                place.insert(Arc::clone(new));
                Ok(true)
            }
            (Entry::Occupied(mut there), Some(old)) if Arc::ptr_eq(there.get(), old) => {
                there.insert(Arc::clone(new));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    pub(super) fn get(&self, key: ShardKey) -> Option<Arc<ShardCell>> {
        self.shards().here.get(&key).cloned()
    }

    fn has(&self, cell: &Arc<ShardCell>) -> bool {
        self.get(cell.key).is_some_and(|there| Arc::ptr_eq(&there, cell))
    }

    pub(super) fn find(&self, key: ShardKey) -> Result<Arc<ShardCell>, Status> {
        let shards = self.shards();
        let missing = || {
            if shards.gone.contains_key(&key) {
                moved(format!("{key} has gone to another parameter server"))
            } else {
                Status::not_found(format!("{key} is not on this parameter server"))
            }
        };
        shards.here.get(&key).cloned().ok_or_else(missing)
    }

    pub(super) fn of_job(&self, job: JobId) -> Vec<Arc<ShardCell>> {
        self.shards().here.values().filter(|cell| cell.key.job == job).cloned().collect()
    }

    /// Drops the shards of a job that others have replaced: those of older terms than the one that is served now, or
    /// than all that are if none of them has the number. Whoever asks for one afterwards is told that it has moved.
    pub(super) async fn drop_replaced(
        self: &Arc<Self>,
        job: JobId,
        served: &BTreeMap<ShardIndex, Term>,
    ) -> Result<(), Status> {
        let Some(oldest) = served.values().min() else { return Ok(()) };
        let mut dropped = Ok(());
        for cell in self.of_job(job) {
            let newer = served.get(&cell.key.shard).unwrap_or(oldest);
            let newer = *newer;
            // One that is broken doesn't keep the others.
            dropped = dropped.and(self.drop_if(cell, newer, move |is| is.term < newer).await);
        }
        dropped
    }

    /// Removes a shard that others are in the place of, of this term at least, if it is what is there.
    fn remove(&self, cell: &Arc<ShardCell>, newer: Term) -> bool {
        let Shards { here, gone } = &mut *self.shards();
        match here.entry(cell.key) {
            Entry::Occupied(there) if Arc::ptr_eq(there.get(), cell) => {
                there.remove();
                gone.insert(cell.key, newer);
                true
            }
            _ => false,
        }
    }

    /// Drops a standby that its primary goes on without. It stays if it began in a later pairing, or has become primary.
    pub(super) async fn drop_standby(
        self: &Arc<Self>,
        key: ShardKey,
        term: Term,
        pairing: u64,
    ) -> Result<(), Status> {
        let Some(cell) = self.get(key).filter(|cell| cell.pairing <= pairing) else { return Ok(()) };
        self.drop_if(cell, term, move |is| is == Standing { term, role: Role::Standby }).await
    }

    /// Drops a shard that others are in the place of, of the term `newer` at least, if that is right for what it is here.
    async fn drop_if(
        self: &Arc<Self>,
        cell: Arc<ShardCell>,
        newer: Term,
        is_right: impl FnOnce(Standing) -> bool + Send + 'static,
    ) -> Result<(), Status> {
        let (table, there) = (Arc::clone(self), Arc::clone(&cell));
        // All at once: nobody promotes what isn't there any more, or finds here what has stepped down.
        let drop = move |is: &mut Standing, _: &Kept| {
            if is_right(*is) && table.remove(&there, newer) {
                there.give_way(is);
                table.gone.notify_waiters();
            }
            Ok(())
        };
        cell.stand(drop).await
    }

    /// Drops the shards of a job. Requests that are under way finish on what they hold.
    pub(super) fn drop_job(&self, job: JobId) {
        {
            let Shards { here, gone } = &mut *self.shards();
            here.retain(|key, _| key.job != job);
            gone.retain(|key, _| key.job != job);
        }
        self.gone.notify_waiters();
    }

    /// Drops all shards. Requests that are under way finish on what they hold.
    pub(super) fn clear(&self) {
        *self.shards() = Shards::default();
        self.gone.notify_waiters();
    }

    /// Waits until no shard is served from here: all have ended, or others serve them.
    pub(super) async fn unused(&self) {
        loop {
            let gone = self.gone.notified();
            if !self.serves().await {
                return;
            }
            gone.await;
        }
    }

    async fn serves(&self) -> bool {
        let cells: Vec<_> = self.shards().here.values().cloned().collect();
        for cell in cells {
            // One that is broken serves nobody.
            if cell.standing().await.is_ok_and(|standing| standing.role == Role::Primary) {
                return true;
            }
        }
        false
    }

    pub(super) fn bytes(&self) -> u64 {
        self.shards().here.values().map(|cell| cell.bytes()).sum()
    }

    // A panic can't leave the maps half changed, so a poisoned lock is as good as a whole one.
    fn shards(&self) -> MutexGuard<'_, Shards> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

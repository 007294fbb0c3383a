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
        is.role = Role::Former;
        old.link.give_up(format!("{} was replaced", old.key));
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
        &self,
        job: JobId,
        served: &BTreeMap<ShardIndex, Term>,
    ) -> Result<(), Status> {
        let Some(oldest) = served.values().min() else { return Ok(()) };
        let mut dropped = Ok(());
        for cell in self.of_job(job) {
            let newer = served.get(&cell.key.shard).unwrap_or(oldest);
            // One that is broken doesn't keep the others.
            dropped = dropped.and(self.drop_older(&cell, *newer).await);
        }
        dropped
    }

    async fn drop_older(&self, cell: &Arc<ShardCell>, newer: Term) -> Result<(), Status> {
        if cell.standing().await?.term < newer && self.remove(cell, newer) {
            self.gone.notify_waiters();
            dismiss(Arc::clone(cell)).await?;
        }
        Ok(())
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
        let (table, there) = (Arc::clone(self), Arc::clone(&cell));
        // All at once: nobody promotes what isn't there any more, or finds here what has stepped down.
        let drop = move |standing: &mut Standing, _: &Kept| {
            if *standing == (Standing { term, role: Role::Standby }) && table.remove(&there, term) {
                standing.role = Role::Former;
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

/// Tells whoever holds a shard still that it has gone. It is told to the end, even if whoever dropped it is gone: nobody
/// finds the shard any more.
async fn dismiss(cell: Arc<ShardCell>) -> Result<(), Status> {
    let key = cell.key;
    let dismissed = tokio::spawn(async move {
        cell.step_down(cell.standing().await?.term).await?;
        cell.link.give_up(format!("{key} was replaced"));
        Ok(())
    });
    dismissed.await.map_err(|_| Status::internal(format!("{key} broke while it was replaced")))?
}

#[cfg(test)]
mod tests {
    use std::{ops::Range, time::Duration};

    use super::*;
    use crate::{
        server::{
            cell::Access,
            terms::{Claim, is_moved},
        },
        shard::fixture::SPEC,
    };

    const KEY: ShardKey = ShardKey { job: JobId(1), shard: ShardIndex(0) };

    async fn put(table: &Arc<Table>, range: Range<u64>, term: u64) -> Result<Arc<ShardCell>, Status> {
        put_at(table, KEY, range, term).await
    }

    async fn put_at(
        table: &Arc<Table>,
        key: ShardKey,
        range: Range<u64>,
        term: u64,
    ) -> Result<Arc<ShardCell>, Status> {
        let standing = Standing { term: Term(term), role: Role::Primary };
        let shard = Kept::new(range.end - range.start, &SPEC).unwrap();
        table.put(ShardCell::new(key, range, SPEC, standing, shard), standing).await
    }

    #[tokio::test]
    async fn no_shard_outlives_the_driver_that_it_was_made_for() {
        let table = Arc::new(Table::default());
        put(&table, 0..8, 1).await.unwrap();
        assert!(table.find(KEY).is_ok());
        table.clear();
        assert!(table.find(KEY).is_err());
        // Another job of that number starts anew.
        put(&table, 0..4, 1).await.unwrap();
    }

    #[tokio::test]
    async fn a_shard_takes_the_place_of_older_terms_only() {
        let table = Arc::new(Table::default());
        let first = put(&table, 0..8, 2).await.unwrap();
        assert!(Arc::ptr_eq(&put(&table, 0..8, 2).await.unwrap(), &first));
        assert_eq!(put(&table, 0..4, 2).await.unwrap_err().code(), tonic::Code::AlreadyExists);
        assert!(is_moved(&put(&table, 0..8, 1).await.unwrap_err()));
        let second = put(&table, 0..4, 3).await.unwrap();
        assert!(Arc::ptr_eq(&table.find(KEY).unwrap(), &second));
        assert_eq!(first.standing().await.unwrap().role, Role::Former);
    }

    #[tokio::test]
    async fn a_shard_that_was_replaced_steps_down_even_if_whoever_replaced_it_is_gone() {
        let table = Arc::new(Table::default());
        let first = put(&table, 0..8, 2).await.unwrap();
        // Somebody reads it meanwhile, and it can't be changed.
        let (reads, is_read) = (tokio::sync::oneshot::channel(), std::sync::mpsc::channel::<()>());
        let (cell, claim) = (Arc::clone(&first), Claim { term: Term(2), role: Role::Primary });
        let read = move |_: &Kept| {
            reads.0.send(()).unwrap();
            is_read.1.recv().unwrap();
            Ok(())
        };
        let reader = tokio::spawn(async move { Access::new(cell, claim).share(read).await });
        reads.1.await.unwrap();
        {
            let mut replaced = std::pin::pin!(put(&table, 0..8, 3));
            assert!(futures::poll!(replaced.as_mut()).is_pending());
        }
        is_read.0.send(()).unwrap();
        reader.await.unwrap().unwrap();
        let stepped_down = async {
            loop {
                let changed = first.changed.notified();
                if first.standing().await.unwrap().role == Role::Former {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), stepped_down).await.unwrap();
        assert_eq!(table.find(KEY).unwrap().standing().await.unwrap().term, Term(3));
    }

    #[test]
    fn a_standby_that_is_promoted_while_another_comes_is_not_replaced() {
        // What waits for the shard waits in line, for the one thread that there is for it.
        let mut one = tokio::runtime::Builder::new_current_thread();
        let runtime = one.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let table = Arc::new(Table::default());
            let standby = || {
                let standing = Standing { term: Term(2), role: Role::Standby };
                let shard = Kept::new(8, &SPEC).unwrap();
                table.put(ShardCell::new(KEY, 0..8, SPEC, standing, shard), standing)
            };
            let first = standby().await.unwrap();
            let (reads, is_read) = (tokio::sync::oneshot::channel(), std::sync::mpsc::channel::<()>());
            let claim = Claim { term: Term(2), role: Role::Standby };
            let read = move |_: &Kept| {
                reads.0.send(()).unwrap();
                is_read.1.recv().unwrap();
                Ok(())
            };
            let access = Access::new(Arc::clone(&first), claim);
            let reader = tokio::spawn(async move { access.share(read).await });
            reads.1.await.unwrap();
            let promote = |standing: &mut Standing, _: &Kept| standing.promote(KEY, Term(3));
            let mut promoted = std::pin::pin!(first.stand(promote));
            let mut replaced = std::pin::pin!(standby());
            assert!(futures::poll!(promoted.as_mut()).is_pending());
            assert!(futures::poll!(replaced.as_mut()).is_pending());
            is_read.0.send(()).unwrap();
            reader.await.unwrap().unwrap();
            promoted.await.unwrap();
            let refused = replaced.await.unwrap_err();
            assert!(is_moved(&refused), "{refused}");
            assert!(Arc::ptr_eq(&table.find(KEY).unwrap(), &first));
            let primary = Standing { term: Term(3), role: Role::Primary };
            assert_eq!(first.standing().await.unwrap(), primary);
        });
    }

    #[tokio::test]
    async fn what_others_have_replaced_goes_and_nothing_that_is_served_or_will_be() {
        let table = Arc::new(Table::default());
        let key = |job, shard| ShardKey { job: JobId(job), shard: ShardIndex(shard) };
        let mut cells = Vec::new();
        for (job, shard, term) in [(1, 0, 5), (1, 1, 2), (1, 2, 6), (1, 3, 4), (1, 4, 7), (2, 0, 1)] {
            cells.push(put_at(&table, key(job, shard), 0..8, term).await.unwrap());
        }
        // The second is served elsewhere, the third is being made anew; there were four shards before, and there will be
        // five.
        let served = [(0, 5), (1, 6), (2, 5)].map(|(shard, term)| (ShardIndex(shard), Term(term))).into();
        for _ in 0..2 {
            table.drop_replaced(JobId(1), &served).await.unwrap();
            let is_there = |cell: &Arc<ShardCell>| table.get(cell.key).is_some();
            assert_eq!(
                cells.iter().map(is_there).collect::<Vec<_>>(),
                [true, false, true, false, true, true]
            );
        }
        assert_eq!(cells[1].standing().await.unwrap().role, Role::Former);
        // An old request that comes late.
        let before = [(ShardIndex(0), Term(1)), (ShardIndex(1), Term(1))].into();
        table.drop_replaced(JobId(1), &before).await.unwrap();
        table.drop_replaced(JobId(1), &BTreeMap::new()).await.unwrap();
        assert!(table.get(key(1, 0)).is_some() && table.get(key(1, 4)).is_some());
    }

    #[tokio::test]
    async fn a_server_is_unused_when_its_shards_have_ended_or_are_served_elsewhere() {
        let table = Arc::new(Table::default());
        table.unused().await;
        let other = ShardKey { job: JobId(2), ..KEY };
        put(&table, 0..8, 2).await.unwrap();
        put_at(&table, other, 0..8, 1).await.unwrap();
        let mut unused = std::pin::pin!(table.unused());
        assert!(futures::poll!(unused.as_mut()).is_pending());
        table.drop_replaced(KEY.job, &[(KEY.shard, Term(3))].into()).await.unwrap();
        assert!(futures::poll!(unused.as_mut()).is_pending());
        table.drop_job(other.job);
        unused.await;
    }

    #[tokio::test]
    async fn a_shard_that_was_dropped_has_moved_and_comes_back_in_the_newer_term_only() {
        let table = Arc::new(Table::default());
        put(&table, 0..8, 2).await.unwrap();
        table.drop_replaced(KEY.job, &[(KEY.shard, Term(4))].into()).await.unwrap();
        assert!(is_moved(&table.find(KEY).unwrap_err()));
        for late in [2, 3] {
            assert!(is_moved(&put(&table, 0..8, late).await.unwrap_err()), "{late}");
        }
        let back = put(&table, 0..8, 4).await.unwrap();
        assert!(Arc::ptr_eq(&table.find(KEY).unwrap(), &back));
        // Another job of that number starts anew.
        table.drop_job(KEY.job);
        assert_eq!(table.find(KEY).unwrap_err().code(), tonic::Code::NotFound);
        put(&table, 0..8, 1).await.unwrap();
    }
}

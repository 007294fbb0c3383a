use std::{
    ops::Range,
    sync::{
        Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
};

use howdah_proto::{
    JobId, ShardIndex, Term,
    settings::{Mode, ShardSpec},
};
use tokio::sync::Notify;
use tonic::Status;

use super::{
    clocks::ClockTable,
    cuts::SavedCuts,
    kept::Kept,
    refusal::refusal,
    replication::Link,
    terms::{Claim, Role, Standing},
};
use crate::shard::ShardError;

/// A change of a shard of this size is made at once, where a thread of its own would take longer to be had.
const SMALL_VALUES: usize = 16 << 10;

/// Which shard of which job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShardKey {
    pub(super) job: JobId,
    pub(super) shard: ShardIndex,
}

impl std::fmt::Display for ShardKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shard {} of job {}", self.shard, self.job)
    }
}

/// A shard behind its lock, with what belongs to it beside.
#[derive(Debug)]
pub(super) struct ShardCell {
    pub(super) key: ShardKey,
    pub(super) range: Range<u64>,
    pub(super) spec: ShardSpec,
    /// Wakes whoever waits for pushes, after each change.
    pub(super) changed: Notify,
    pub(super) clocks: ClockTable,
    pub(super) link: Arc<Link>,
    pub(super) saved: Mutex<SavedCuts>,
    /// In which pairing of its primary it began as a standby.
    pub(super) pairing: u64,
    held: RwLock<Held>,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct Held {
    standing: Standing,
    shard: Kept,
}

/// How long a change takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// It doesn't depend on the number of values.
    Short,
    /// It goes over all values.
    Long,
}

impl ShardCell {
    pub(super) fn new(
        key: ShardKey,
        range: Range<u64>,
        spec: ShardSpec,
        standing: Standing,
        shard: impl Into<Kept>,
    ) -> Self {
        let shard = shard.into();
        Self {
            key,
            range,
            spec,
            changed: Notify::new(),
            clocks: ClockTable::default(),
            link: Arc::new(Link::new(key)),
            saved: Mutex::default(),
            pairing: 0,
            bytes: AtomicU64::new(shard.bytes()),
            held: RwLock::new(Held { standing, shard }),
        }
    }

    /// Whether pushes need no lock.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.spec.mode, Mode::Hogwild { .. })
    }

    /// The number of values in the shard.
    pub(super) fn values(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    /// The bytes of the shard as of its last change.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What this server is to the shard.
    pub(super) async fn standing(self: &Arc<Self>) -> Result<Standing, Status> {
        self.look(|held| held.standing).await
    }

    /// Changes what this server is to the shard.
    pub(super) async fn stand<T: Send + 'static>(
        self: &Arc<Self>,
        decide: impl FnOnce(&mut Standing, &Kept) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        self.alter(Work::Short, |held| decide(&mut held.standing, &held.shard)).await
    }

    /// Changes the shard whatever this server is to it.
    pub(super) async fn touch(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Kept) + Send + 'static,
    ) -> Result<(), Status> {
        let touch = |held: &mut Held| {
            change(&mut held.shard);
            Ok(())
        };
        self.alter(Work::Short, touch).await
    }

    /// Takes no requests any more, as another has its place. Must be called under its lock.
    pub(super) fn give_way(&self, standing: &mut Standing) {
        standing.role = Role::Former;
        self.link.give_up(format!("{} was replaced", self.key));
    }

    /// Takes no requests any more in the term that it is in.
    pub(super) async fn step_down(self: &Arc<Self>, from: Term) -> Result<(), Status> {
        let step_down = move |standing: &mut Standing, _: &Kept| {
            if standing.term == from {
                standing.role = Role::Former;
            }
            Ok(())
        };
        self.stand(step_down).await
    }

    async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Held) -> T + Send + 'static,
    ) -> Result<T, Status> {
        match self.held.try_read() {
            Ok(held) => return Ok(look(&held)),
            Err(TryLockError::Poisoned(_)) => return Err(self.broken()),
            Err(TryLockError::WouldBlock) => {}
        }
        let cell = Arc::clone(self);
        self.aside(move || Ok(look(&*cell.wait_to_read()?))).await
    }

    async fn alter<T: Send + 'static>(
        self: &Arc<Self>,
        work: Work,
        alter: impl FnOnce(&mut Held) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        if work == Work::Short || self.values() <= SMALL_VALUES {
            match self.held.try_write() {
                Ok(mut held) => return self.altered(&mut held, alter),
                Err(TryLockError::Poisoned(_)) => return Err(self.broken()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let cell = Arc::clone(self);
        self.aside(move || cell.altered(&mut *cell.wait_to_write()?, alter)).await
    }

    fn altered<T>(
        &self,
        held: &mut Held,
        alter: impl FnOnce(&mut Held) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let result = alter(held);
        self.bytes.store(held.shard.bytes(), Ordering::Relaxed);
        self.changed.notify_waiters();
        result
    }

    /// Works where waiting doesn't hold up the network.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        tokio::task::spawn_blocking(work).await.map_err(|_| self.broken())?
    }

    fn wait_to_read(&self) -> Result<RwLockReadGuard<'_, Held>, Status> {
        self.held.read().map_err(|_| self.broken())
    }

    fn wait_to_write(&self) -> Result<RwLockWriteGuard<'_, Held>, Status> {
        self.held.write().map_err(|_| self.broken())
    }

    fn broken(&self) -> Status {
        Status::internal(format!("{} broke while it was being changed: restart the server", self.key))
    }
}

impl Drop for ShardCell {
    fn drop(&mut self) {
        self.link.detach();
    }
}

/// A shard as a request speaks of it: in a term, and as primary or standby.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) cell: Arc<ShardCell>,
    claim: Claim,
}

impl Access {
    pub(super) fn new(cell: Arc<ShardCell>, claim: Claim) -> Self {
        Self { cell, claim }
    }

    pub(super) fn term(&self) -> Term {
        self.claim.term
    }

    /// Reads the shard: at once if its lock is free, else where waiting doesn't hold up the network.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Kept) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let (key, claim) = (self.cell.key, self.claim);
        let checked = move |held: &Held| claim.check(key, held.standing).map(|()| look(&held.shard));
        self.cell.look(checked).await?
    }

    /// Changes a shard that others may change at the same time, where that doesn't hold up the network.
    pub(super) async fn share<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Kept) -> Result<T, ShardError> + Send + 'static,
    ) -> Result<T, Status> {
        let (cell, claim) = (Arc::clone(&self.cell), self.claim);
        let shared = move || {
            let held = cell.wait_to_read()?;
            claim.check(cell.key, held.standing)?;
            let result = change(&held.shard).map_err(|error| refusal(cell.key, error));
            cell.changed.notify_waiters();
            result
        };
        self.cell.aside(shared).await
    }

    /// Changes the shard in a way that goes over all values.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Kept) -> Result<T, ShardError> + Send + 'static,
    ) -> Result<T, Status> {
        self.work(Work::Long, change).await
    }

    /// Changes the shard in a way that doesn't depend on the number of values.
    pub(super) async fn touch<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Kept) -> T + Send + 'static,
    ) -> Result<T, Status> {
        self.work(Work::Short, |kept| Ok(change(kept))).await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: Work,
        change: impl FnOnce(&mut Kept) -> Result<T, ShardError> + Send + 'static,
    ) -> Result<T, Status> {
        let (key, claim) = (self.cell.key, self.claim);
        let checked = move |held: &mut Held| {
            claim.check(key, held.standing)?;
            change(&mut held.shard).map_err(|error| refusal(key, error))
        };
        self.cell.alter(work, checked).await
    }
}

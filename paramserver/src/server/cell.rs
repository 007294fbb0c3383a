use std::{
    ops::Range,
    sync::{
        Arc, RwLock, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
};

use howdah_proto::settings::UpdateRule;
use tonic::Status;

use super::refusal::refusal;
use crate::shard::{Shard, ShardError};

/// Which shard of which job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShardKey {
    pub(super) job: howdah_proto::JobId,
    pub(super) shard: howdah_proto::ShardIndex,
}

impl std::fmt::Display for ShardKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shard {} of job {}", self.shard, self.job)
    }
}

/// A shard behind its lock, with what never changes beside it.
#[derive(Debug)]
pub(super) struct ShardCell {
    pub(super) key: ShardKey,
    pub(super) range: Range<u64>,
    pub(super) rule: UpdateRule,
    shard: RwLock<Shard>,
    bytes: AtomicU64,
}

impl ShardCell {
    pub(super) fn new(key: ShardKey, range: Range<u64>, rule: UpdateRule) -> Result<Self, ShardError> {
        let shard = Shard::new(range.end - range.start, &rule)?;
        let bytes = AtomicU64::new(shard.bytes());
        Ok(Self { key, range, rule, shard: RwLock::new(shard), bytes })
    }

    /// The number of values in the shard.
    pub(super) fn values(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    /// The bytes of the shard as of its last change.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Reads the shard: at once if its lock is free, else where waiting doesn't hold up the network.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Shard) -> T + Send + 'static,
    ) -> Result<T, Status> {
        match self.shard.try_read() {
            Ok(shard) => return Ok(look(&shard)),
            Err(TryLockError::Poisoned(_)) => return Err(self.broken()),
            Err(TryLockError::WouldBlock) => {}
        }
        let cell = Arc::clone(self);
        let look = move || cell.shard.read().map(|shard| look(&shard)).map_err(|_| cell.broken());
        tokio::task::spawn_blocking(look).await.map_err(|_| self.broken())?
    }

    /// Changes the shard, on a thread for work that takes its time.
    pub(super) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Shard) -> Result<T, ShardError> + Send + 'static,
    ) -> Result<T, Status> {
        let cell = Arc::clone(self);
        let work = move || {
            let mut shard = cell.shard.write().map_err(|_| cell.broken())?;
            let result = change(&mut shard).map_err(|error| refusal(cell.key, error));
            cell.bytes.store(shard.bytes(), Ordering::Relaxed);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| self.broken())?
    }

    fn broken(&self) -> Status {
        Status::internal(format!("{} broke while it was being changed: restart the server", self.key))
    }
}

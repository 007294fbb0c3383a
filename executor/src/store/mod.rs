//! The block store: computed partitions, kept within a memory budget.

mod lru;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use howdah_proto::{BlockId, JobId};

use crate::rdd::Samples;
use lru::Lru;

/// The blocks of an executor, shared between its task slots and its Blocks service.
#[derive(Debug)]
pub struct BlockStore {
    blocks: Mutex<Lru<Arc<Samples>>>,
}

/// What became of a block that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOutcome {
    /// Whether the block is in the store now.
    pub stored: bool,
    /// The blocks that had to leave for it.
    pub evicted: Vec<BlockId>,
}

impl BlockStore {
    /// Makes a store that holds at most `budget_bytes`.
    pub fn new(budget_bytes: u64) -> Self {
        Self { blocks: Mutex::new(Lru::new(budget_bytes)) }
    }

    /// Keeps a block, evicting the least recently used ones of other nodes if it must.
    pub fn put(&self, id: BlockId, samples: Arc<Samples>) -> PutOutcome {
        let bytes = samples.bytes() as u64;
        self.lock().put(id, samples, bytes)
    }

    /// The block, if it is here.
    pub fn get(&self, id: BlockId) -> Option<Arc<Samples>> {
        self.lock().get(id)
    }

    /// Forgets every block of a job.
    pub fn drop_job(&self, job: JobId) {
        self.lock().retain(|id| id.context != job.into());
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().retain(|_| false);
    }

    /// Bytes that the blocks take.
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    fn lock(&self) -> MutexGuard<'_, Lru<Arc<Samples>>> {
        // Every method of Lru leaves it whole, so a panic elsewhere while it was locked does no harm.
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

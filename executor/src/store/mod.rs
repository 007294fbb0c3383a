//! The block store: computed partitions, in memory and on disk.

mod assemble;
mod frames;
mod keep;
mod saved_samples;
mod scratch;
mod sink;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::{BlockId, ContextId, NodeId, lineage::StoragePlace};

use crate::{
    memory::{Evict, Evicted, Kept, KeptName, Memory, Pin},
    rdd::{Rows, Samples},
};
use keep::{BlockRows, Keeping};
use saved_samples::SavedSamples;

pub use assemble::{Assembled, Assembler};
pub use frames::{FrameReader, Frames};
pub use scratch::{Scratch, ScratchFile, ScratchGuard};
pub use sink::{Demand, Filled, FrameSink, Taken};

/// The blocks of an executor, shared between its task slots and its Blocks service.
#[derive(Debug)]
pub struct BlockStore {
    memory: Memory,
    scratch: Arc<Scratch>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    blocks: HashMap<BlockId, Block>,
    dropped: Vec<BlockId>,
}

#[derive(Debug)]
enum Block {
    Samples { samples: Arc<Samples>, kept: Kept, place: StoragePlace },
    Saved(Arc<SavedSamples>),
    Batches { frames: Arc<Frames>, kept: Option<Arc<Kept>>, place: StoragePlace },
}

/// What a block is made of; it stays readable while this lives, even if the store forgets it.
#[derive(Debug)]
pub enum BlockContent {
    /// Pictures.
    Samples(Arc<Samples>),
    /// Batches, kept from leaving the memory.
    Batches(Arc<Frames>, Option<Pin>),
}

impl BlockStore {
    /// Makes a store that shares `memory` with others.
    pub fn new(memory: &Memory, scratch: &Arc<Scratch>) -> Arc<Self> {
        let store =
            Arc::new(Self { memory: memory.clone(), scratch: Arc::clone(scratch), state: Mutex::default() });
        let evictor: Arc<dyn Evict> = store.clone();
        memory.evict_with(Arc::downgrade(&evictor));
        store
    }

    /// Keeps pictures in memory, evicting the least recently used blocks of other nodes if it must, or on disk if they
    /// don't fit and may go there. Tells whether they are kept.
    pub fn put(&self, id: BlockId, place: StoragePlace, samples: Arc<Samples>) -> bool {
        self.forget_where(|known| *known == id);
        let kept = self.memory.keep(KeptName::Block(id));
        let fits = place != StoragePlace::Disk && kept.try_grow(samples.bytes() as u64);
        let block = if fits {
            Some(Block::Samples { samples, kept, place })
        } else {
            drop(kept);
            self.save(id, place, &samples).map(Block::Saved)
        };
        let is_kept = block.is_some();
        block.into_iter().for_each(|block| self.set(id, block));
        is_kept
    }

    /// Copies pictures to disk if they may go there.
    fn save(&self, id: BlockId, place: StoragePlace, samples: &Samples) -> Option<Arc<SavedSamples>> {
        if place == StoragePlace::Memory {
            return None;
        }
        let saved = SavedSamples::write(&self.scratch, samples);
        saved
            .inspect_err(|error| tracing::warn!(%id, %error, "a block can't be kept on disk and is dropped"))
            .ok()
            .map(Arc::new)
    }

    /// The pictures of a block, if they are here; those on disk are read in the calling thread.
    pub fn get(&self, id: BlockId) -> Option<Arc<Samples>> {
        match self.content(id)? {
            BlockContent::Samples(samples) => Some(samples),
            BlockContent::Batches(..) => None,
        }
    }

    /// Puts rows into the store as they pass by. The block is there when all have passed; what doesn't fit, or is
    /// broken off, is not kept. Memory stays bounded while they pass.
    pub fn keep<R: Rows>(self: &Arc<Self>, id: BlockId, place: StoragePlace, rows: R) -> impl Rows + use<R> {
        Keeping { id, place, rows, sink: Some(self.sink(id, place)), store: Arc::clone(self) }
    }

    /// Begins a block that arrives in frames; [`Self::insert`] ends it.
    pub fn sink(&self, id: BlockId, place: StoragePlace) -> FrameSink {
        FrameSink::new(KeptName::Block(id), place, Demand::Evicting, &self.memory, &self.scratch)
    }

    /// Keeps what has been filled into a sink.
    pub fn insert(&self, id: BlockId, place: StoragePlace, filled: Filled) {
        self.set(
            id,
            Block::Batches { frames: Arc::new(filled.frames), kept: filled.kept.map(Arc::new), place },
        )
    }

    fn set(&self, id: BlockId, block: Block) {
        let old = self.lock().blocks.insert(id, block);
        drop(old);
        self.settle(id);
    }

    /// The rows of a block, if they are here. An error while they are read means that the block was damaged; it is
    /// forgotten then.
    pub fn rows(self: &Arc<Self>, id: BlockId) -> Option<impl Rows + use<>> {
        match self.content(id)? {
            BlockContent::Samples(_) => None,
            BlockContent::Batches(frames, pin) => {
                let rows = frames.read(0..frames.bytes(), pin);
                Some(BlockRows { id, rows, store: Arc::clone(self) })
            }
        }
    }

    /// What a block is made of, if it is here; pictures on disk are read in the calling thread.
    pub fn content(&self, id: BlockId) -> Option<BlockContent> {
        let saved = match self.lock().blocks.get(&id)? {
            Block::Samples { samples, kept, .. } => {
                kept.touch();
                return Some(BlockContent::Samples(Arc::clone(samples)));
            }
            Block::Saved(saved) => Arc::clone(saved),
            Block::Batches { frames, kept, .. } => {
                let pin = kept.as_ref().map(|kept| {
                    kept.touch();
                    kept.pin()
                });
                return Some(BlockContent::Batches(Arc::clone(frames), pin));
            }
        };
        match saved.read() {
            Ok(samples) => Some(BlockContent::Samples(Arc::new(samples))),
            Err(error) => {
                tracing::warn!(%id, %error, "a block on disk is damaged and is forgotten");
                self.lose(id);
                None
            }
        }
    }

    /// Whether a block is here.
    pub fn contains(&self, id: BlockId) -> bool {
        self.lock().blocks.contains_key(&id)
    }

    /// Forgets the blocks of a node.
    pub fn forget(&self, context: ContextId, node: NodeId) {
        self.forget_where(|id| id.context == context && id.node == node);
    }

    /// Forgets every block of a context.
    pub fn drop_context(&self, context: ContextId) {
        self.forget_where(|id| id.context == context);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.forget_where(|_| true);
        self.lock().dropped.clear();
    }

    /// Takes the blocks that had to leave since they were last taken, so that the driver can be told.
    pub fn take_dropped(&self) -> Vec<BlockId> {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Bytes that are taken of the memory that the blocks share with others.
    pub fn used_bytes(&self) -> u64 {
        self.memory.used_bytes()
    }

    fn lose(&self, id: BlockId) {
        self.remove(id);
    }

    fn settle(&self, id: BlockId) {
        match self.lock().blocks.get(&id) {
            Some(Block::Samples { kept, .. }) => kept.settle(),
            Some(Block::Batches { kept: Some(kept), .. }) => kept.settle(),
            Some(Block::Batches { kept: None, .. } | Block::Saved(_)) | None => {}
        }
    }

    /// Forgets a block that can be computed again.
    fn remove(&self, id: BlockId) {
        let mut state = self.lock();
        let removed = state.blocks.remove(&id);
        if removed.is_some() {
            state.dropped.push(id);
        }
        drop(state);
    }

    /// Moves pictures to disk, or forgets them if they may not go there.
    fn evict_samples(&self, id: BlockId, place: StoragePlace, samples: &Arc<Samples>) -> Evicted {
        let Some(saved) = self.save(id, place, samples) else {
            self.remove(id);
            return Evicted::Gone;
        };
        let mut state = self.lock();
        let known = state.blocks.get_mut(&id);
        // Another block may have taken its place meanwhile.
        let old = known
            .filter(
                |block| matches!(block, Block::Samples { samples: known, .. } if Arc::ptr_eq(known, samples)),
            )
            .map(|block| std::mem::replace(block, Block::Saved(saved)));
        drop(state);
        drop(old);
        Evicted::Gone
    }

    fn forget_where(&self, gone: impl Fn(&BlockId) -> bool) {
        let mut state = self.lock();
        let removed: Vec<_> = state.blocks.extract_if(|id, _| gone(id)).collect();
        // Files are removed when nobody waits for the lock.
        drop(state);
        drop(removed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The maps are whole between any two statements, so a panic elsewhere while it was locked does no harm.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Evict for BlockStore {
    fn evict(&self, name: KeptName) -> Evicted {
        let KeptName::Block(id) = name else { return Evicted::NotMine };
        let samples = match self.lock().blocks.get(&id) {
            Some(Block::Samples { samples, place, .. }) => Some((Arc::clone(samples), *place)),
            _ => None,
        };
        if let Some((samples, place)) = samples {
            return self.evict_samples(id, place, &samples);
        }
        let frames = match self.lock().blocks.get(&id) {
            Some(Block::Batches { frames, kept: Some(_), place: StoragePlace::MemoryAndDisk }) => {
                Some(Arc::clone(frames))
            }
            Some(Block::Batches { kept: None, .. } | Block::Saved(_)) | None => return Evicted::Gone,
            Some(_) => None,
        };
        let on_disk = match frames.as_ref().map(|frames| frames.to_disk(&self.scratch)) {
            Some(Ok(frames)) => Some(Arc::new(frames)),
            Some(Err(error)) => {
                tracing::warn!(%id, %error, "a block can't be moved to disk and is dropped");
                None
            }
            None => None,
        };
        match (on_disk, self.lock().blocks.get_mut(&id)) {
            (Some(moved), Some(Block::Batches { frames: known, kept, .. })) => {
                if frames.is_some_and(|old| Arc::ptr_eq(&old, known)) {
                    *known = moved;
                    *kept = None;
                }
                return Evicted::Gone;
            }
            (Some(_), _) => return Evicted::Gone,
            (None, _) => {}
        }
        self.remove(id);
        Evicted::Gone
    }
}

#[cfg(test)]
mod tests;

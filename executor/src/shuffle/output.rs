use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::{ContextId, NodeId, Partition};

use super::segments::Segments;
use crate::{
    memory::{Evict, Evicted, KeptName, Memory, Pin},
    store::{FrameReader, Frames, Scratch},
};

/// The output of one map partition of a shuffle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutputId {
    /// Whose lineage has the shuffle.
    pub context: ContextId,
    /// The node of the shuffle.
    pub shuffle: NodeId,
    /// The map partition.
    pub map: Partition,
}

impl fmt::Display for OutputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "map output {}.{}.{}", self.context, self.shuffle, self.map)
    }
}

/// The sorted records of a map partition, cut into segments for the reduce partitions.
#[derive(Debug)]
pub struct MapOutput {
    id: OutputId,
    segments: Segments,
}

impl MapOutput {
    pub(super) fn new(id: OutputId, segments: Segments) -> Self {
        Self { id, segments }
    }

    /// What it is the output of.
    pub fn id(&self) -> OutputId {
        self.id
    }

    /// Bytes of the segment of each reduce partition.
    pub fn sizes(&self) -> impl Iterator<Item = u64> + '_ {
        let mut start = 0;
        self.segments.ends.iter().map(move |end| {
            let bytes = end - start;
            start = *end;
            bytes
        })
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.segments.frames.bytes()
    }

    /// Whether it is in memory.
    pub fn is_in_memory(&self) -> bool {
        self.segments.frames.is_in_memory()
    }

    /// Where the segment of a reduce partition lies in [`Self::frames`]; none if there is no such partition.
    pub fn segment(&self, partition: Partition) -> Option<Range<u64>> {
        self.segments.range(partition)
    }

    /// The frames of all segments.
    pub fn frames(&self) -> &Arc<Frames> {
        &self.segments.frames
    }

    /// Keeps it from leaving the memory, if that is where it is.
    pub fn pin(&self) -> Option<Pin> {
        self.segments.kept.as_ref().map(|kept| kept.pin())
    }

    /// Reads the segment of a reduce partition.
    pub fn read(&self, partition: Partition) -> FrameReader {
        self.segments.read(partition)
    }

    /// What merging one of its segments takes.
    pub(super) fn largest_frame(&self) -> u64 {
        self.segments.largest_frame
    }
}

/// The map outputs of an executor. They are in memory while there is room, and on disk otherwise; none is lost before
/// it is dropped.
#[derive(Debug)]
pub struct OutputStore {
    scratch: Arc<Scratch>,
    outputs: Mutex<HashMap<OutputId, Arc<MapOutput>>>,
}

impl OutputStore {
    /// Makes a store that shares `memory` with others.
    pub fn new(memory: &Memory, scratch: &Arc<Scratch>) -> Arc<Self> {
        let store = Arc::new(Self { scratch: Arc::clone(scratch), outputs: Mutex::default() });
        let evictor: Arc<dyn Evict> = store.clone();
        memory.evict_with(Arc::downgrade(&evictor));
        store
    }

    /// Keeps a map output; one that was there before makes way.
    pub fn put(&self, output: MapOutput) {
        let output = Arc::new(output);
        let before = self.lock().insert(output.id, Arc::clone(&output));
        drop(before);
        if let Some(kept) = &output.segments.kept {
            kept.settle();
        }
    }

    /// A map output, if it is here.
    pub fn get(&self, id: OutputId) -> Option<Arc<MapOutput>> {
        let output = Arc::clone(self.lock().get(&id)?);
        if let Some(kept) = &output.segments.kept {
            kept.touch();
        }
        Some(output)
    }

    /// Drops a map output that turned out to be damaged.
    pub fn lose(&self, id: OutputId) {
        self.drop_where(|known| *known == id);
    }

    /// Drops the map outputs of a shuffle.
    pub fn forget(&self, context: ContextId, shuffle: NodeId) {
        self.drop_where(|id| id.context == context && id.shuffle == shuffle);
    }

    /// Drops the map outputs of a context.
    pub fn drop_context(&self, context: ContextId) {
        self.drop_where(|id| id.context == context);
    }

    /// Drops everything.
    pub fn clear(&self) {
        self.drop_where(|_| true);
    }

    fn drop_where(&self, gone: impl Fn(&OutputId) -> bool) {
        let mut outputs = self.lock();
        let dropped: Vec<_> = outputs.extract_if(|id, _| gone(id)).collect();
        // Files are removed when nobody waits for the lock.
        drop(outputs);
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OutputId, Arc<MapOutput>>> {
        // The map is whole between any two statements, so a panic elsewhere while it was locked does no harm.
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Evict for OutputStore {
    fn evict(&self, name: KeptName) -> Evicted {
        let KeptName::Output(id) = name else { return Evicted::NotMine };
        let output = self.lock().get(&id).map(Arc::clone);
        let Some(output) = output.filter(|output| output.is_in_memory()) else { return Evicted::Gone };
        let frames = match output.segments.frames.to_disk(&self.scratch) {
            Ok(frames) => Arc::new(frames),
            Err(error) => {
                tracing::warn!(%id, %error, "a map output can't be moved to disk and stays in memory");
                return Evicted::Stays;
            }
        };
        let ends = Arc::clone(&output.segments.ends);
        let largest_frame = output.segments.largest_frame;
        let moved = Arc::new(MapOutput::new(id, Segments { frames, kept: None, ends, largest_frame }));
        if let Some(known) = self.lock().get_mut(&id).filter(|known| Arc::ptr_eq(known, &output)) {
            *known = moved;
        }
        Evicted::Gone
    }
}

use std::sync::Arc;

use bytes::Bytes;
use howdah_proto::lineage::StoragePlace;

use super::{Frames, Scratch, ScratchFile};
use crate::{
    memory::{Kept, KeptName, Memory},
    rdd::{Batch, RddError, batch::Frame},
};

/// What a frame in memory takes beside its bytes.
const FRAME_OVERHEAD_BYTES: u64 = 64;

/// For whom frames in memory make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// They take what is free, and what was used least recently leaves for them.
    Evicting,
    /// They take what is free.
    Modest,
}

/// Takes batches and keeps them as frames in memory while there is room, and on disk otherwise.
#[derive(Debug)]
pub struct FrameSink {
    place: StoragePlace,
    demand: Demand,
    scratch: Arc<Scratch>,
    kept: Option<Kept>,
    frames: Vec<Bytes>,
    file: Option<ScratchFile>,
    encoded: Vec<u8>,
    bytes: u64,
}

/// Frames that are complete, and their share of the memory if that is where they are.
#[derive(Debug)]
pub struct Filled {
    /// The frames.
    pub frames: Frames,
    /// Their share of the memory.
    pub kept: Option<Kept>,
}

/// Whether a sink could take a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It has it.
    Yes,
    /// There is no room for it; the sink is of no use any more.
    No,
}

impl FrameSink {
    /// Begins frames of this name.
    pub fn new(
        name: KeptName,
        place: StoragePlace,
        demand: Demand,
        memory: &Memory,
        scratch: &Arc<Scratch>,
    ) -> Self {
        let kept = (place != StoragePlace::Disk).then(|| memory.keep(name));
        let (frames, encoded) = (Vec::new(), Vec::new());
        Self { place, demand, scratch: Arc::clone(scratch), kept, frames, file: None, encoded, bytes: 0 }
    }

    /// Bytes of the frames up to here.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// [`RddError::File`] if it should be on disk and can't be written.
    pub fn push(&mut self, batch: &Batch) -> Result<Taken, RddError> {
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        Frame::write(batch, &mut encoded);
        if self.reserve(encoded.len()) {
            self.bytes += encoded.len() as u64;
            self.frames.push(encoded.into());
            return Ok(Taken::Yes);
        }
        let taken = self.append(&encoded);
        self.encoded = encoded;
        taken
    }

    /// Adds a frame, or a part of one.
    ///
    /// # Errors
    /// See [`Self::push`].
    pub fn push_encoded(&mut self, encoded: &Bytes) -> Result<Taken, RddError> {
        if self.reserve(encoded.len()) {
            self.bytes += encoded.len() as u64;
            self.frames.push(encoded.clone());
            return Ok(Taken::Yes);
        }
        self.append(encoded)
    }

    /// Ends the frames.
    pub fn finish(self) -> Filled {
        match self.file {
            Some(file) => Filled { frames: Frames::in_file(file), kept: None },
            None => Filled { frames: Frames::in_memory(self.frames), kept: self.kept },
        }
    }

    fn reserve(&self, bytes: usize) -> bool {
        let bytes = bytes as u64 + FRAME_OVERHEAD_BYTES;
        match (&self.kept, self.demand) {
            (None, _) => false,
            (Some(kept), Demand::Evicting) => kept.try_grow(bytes),
            (Some(kept), Demand::Modest) => kept.try_grow_free(bytes),
        }
    }

    /// Adds bytes to the file, after what is in memory if there is no room there any more.
    fn append(&mut self, encoded: &[u8]) -> Result<Taken, RddError> {
        if self.place == StoragePlace::Memory {
            self.kept = None;
            self.frames = Vec::new();
            return Ok(Taken::No);
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = self.scratch.create()?;
                for frame in self.frames.drain(..) {
                    file.append(&frame)?;
                }
                self.frames = Vec::new();
                self.kept = None;
                self.file.insert(file)
            }
        };
        file.append(encoded)?;
        self.bytes += encoded.len() as u64;
        Ok(Taken::Yes)
    }
}

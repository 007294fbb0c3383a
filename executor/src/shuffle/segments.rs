use std::sync::Arc;

use howdah_proto::Partition;

use crate::{
    memory::Kept,
    rdd::{Batch, RddError, Row},
    store::{FrameReader, FrameSink, Frames},
};

/// Sorted records: one segment for each partition, one after the other.
#[derive(Debug)]
pub(super) struct Segments {
    pub(super) frames: Arc<Frames>,
    pub(super) kept: Option<Arc<Kept>>,
    /// Where the segment of each partition ends.
    pub(super) ends: Arc<[u64]>,
    /// Bytes of the largest frame.
    pub(super) largest_frame: u64,
}

impl Segments {
    /// Where the segment of a partition lies; none if there is no such partition.
    pub(super) fn range(&self, partition: Partition) -> Option<std::ops::Range<u64>> {
        let index = partition.0 as usize;
        let end = *self.ends.get(index)?;
        Some(index.checked_sub(1).map_or(0, |before| self.ends[before])..end)
    }

    /// Reads the segment of a partition; nothing if there is no such partition.
    pub(super) fn read(&self, partition: Partition) -> FrameReader {
        let pin = self.kept.as_ref().map(Kept::pin);
        self.frames.read(self.range(partition).unwrap_or_default(), pin)
    }
}

/// Cuts records that come partition by partition into frames. The cuts depend on the records alone.
#[derive(Debug)]
pub(super) struct SegmentsWriter {
    sink: FrameSink,
    batch: Batch,
    ends: Vec<u64>,
    partitions: u32,
    largest_frame: u64,
}

impl SegmentsWriter {
    pub(super) fn new(sink: FrameSink, partitions: u32) -> Self {
        Self { sink, batch: Batch::new(), ends: Vec::new(), partitions, largest_frame: 0 }
    }

    /// Adds a record; none may follow for an earlier partition.
    pub(super) fn push(&mut self, partition: u32, row: Row<'_>) -> Result<(), RddError> {
        self.go_to(partition)?;
        self.batch.push(row)?;
        self.flush_if_full()
    }

    /// Adds a record that `write` appends, see [`Batch::push_with`].
    pub(super) fn push_with(
        &mut self,
        partition: u32,
        write: impl FnOnce(&mut Vec<u8>) -> Result<usize, RddError>,
    ) -> Result<(), RddError> {
        self.go_to(partition)?;
        self.batch.push_with(write)?;
        self.flush_if_full()
    }

    /// Adds a batch that was cut as [`Self::push`] cuts.
    pub(super) fn push_cut(&mut self, partition: u32, batch: &Batch) -> Result<(), RddError> {
        self.go_to(partition)?;
        self.emit(batch)
    }

    pub(super) fn finish(mut self) -> Result<Segments, RddError> {
        self.go_to(self.partitions)?;
        let filled = self.sink.finish();
        Ok(Segments {
            frames: Arc::new(filled.frames),
            kept: filled.kept.map(Arc::new),
            ends: self.ends.into(),
            largest_frame: self.largest_frame,
        })
    }

    fn go_to(&mut self, partition: u32) -> Result<(), RddError> {
        if self.ends.len() < partition as usize {
            self.flush()?;
            self.ends.resize(partition as usize, self.sink.bytes());
        }
        Ok(())
    }

    fn flush_if_full(&mut self) -> Result<(), RddError> {
        if self.batch.is_full() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), RddError> {
        if !self.batch.is_empty() {
            let mut batch = self.batch.take();
            self.emit(&batch)?;
            batch.clear();
            self.batch = batch;
        }
        Ok(())
    }

    fn emit(&mut self, batch: &Batch) -> Result<(), RddError> {
        self.largest_frame = self.largest_frame.max(batch.bytes() as u64);
        // Segments go to disk when there is no room, so they are always taken.
        self.sink.push(batch).map(|_| ())
    }
}

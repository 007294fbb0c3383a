use howdah_proto::lineage::Order;

use super::key::{Direction, PREFIX_BYTES};
use crate::rdd::{Batch, RddError, Row};

/// A batch of fewer bytes is copied together with others.
const SMALL_BATCH_BYTES: usize = 32 << 10;

/// Records that wait to be sorted: the batches they came in, and an index that is sorted in their stead.
#[derive(Debug)]
pub(super) struct SortBuffer {
    order: Order,
    batches: Vec<Batch>,
    batch_bytes: usize,
    tail_is_open: bool,
    index: Vec<Entry>,
    key_bytes: KeyBytes,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    prefix: u64,
    partition: u32,
    batch: u32,
    row: u32,
}

/// How long keys are: if they are all equally long and no longer than a prefix, prefixes decide alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyBytes {
    None,
    All(usize),
    Mixed,
}

impl SortBuffer {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            batches: Vec::new(),
            batch_bytes: 0,
            tail_is_open: false,
            index: Vec::new(),
            key_bytes: KeyBytes::None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes that it holds, and those it would hold with `batch`.
    pub(super) fn bytes_with(&self, batch: &Batch) -> u64 {
        let records = (self.index.len() + batch.len()).max(self.index.capacity());
        let index = records * size_of::<Entry>();
        (self.batch_bytes + batch.capacity_bytes() + size_of::<Batch>() + index) as u64
    }

    /// Adds a batch; `partition_of` tells where each record goes.
    pub(super) fn push(
        &mut self,
        batch: Batch,
        mut partition_of: impl FnMut(&[u8]) -> u32,
    ) -> Result<(), RddError> {
        let is_small = batch.bytes() < SMALL_BATCH_BYTES || batch.capacity_bytes() > 2 * batch.bytes();
        self.index.reserve(batch.len());
        if !is_small {
            self.tail_is_open = false;
            let number = self.batches.len() as u32;
            for (row, record) in batch.rows().enumerate() {
                let partition = partition_of(record.key());
                self.enter(record.key(), partition, number, row);
            }
            self.add(batch);
            return Ok(());
        }
        let mut tail = if self.tail_is_open { self.take_tail() } else { Batch::new() };
        for record in batch.rows() {
            if tail.is_full() {
                self.add(tail.take());
            }
            let partition = partition_of(record.key());
            self.enter(record.key(), partition, self.batches.len() as u32, tail.len());
            tail.push(record)?;
        }
        self.tail_is_open = !tail.is_full();
        self.add(tail);
        Ok(())
    }

    fn enter(&mut self, key: &[u8], partition: u32, batch: u32, row: usize) {
        self.key_bytes = match self.key_bytes {
            KeyBytes::None => KeyBytes::All(key.len()),
            KeyBytes::All(bytes) if bytes != key.len() => KeyBytes::Mixed,
            same => same,
        };
        let prefix = Direction::of(self.order).map_or(0, |direction| direction.prefix(key));
        self.index.push(Entry { prefix, partition, batch, row: row as u32 });
    }

    fn add(&mut self, batch: Batch) {
        self.batch_bytes += batch.capacity_bytes() + size_of::<Batch>();
        self.batches.push(batch);
    }

    fn take_tail(&mut self) -> Batch {
        let tail = self.batches.pop().unwrap_or_default();
        self.batch_bytes -= tail.capacity_bytes() + size_of::<Batch>();
        tail
    }

    /// Hands out the records by partition and key, those of equal keys as they came, and leaves the buffer empty.
    pub(super) fn drain(
        &mut self,
        mut take: impl FnMut(u32, Row<'_>) -> Result<(), RddError>,
    ) -> Result<(), RddError> {
        let mut sorted = std::mem::replace(self, Self::new(self.order));
        sorted.sort();
        for entry in &sorted.index {
            if let Some(row) = sorted.batches[entry.batch as usize].row(entry.row as usize) {
                take(entry.partition, row)?;
            }
        }
        Ok(())
    }

    fn sort(&mut self) {
        let (batches, place) = (&self.batches, |entry: &Entry| (entry.batch, entry.row));
        let key = |entry: &Entry| {
            batches[entry.batch as usize].row(entry.row as usize).map_or(&[][..], |row| row.key())
        };
        let first = |entry: &Entry| (u128::from(entry.partition) << 64) | u128::from(entry.prefix);
        let prefix_decides = matches!(self.key_bytes, KeyBytes::All(bytes) if bytes <= PREFIX_BYTES);
        match Direction::of(self.order) {
            Some(direction) if !prefix_decides => self.index.sort_unstable_by(|a, b| {
                let by_key = || direction.compare(key(a), key(b));
                first(a).cmp(&first(b)).then_with(by_key).then_with(|| place(a).cmp(&place(b)))
            }),
            _ => self
                .index
                .sort_unstable_by(|a, b| first(a).cmp(&first(b)).then_with(|| place(a).cmp(&place(b)))),
        }
    }
}

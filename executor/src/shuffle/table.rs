use hashbrown::HashTable;

use super::{
    combined::finish_pair,
    key::{Direction, PREFIX_BYTES},
    segments::SegmentsWriter,
};
use crate::rdd::{AnyCombiner, Batch, RddError, Slot};

/// Accumulators that are encoded to see how large they are.
const SAMPLE: usize = 32;

/// What an accumulator takes beside its content, roughly.
const SLOT_BYTES: u64 = 48;

/// Values merged by key as they arrive: a hash table whose keys lie one after the other in one buffer.
pub(super) struct CombineTable {
    combiner: Box<dyn AnyCombiner>,
    table: HashTable<Entry>,
    keys: Vec<u8>,
    /// What the accumulators took when they were last looked at, and the values that came since.
    accumulator_bytes: u64,
    value_bytes_since: u64,
}

/// A key: the first bytes of it, and all of it in `keys` if it is longer.
#[derive(Debug, Clone, Copy)]
struct Entry {
    prefix: u64,
    start: u64,
    bytes: u32,
    slot: Slot,
}

impl CombineTable {
    pub(super) fn new(combiner: Box<dyn AnyCombiner>) -> Self {
        Self {
            combiner,
            table: HashTable::new(),
            keys: Vec::new(),
            accumulator_bytes: 0,
            value_bytes_since: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn combiner(&mut self) -> &mut (dyn AnyCombiner + 'static) {
        &mut *self.combiner
    }

    /// At most what it will hold with `batch`, roughly: accumulators are the user's, and nobody knows how large
    /// they are.
    pub(super) fn bytes_with(&self, batch: &Batch) -> u64 {
        let keys = (self.table.len() + batch.len()) as u64;
        let table = keys.max(self.table.capacity() as u64) * (size_of::<Entry>() as u64 + 1);
        // What is drained is sorted beside the table.
        let table = table + keys * size_of::<(u32, Entry)>() as u64;
        let new = batch.len() as u64 * SLOT_BYTES + batch.bytes() as u64;
        table + self.keys.capacity() as u64 + self.accumulator_bytes + self.value_bytes_since + new
    }

    /// Looks how large accumulators are by encoding a few of them.
    pub(super) fn measure(&mut self) -> Result<(), RddError> {
        let (every, mut sampled, mut bytes) = (self.table.len().div_ceil(SAMPLE).max(1), 0, 0);
        let mut encoded = Vec::new();
        for entry in self.table.iter_mut().step_by(every) {
            encoded.clear();
            self.combiner.finish(entry.slot, &mut encoded)?;
            entry.slot = self.combiner.begin_combined(&encoded)?;
            bytes += encoded.len() as u64;
            sampled += 1;
        }
        let mean = bytes.checked_div(sampled).unwrap_or_default();
        self.accumulator_bytes = self.table.len() as u64 * (2 * mean + SLOT_BYTES);
        self.value_bytes_since = 0;
        Ok(())
    }

    /// Merges a batch in.
    pub(super) fn add(&mut self, batch: &Batch) -> Result<(), RddError> {
        for row in batch.rows() {
            let (key, value) = (row.key(), row.value());
            let prefix = Direction::Up.prefix(key);
            let hash = hash(prefix, key);
            let keys = &self.keys;
            let same = |entry: &Entry| {
                entry.prefix == prefix
                    && entry.bytes as usize == key.len()
                    && (key.len() <= PREFIX_BYTES || entry.key(keys) == key)
            };
            match self.table.find(hash, same) {
                Some(entry) => {
                    self.combiner.add(entry.slot, value)?;
                    self.value_bytes_since += value.len() as u64;
                }
                None => {
                    let slot = self.combiner.begin(value)?;
                    let start = self.keys.len() as u64;
                    self.keys.extend_from_slice(key);
                    let keys = &self.keys;
                    let entry = Entry { prefix, start, bytes: key.len() as u32, slot };
                    self.table.insert_unique(hash, entry, |known| self::hash(known.prefix, known.key(keys)));
                    self.value_bytes_since += value.len() as u64 + SLOT_BYTES;
                }
            }
        }
        Ok(())
    }

    /// Writes all accumulators by partition and key, and leaves the table empty.
    pub(super) fn drain(
        &mut self,
        direction: Direction,
        partition_of: impl Fn(&[u8]) -> u32,
        out: &mut SegmentsWriter,
    ) -> Result<(), RddError> {
        let (table, keys) = (std::mem::take(&mut self.table), std::mem::take(&mut self.keys));
        let mut sorted: Vec<(u32, Entry)> =
            table.into_iter().map(|entry| (partition_of(entry.key(&keys)), entry)).collect();
        sorted.iter_mut().for_each(|(_, entry)| {
            if direction == Direction::Down {
                entry.prefix = !entry.prefix;
            }
        });
        sorted.sort_unstable_by(|(left, a), (right, b)| {
            let by_key = || direction.compare(a.key(&keys), b.key(&keys));
            (left, a.prefix).cmp(&(right, b.prefix)).then_with(by_key)
        });
        for (partition, entry) in sorted {
            out.push_with(partition, |bytes| {
                finish_pair(&mut *self.combiner, entry.key(&keys), entry.slot, bytes)
            })?;
        }
        self.accumulator_bytes = 0;
        self.value_bytes_since = 0;
        Ok(())
    }
}

impl Entry {
    fn key(self, keys: &[u8]) -> &[u8] {
        &keys[self.start as usize..][..self.bytes as usize]
    }
}

/// Hashes a key: folded multiplications, as in wyhash, of its words.
fn hash(prefix: u64, key: &[u8]) -> u64 {
    const FIRST: u64 = 0xa076_1d64_78bd_642f;
    const SECOND: u64 = 0xe703_7ed1_a0b4_28db;
    let fold = |left: u64, right: u64| {
        let product = u128::from(left) * u128::from(right);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut state = fold(prefix ^ FIRST, key.len() as u64 ^ SECOND);
    if key.len() > PREFIX_BYTES {
        let (words, rest) = key[PREFIX_BYTES..].as_chunks::<8>();
        for word in words {
            state = fold(state ^ u64::from_le_bytes(*word), SECOND);
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = fold(state ^ u64::from_le_bytes(last), FIRST);
    }
    fold(state ^ SECOND, FIRST)
}

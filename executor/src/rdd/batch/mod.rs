//! Encoded records in contiguous buffers: what flows between operators, lies in blocks and travels in shuffles.

mod frame;
mod rows;

use bytemuck::{Pod, Zeroable};

pub use frame::{FRAME_HEADER_BYTES, Frame, FrameError};
pub use rows::{OneBatch, Rows, Several};

/// A batch is handed on when its records take this many bytes.
pub const TARGET_BYTES: usize = 256 << 10;

/// A batch is handed on when it has this many records.
pub const TARGET_ROWS: usize = 8192;

/// The most that the records of a batch may take together, so that a place in it fits into 32 bits.
pub const MAX_BATCH_BYTES: usize = u32::MAX as usize;

/// Where a record and its key end in the buffer of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Ends {
    pub(crate) key: u32,
    pub(crate) row: u32,
}

/// Bytes after the value of a pair: the length of its key, so that a pair can be told apart wherever it stands.
pub const PAIR_TRAILER_BYTES: usize = 4;

/// A record in its encoded form.
///
/// A pair is its key, its value and the length of the key (`u32`, big-endian); that is how a pair is encoded inside
/// other records, too. A record that is no pair is all key. Encoded keys compare as keys do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    bytes: &'a [u8],
    key_len: usize,
}

impl<'a> Row<'a> {
    /// Takes a record as one that is no pair.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, key_len: bytes.len() }
    }

    /// Takes a record as a pair; none if it can't be one.
    pub fn pair(bytes: &'a [u8]) -> Option<Self> {
        let (rest, trailer) = bytes.split_last_chunk::<PAIR_TRAILER_BYTES>()?;
        let key_len = u32::from_be_bytes(*trailer) as usize;
        (key_len <= rest.len()).then_some(Self { bytes, key_len })
    }

    /// The whole record.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The key of a pair, or the whole record.
    pub fn key(self) -> &'a [u8] {
        &self.bytes[..self.key_len]
    }

    /// The value of a pair, or nothing.
    pub fn value(self) -> &'a [u8] {
        if self.is_pair() { &self.bytes[self.key_len..self.bytes.len() - PAIR_TRAILER_BYTES] } else { &[] }
    }

    /// Whether it is known to be a pair.
    pub fn is_pair(self) -> bool {
        self.key_len < self.bytes.len()
    }
}

/// A record that doesn't fit into a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a record of {bytes} bytes is too large: a record and those beside it may take {MAX_BATCH_BYTES} bytes"
)]
pub struct RecordTooLarge {
    /// What the batch would take with it.
    pub bytes: usize,
}

/// Records of one partition, one after the other in one buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    data: Vec<u8>,
    ends: Vec<Ends>,
}

impl Batch {
    /// Makes an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether it is large enough to be handed on.
    pub fn is_full(&self) -> bool {
        self.data.len() >= TARGET_BYTES || self.ends.len() >= TARGET_ROWS
    }

    /// Bytes that the records and their places take.
    pub fn bytes(&self) -> usize {
        self.data.len() + self.ends.len() * size_of::<Ends>()
    }

    /// Bytes that the batch holds in memory, used or not.
    pub fn capacity_bytes(&self) -> usize {
        self.data.capacity() + self.ends.capacity() * size_of::<Ends>()
    }

    /// Adds a record as it is: a pair stays one.
    ///
    /// # Errors
    /// [`RecordTooLarge`].
    pub fn push(&mut self, row: Row<'_>) -> Result<(), RecordTooLarge> {
        let (key, end) = (self.data.len() + row.key_len, self.data.len() + row.bytes.len());
        self.check(end)?;
        self.data.extend_from_slice(row.bytes);
        self.ends.push(Ends { key: key as u32, row: end as u32 });
        Ok(())
    }

    /// Adds a record that is no pair, made of several parts.
    ///
    /// # Errors
    /// [`RecordTooLarge`].
    pub fn push_whole(&mut self, parts: &[&[u8]]) -> Result<(), RecordTooLarge> {
        let end = parts.iter().fold(self.data.len(), |end, part| end + part.len());
        self.check(end)?;
        parts.iter().for_each(|part| self.data.extend_from_slice(part));
        self.ends.push(Ends { key: end as u32, row: end as u32 });
        Ok(())
    }

    /// Adds a pair whose value is made of several parts.
    ///
    /// # Errors
    /// [`RecordTooLarge`].
    pub fn push_pair(&mut self, key: &[u8], value: &[&[u8]]) -> Result<(), RecordTooLarge> {
        let key_end = self.data.len() + key.len();
        let end = value.iter().fold(key_end, |end, part| end + part.len()) + PAIR_TRAILER_BYTES;
        self.check(end)?;
        self.data.extend_from_slice(key);
        value.iter().for_each(|part| self.data.extend_from_slice(part));
        self.data.extend_from_slice(&(key.len() as u32).to_be_bytes());
        self.ends.push(Ends { key: key_end as u32, row: end as u32 });
        Ok(())
    }

    /// Adds a record that `write` appends to the buffer, with the trailer if it is a pair; `write` returns the length
    /// of the key, which is all of the record if it is no pair. Nothing is added if it fails.
    ///
    /// # Errors
    /// What `write` says, or [`RecordTooLarge`].
    pub fn push_with<E: From<RecordTooLarge>>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<(), E> {
        let start = self.data.len();
        let written = write(&mut self.data).and_then(|key_len| {
            let end = self.data.len();
            self.check(end)?;
            Ok(Ends { key: (start + key_len).min(end) as u32, row: end as u32 })
        });
        match written {
            Ok(ends) => {
                self.ends.push(ends);
                Ok(())
            }
            Err(error) => {
                self.data.truncate(start);
                Err(error)
            }
        }
    }

    /// The record at a place.
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        let ends = self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].row as usize);
        Some(Row { bytes: &self.data[start..ends.row as usize], key_len: ends.key as usize - start })
    }

    /// All records in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        let mut start = 0;
        self.ends.iter().map(move |ends| {
            let (from, end) = (start, ends.row as usize);
            start = end;
            Row { bytes: &self.data[from..end], key_len: ends.key as usize - from }
        })
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
    }

    fn check(&self, end: usize) -> Result<(), RecordTooLarge> {
        if end > MAX_BATCH_BYTES { Err(RecordTooLarge { bytes: end }) } else { Ok(()) }
    }

    /// Takes what is in the batch, and leaves an empty one.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_order_keys_and_values() {
        let mut batch = Batch::new();
        batch.push_pair(b"k", &[b"val", b"ue"]).unwrap();
        batch.push_whole(&[b"who", b"le"]).unwrap();
        batch.push_pair(b"", &[]).unwrap();
        let rows: Vec<_> = batch.rows().map(|row| (row.key(), row.value(), row.is_pair())).collect();
        assert_eq!(rows, [(&b"k"[..], &b"value"[..], true), (b"whole", b"", false), (b"", b"", true)]);
        let (copy, row) = (batch.clone(), batch.row(0).unwrap());
        assert_eq!(Row::pair(row.bytes()), Some(row));
        batch.push(copy.row(0).unwrap()).unwrap();
        assert_eq!(batch.row(3), copy.row(0));
        assert_eq!(batch.row(4), None);
    }

    #[test]
    fn what_can_not_be_a_pair_is_not_taken_for_one() {
        assert_eq!(Row::pair(b"abc"), None);
        assert_eq!(Row::pair(b"a\0\0\0\x02"), None);
    }

    #[test]
    fn a_record_that_can_not_be_written_leaves_no_trace() {
        let mut batch = Batch::new();
        batch.push_whole(&[b"a"]).unwrap();
        let failed: Result<(), RecordTooLarge> = batch.push_with(|out| {
            out.extend_from_slice(b"half");
            Err(RecordTooLarge { bytes: 1 })
        });
        assert!(failed.is_err());
        batch.push_whole(&[b"b"]).unwrap();
        assert_eq!(batch.rows().map(|row| row.bytes().to_vec()).collect::<Vec<_>>(), [b"a", b"b"]);
    }
}

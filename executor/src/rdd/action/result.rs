use bytes::Bytes;

use super::ResultLimit;
use crate::rdd::{Batch, Data, RddError, Rows, batch::Frame, codec, saved::SavedPart, source::Frames};

/// Frames that are being written, within a limit.
pub(super) struct Writing {
    out: Vec<u8>,
    limit: ResultLimit,
}

impl Writing {
    pub(super) fn new(limit: ResultLimit) -> Self {
        Self { out: Vec::new(), limit }
    }

    /// Adds a batch.
    pub(super) fn add(&mut self, batch: &Batch) -> Result<(), RddError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.limit.check(self.out.len() + batch.bytes())?;
        Frame::write(batch, &mut self.out);
        Ok(())
    }

    pub(super) fn finish(self) -> Bytes {
        self.out.into()
    }
}

/// Writes a batch on its own.
pub(super) fn one(batch: &Batch, limit: ResultLimit) -> Result<Bytes, RddError> {
    let mut writing = Writing::new(limit);
    writing.add(batch)?;
    Ok(writing.finish())
}

/// Reads the records of a result.
///
/// # Errors
/// [`RddError`] if the bytes are not those of such records.
pub fn read_records<T: Data>(result: Bytes) -> Result<Vec<T>, RddError> {
    let mut frames = Frames::new(result);
    let mut records = Vec::new();
    while let Some(batch) = frames.next_batch()? {
        for row in batch.rows() {
            records.push(codec::decode(row.bytes()).map_err(|error| error.of("result"))?);
        }
    }
    Ok(records)
}

/// Reads the result of [`Action::Count`](super::Action::Count).
///
/// # Errors
/// [`RddError`] if the bytes are no count.
pub fn read_count(result: &[u8]) -> Result<u64, RddError> {
    codec::decode(result).map_err(|error| error.of("count"))
}

/// Reads the result of [`Action::Save`](super::Action::Save): one part for each partition.
///
/// # Errors
/// [`RddError`] if the bytes are no such parts.
pub fn read_saved(result: Bytes) -> Result<Vec<SavedPart>, RddError> {
    read_records(result)
}

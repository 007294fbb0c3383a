use bytes::Bytes;

use crate::rdd::{RddError, Rows, codec};

/// Counts records.
pub(super) fn run(rows: &mut dyn Rows) -> Result<Bytes, RddError> {
    let mut count = 0u64;
    while let Some(batch) = rows.next_batch()? {
        count += batch.len() as u64;
    }
    write(count)
}

/// Writes a count.
pub(super) fn write(count: u64) -> Result<Bytes, RddError> {
    Ok(codec::to_vec(&count).map_err(|error| error.of("count"))?.into())
}

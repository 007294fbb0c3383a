use bytes::Bytes;

use super::{ResultLimit, result::Writing};
use crate::rdd::{Batch, RddError, Rows};

/// Gathers the first so many records, and computes no more than they need.
pub(super) fn run(rows: &mut dyn Rows, records: u64, limit: ResultLimit) -> Result<Bytes, RddError> {
    let mut out = Writing::new(limit);
    let mut left = usize::try_from(records).unwrap_or(usize::MAX);
    while left > 0
        && let Some(batch) = rows.next_batch()?
    {
        if batch.len() <= left {
            out.add(&batch)?;
        } else {
            let mut first = Batch::new();
            batch.rows().take(left).try_for_each(|row| first.push(row))?;
            out.add(&first)?;
        }
        left = left.saturating_sub(batch.len());
    }
    Ok(out.finish())
}

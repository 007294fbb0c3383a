use bytes::Bytes;

use super::{ResultLimit, result::Writing};
use crate::rdd::{RddError, Rows};

/// Gathers all records.
pub(super) fn run(rows: &mut dyn Rows, limit: ResultLimit) -> Result<Bytes, RddError> {
    let mut out = Writing::new(limit);
    while let Some(batch) = rows.next_batch()? {
        out.add(&batch)?;
    }
    Ok(out.finish())
}

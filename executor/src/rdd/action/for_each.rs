use bytes::Bytes;

use crate::rdd::{AnyForEach, RddError, Rows};

/// Does something with each record, and has no result.
pub(super) fn run(rows: &mut dyn Rows, mut function: Box<dyn AnyForEach>) -> Result<Bytes, RddError> {
    while let Some(batch) = rows.next_batch()? {
        function.for_batch(&batch)?;
    }
    Ok(Bytes::new())
}

use bytes::Bytes;

use super::{ResultLimit, result::Writing};
use crate::rdd::{Batch, RddError, Rows};

/// Gathers the values of a key.
pub(super) fn run(rows: &mut dyn Rows, key: &[u8], limit: ResultLimit) -> Result<Bytes, RddError> {
    let mut out = Writing::new(limit);
    while let Some(batch) = rows.next_batch()? {
        let mut values = Batch::new();
        for row in batch.rows().filter(|row| row.is_pair() && row.key() == key) {
            values.push_whole(&[row.value()])?;
        }
        out.add(&values)?;
    }
    Ok(out.finish())
}

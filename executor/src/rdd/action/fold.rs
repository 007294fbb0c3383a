use bytes::Bytes;

use super::{ResultLimit, result};
use crate::rdd::{AnyCombiner, RddError, Rows, narrow::Partial};

/// Merges all records. The result has one record or none.
pub(super) fn run(
    rows: &mut dyn Rows,
    combiner: Box<dyn AnyCombiner>,
    combined: bool,
) -> Result<Bytes, RddError> {
    let batch = Partial::new(rows, combiner, combined).next_batch()?.unwrap_or_default();
    // It was one object in memory already: no limit of results makes it larger or smaller.
    result::one(&batch, ResultLimit(u64::MAX))
}

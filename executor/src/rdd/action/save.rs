use std::path::Path;

use bytes::Bytes;

use super::{ActionTask, result};
use crate::rdd::{Batch, RddError, Rows, codec, saved};

/// Writes records to a file, and says which.
pub(super) fn run(
    rows: &mut dyn Rows,
    folder: &str,
    token: &str,
    task: ActionTask<'_>,
) -> Result<Bytes, RddError> {
    let part = saved::write_part(Path::new(folder), token, task.partition, task.attempt, rows)?;
    let mut batch = Batch::new();
    codec::push(&mut batch, &part).map_err(|error| error.of("save"))?;
    result::one(&batch, task.limit)
}

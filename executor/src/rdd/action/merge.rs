use bytes::Bytes;

use super::{Action, ResultLimit, collect, count, counts, fold, ordered, result::read_count, take};
use crate::rdd::{RddError, Registry, Rows, batch::Several, source::Frames};

/// Puts the results of several partitions together, in the order of the partitions. What comes out is a result of the
/// same form, which can be merged again.
///
/// # Errors
/// [`RddError`] if a result is damaged, more than `limit` would come together, or a user's function fails.
pub fn merge(
    action: &Action,
    results: Vec<Bytes>,
    registry: &Registry,
    limit: ResultLimit,
) -> Result<Bytes, RddError> {
    if *action == Action::Count {
        let counts = results.iter().map(|result| read_count(result));
        let sum = counts.reduce(|sum, count| Ok(sum?.saturating_add(count?)));
        return count::write(sum.unwrap_or(Ok(0))?);
    }
    let mut rows = Several::new(results.into_iter().map(Frames::new));
    let rows: &mut dyn Rows = &mut rows;
    match action {
        Action::Collect | Action::Lookup { .. } | Action::Save { .. } => collect::run(rows, limit),
        Action::Take(records) => take::run(rows, *records, limit),
        Action::Ordered { records, end } => ordered::run(rows, *records, *end, limit),
        Action::CountByKey | Action::CountByRecord => counts::run(rows, counts::Of::Counts, limit),
        Action::Fold { combiner, .. } => fold::run(rows, registry.combiner(combiner)?, true),
        Action::Count | Action::ForEach(_) => Ok(Bytes::new()),
    }
}

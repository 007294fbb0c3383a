use std::{cmp::Ordering, ops::ControlFlow};

use howdah_executor::rdd::Data;
use howdah_proto::pb::{OrderedAction, action::Kind};

use crate::rdd::{ContextError, Rdd, records};

/// # The smallest and the largest
///
/// Records compare as they are encoded, which is as they compare themselves; floats in their total order.
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// # let context = Context::builder().in_process(1).start().await?;
/// let numbers = context.parallelize([5, 1, 4, 2, 3], 2);
/// assert_eq!(numbers.take_ordered(2).await?, [1, 2]);
/// assert_eq!(numbers.top(2).await?, [5, 4]);
/// assert_eq!((numbers.min().await?, numbers.max().await?), (1, 5));
/// # Ok(())
/// # }
/// ```
impl<T: Data> Rdd<T> {
    /// The smallest records, the smallest first: at most so many.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn take_ordered(&self, count: usize) -> Result<Vec<T>, ContextError> {
        self.ordered("take_ordered", count, false).await
    }

    /// The largest records, the largest first: at most so many.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn top(&self, count: usize) -> Result<Vec<T>, ContextError> {
        self.ordered("top", count, true).await
    }

    /// The smallest record.
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Empty`] if there is none.
    pub async fn min(&self) -> Result<T, ContextError> {
        self.ordered("min", 1, false).await?.pop().ok_or(ContextError::Empty { action: "min" })
    }

    /// The largest record.
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Empty`] if there is none.
    pub async fn max(&self) -> Result<T, ContextError> {
        self.ordered("max", 1, true).await?.pop().ok_or(ContextError::Empty { action: "max" })
    }

    async fn ordered(&self, what: &'static str, count: usize, largest: bool) -> Result<Vec<T>, ContextError> {
        if count == 0 {
            self.plan()?;
            return Ok(Vec::new());
        }
        let mut best = Best { count, largest, rows: Vec::new() };
        let action = Kind::Ordered(OrderedAction { count: count as u64, largest });
        for frames in self.act(what, action).await?.values() {
            let mut rows = Vec::new();
            records::each_row(what, frames, |row| {
                rows.push(row.bytes().to_vec());
                Ok(ControlFlow::Continue(()))
            })?;
            best.merge(rows);
        }
        best.rows.iter().map(|row| records::decode(what, row)).collect()
    }
}

/// The best records of the partitions that were seen: pure.
struct Best {
    count: usize,
    largest: bool,
    rows: Vec<Vec<u8>>,
}

impl Best {
    fn merge(&mut self, rows: Vec<Vec<u8>>) {
        self.rows.extend(rows);
        let order = |a: &Vec<u8>, b: &Vec<u8>| -> Ordering { if self.largest { b.cmp(a) } else { a.cmp(b) } };
        // Both parts are sorted, which this sort makes use of.
        self.rows.sort_by(order);
        self.rows.truncate(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_all_partitions_are_kept_in_order() {
        let best = |largest| {
            let mut best = Best { count: 3, largest, rows: Vec::new() };
            for part in [vec![3, 5], vec![], vec![1, 4, 9]] {
                best.merge(part.into_iter().map(|row: u8| vec![row]).collect());
            }
            best.rows.concat()
        };
        assert_eq!(best(false), [1, 3, 4]);
        assert_eq!(best(true), [9, 5, 4]);
    }
}

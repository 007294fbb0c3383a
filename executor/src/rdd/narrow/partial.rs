use crate::rdd::{AnyCombiner, Batch, RddError, Rows};

/// All records of a partition merged into one; none if it has none.
pub struct Partial<R> {
    rows: Option<R>,
    combiner: Box<dyn AnyCombiner>,
    combined: bool,
}

impl<R: Rows> Partial<R> {
    /// Merges records, which are accumulators already if `combined`.
    pub fn new(rows: R, combiner: Box<dyn AnyCombiner>, combined: bool) -> Self {
        Self { rows: Some(rows), combiner, combined }
    }
}

impl<R: Rows> Rows for Partial<R> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let Some(mut rows) = self.rows.take() else { return Ok(None) };
        let mut sum = None;
        while let Some(batch) = rows.next_batch()? {
            for row in batch.rows() {
                match (sum, self.combined) {
                    (None, false) => sum = Some(self.combiner.begin(row.bytes())?),
                    (None, true) => sum = Some(self.combiner.begin_combined(row.bytes())?),
                    (Some(slot), false) => self.combiner.add(slot, row.bytes())?,
                    (Some(slot), true) => self.combiner.merge(slot, row.bytes())?,
                }
            }
        }
        let Some(slot) = sum else { return Ok(None) };
        let mut out = Batch::new();
        out.push_with(|bytes| {
            let start = bytes.len();
            self.combiner.finish(slot, bytes)?;
            Ok::<_, RddError>(bytes.len() - start)
        })?;
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::{combiner, records, rows};

    #[test]
    fn a_partition_becomes_one_record_or_none() {
        let numbers: Vec<i64> = (-5..100).collect();
        let largest = Partial::new(rows(&numbers, 7), combiner("max_i64"), false);
        assert_eq!(records::<i64>(largest), [99]);
        let none = Partial::new(rows::<i64>(&[], 1), combiner("max_i64"), true);
        assert!(records::<i64>(none).is_empty());
    }
}

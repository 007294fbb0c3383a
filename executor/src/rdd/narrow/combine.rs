use super::pair;
use crate::rdd::{AnyCombiner, Batch, RddError, Rows, Slot};

/// The values of each key merged, of rows in which equal keys stand together.
pub struct Combined {
    rows: Box<dyn Rows>,
    combiner: Box<dyn AnyCombiner>,
    combined: bool,
    /// The key whose values are being merged, and where.
    open: Option<(Vec<u8>, Slot)>,
    input: Batch,
    next: usize,
    value: Vec<u8>,
}

impl Combined {
    /// Merges values, which are accumulators already if `combined`.
    pub fn new(rows: Box<dyn Rows>, combiner: Box<dyn AnyCombiner>, combined: bool) -> Self {
        Self { rows, combiner, combined, open: None, input: Batch::new(), next: 0, value: Vec::new() }
    }

    /// Takes a record; it ends the key before it if it has another.
    fn take(&mut self, out: &mut Batch) -> Result<(), RddError> {
        let Some(row) = self.input.row(self.next) else { return Ok(()) };
        let row = pair(row, "combine")?;
        match &mut self.open {
            Some((key, slot)) if key == row.key() => {
                if self.combined {
                    self.combiner.merge(*slot, row.value())?;
                } else {
                    self.combiner.add(*slot, row.value())?;
                }
            }
            open => {
                let mut key = Vec::new();
                if let Some((ended, slot)) = open.take() {
                    self.value.clear();
                    self.combiner.finish(slot, &mut self.value)?;
                    out.push_pair(&ended, &[&self.value])?;
                    key = ended;
                }
                key.clear();
                key.extend_from_slice(row.key());
                let slot = if self.combined {
                    self.combiner.begin_combined(row.value())?
                } else {
                    self.combiner.begin(row.value())?
                };
                *open = Some((key, slot));
            }
        }
        self.next += 1;
        Ok(())
    }
}

impl Rows for Combined {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while !out.is_full() {
            if self.next < self.input.len() {
                self.take(&mut out)?;
                continue;
            }
            self.next = 0;
            self.input = self.rows.next_batch()?.unwrap_or_default();
            if self.input.is_empty() {
                if let Some((key, slot)) = self.open.take() {
                    self.value.clear();
                    self.combiner.finish(slot, &mut self.value)?;
                    out.push_pair(&key, &[&self.value])?;
                }
                break;
            }
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::{combiner, records, rows};

    #[test]
    fn the_values_of_a_key_are_merged_across_batches() {
        let pairs: Vec<(String, u64)> = (0..50u64).map(|n| ((n / 7).to_string(), n)).collect();
        let sums: Vec<(String, u64)> = records(Combined::new(rows(&pairs, 4), combiner("sum_u64"), false));
        let expected = (0..8u64).map(|key| (key.to_string(), (0..50).filter(|n| n / 7 == key).sum()));
        assert_eq!(sums, expected.collect::<Vec<_>>());
        let again: Vec<(String, u64)> = records(Combined::new(rows(&sums, 3), combiner("sum_u64"), true));
        assert_eq!(again, sums);
        assert_eq!(records::<(u8, u64)>(Combined::new(rows::<u8>(&[], 1), combiner("sum_u64"), false)), []);
    }
}

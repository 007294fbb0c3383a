use std::ops::DerefMut;

use crate::rdd::{AnyCombiner, Batch, RddError, Rows, Slot, batch::PAIR_TRAILER_BYTES};

/// Merges the encoded accumulators of each key; the rows come sorted by key. A key that comes once is passed on as it
/// is.
pub(super) struct Combined<R, C> {
    rows: R,
    combiner: C,
    batch: Batch,
    at: usize,
    key: Vec<u8>,
    slot: Option<Slot>,
}

impl<R: Rows, C: DerefMut<Target = dyn AnyCombiner>> Combined<R, C> {
    pub(super) fn new(rows: R, combiner: C) -> Self {
        Self { rows, combiner, batch: Batch::new(), at: 0, key: Vec::new(), slot: None }
    }

    fn finish(&mut self, out: &mut Batch) -> Result<(), RddError> {
        match self.slot.take() {
            Some(slot) => out.push_with(|bytes| finish_pair(&mut *self.combiner, &self.key, slot, bytes)),
            None => Ok(()),
        }
    }
}

/// Appends the pair of a key and its accumulator.
pub(super) fn finish_pair(
    combiner: &mut dyn AnyCombiner,
    key: &[u8],
    slot: Slot,
    out: &mut Vec<u8>,
) -> Result<usize, RddError> {
    out.reserve(key.len() + PAIR_TRAILER_BYTES);
    out.extend_from_slice(key);
    combiner.finish(slot, out)?;
    out.extend_from_slice(&(key.len() as u32).to_be_bytes());
    Ok(key.len())
}

impl<R: Rows, C: DerefMut<Target = dyn AnyCombiner> + Send> Rows for Combined<R, C> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while !out.is_full() {
            let Some(row) = self.batch.row(self.at) else {
                self.at = 0;
                match self.rows.next_batch()? {
                    Some(batch) => self.batch = batch,
                    None => {
                        self.batch = Batch::new();
                        self.finish(&mut out)?;
                        break;
                    }
                }
                continue;
            };
            match self.slot {
                Some(slot) if self.key == row.key() => {
                    self.combiner.merge(slot, row.value())?;
                    self.at += 1;
                    continue;
                }
                Some(slot) => {
                    self.slot = None;
                    out.push_with(|bytes| finish_pair(&mut *self.combiner, &self.key, slot, bytes))?;
                    continue;
                }
                None => {}
            }
            match self.batch.row(self.at + 1) {
                Some(next) if next.key() != row.key() => out.push(row)?,
                // The next batch may go on with this key.
                _ => {
                    self.slot = Some(self.combiner.begin_combined(row.value())?);
                    self.key.clear();
                    self.key.extend_from_slice(row.key());
                }
            }
            self.at += 1;
        }
        Ok(Some(out).filter(|batch| !batch.is_empty()))
    }
}

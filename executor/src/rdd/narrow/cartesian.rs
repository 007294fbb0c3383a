use crate::rdd::{Batch, RddError, Rows};

/// Records of the first side that are held while the second one passes.
const BLOCK_BYTES: usize = 8 << 20;

/// Opens the rows of a partition, as often as it is asked.
pub type Open = Box<dyn Fn() -> Result<Box<dyn Rows>, RddError> + Send>;

/// All pairs of a record of one partition with one of another. The second one is computed once for each 8 MiB of the
/// first: neither need fit into memory.
pub struct Cartesian {
    left: Box<dyn Rows>,
    open: Open,
    block: Vec<Batch>,
    right: Option<Box<dyn Rows>>,
    inner: Batch,
    /// The next pair: a batch of the block, a record of it, and a record of `inner`.
    at: (usize, usize, usize),
}

impl Cartesian {
    /// Makes pairs; `open` gives the second side.
    pub fn new(left: Box<dyn Rows>, open: Open) -> Self {
        Self { left, open, block: Vec::new(), right: None, inner: Batch::new(), at: (0, 0, 0) }
    }

    /// Makes pairs of the block and the batch beside it until `out` is full; says whether they are all made.
    fn cross(&mut self, out: &mut Batch) -> Result<bool, RddError> {
        let (mut batch, mut left, mut right) = self.at;
        while let Some(outer) = self.block.get(batch) {
            while let Some(row) = outer.row(left) {
                while let Some(other) = self.inner.row(right) {
                    if out.is_full() {
                        self.at = (batch, left, right);
                        return Ok(false);
                    }
                    out.push_pair(row.bytes(), &[other.bytes()])?;
                    right += 1;
                }
                (left, right) = (left + 1, 0);
            }
            (batch, left) = (batch + 1, 0);
        }
        self.at = (0, 0, 0);
        self.inner.clear();
        Ok(true)
    }

    /// Goes on to the next batch of the second side; says whether there is any.
    fn advance(&mut self) -> Result<bool, RddError> {
        loop {
            if let Some(right) = &mut self.right {
                if let Some(batch) = right.next_batch()? {
                    self.inner = batch;
                    return Ok(true);
                }
                self.right = None;
            }
            self.block.clear();
            let mut bytes = 0;
            while bytes < BLOCK_BYTES
                && let Some(batch) = self.left.next_batch()?
            {
                bytes += batch.bytes();
                self.block.push(batch);
            }
            if self.block.is_empty() {
                return Ok(false);
            }
            self.right = Some((self.open)()?);
        }
    }
}

impl Rows for Cartesian {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while self.cross(&mut out)? && self.advance()? {}
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::{records, rows};

    #[test]
    fn each_record_meets_each_of_the_other_side() {
        let left: Vec<u32> = (0..200).collect();
        let open: Open = Box::new(|| Ok(rows(&(0..150u16).collect::<Vec<_>>(), 40)));
        let mut pairs: Vec<(u32, u16)> = records(Cartesian::new(rows(&left, 30), open));
        pairs.sort_unstable();
        let expected = left.iter().flat_map(|a| (0..150).map(move |b| (*a, b)));
        assert_eq!(pairs, expected.collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_side_makes_no_pair() {
        let open = || -> Open { Box::new(|| Ok(rows::<u8>(&[], 1))) };
        assert_eq!(records::<(u8, u8)>(Cartesian::new(rows(&[1u8], 1), open())), []);
        let one: Open = Box::new(|| Ok(rows(&[1u8], 1)));
        assert_eq!(records::<(u8, u8)>(Cartesian::new(rows::<u8>(&[], 1), one)), []);
    }
}

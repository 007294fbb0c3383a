use howdah_proto::{NodeId, Partition};

use crate::rdd::{Batch, RddError, Row, Rows};

/// Pairs of the records of two partitions that stand at the same place.
pub struct Zip {
    node: NodeId,
    partition: Partition,
    left: Side,
    right: Side,
}

struct Side {
    rows: Box<dyn Rows>,
    batch: Batch,
    next: usize,
    taken: u64,
}

impl Side {
    fn new(rows: Box<dyn Rows>) -> Self {
        Self { rows, batch: Batch::new(), next: 0, taken: 0 }
    }

    /// Whether there is another record; it is then the one at `next`.
    fn more(&mut self) -> Result<bool, RddError> {
        if self.next < self.batch.len() {
            return Ok(true);
        }
        self.next = 0;
        self.batch = self.rows.next_batch()?.unwrap_or_default();
        Ok(!self.batch.is_empty())
    }

    fn row(&self) -> Row<'_> {
        self.batch.row(self.next).unwrap_or(Row::whole(&[]))
    }

    fn advance(&mut self) {
        self.next += 1;
        self.taken += 1;
    }

    /// How many records there are in all.
    fn count(&mut self) -> Result<u64, RddError> {
        while self.more()? {
            self.taken += (self.batch.len() - self.next) as u64;
            self.next = self.batch.len();
        }
        Ok(self.taken)
    }
}

impl Zip {
    /// Makes pairs for a partition of a node.
    pub fn new(node: NodeId, partition: Partition, left: Box<dyn Rows>, right: Box<dyn Rows>) -> Self {
        Self { node, partition, left: Side::new(left), right: Side::new(right) }
    }

    fn unequal(&mut self) -> Result<RddError, RddError> {
        let (left, right) = (self.left.count()?, self.right.count()?);
        let reason = format!(
            "only as many records can be zipped as there are on the other side: partition {} has {left} and {right}",
            self.partition
        );
        Ok(RddError::Lineage { node: self.node, reason })
    }
}

impl Rows for Zip {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while !out.is_full() {
            match (self.left.more()?, self.right.more()?) {
                (true, true) => {
                    out.push_pair(self.left.row().bytes(), &[self.right.row().bytes()])?;
                    self.left.advance();
                    self.right.advance();
                }
                (false, false) => break,
                _ => return Err(self.unequal()?),
            }
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::{failure, records, rows};

    fn zip(left: &[u32], right: &[(u8, u8)]) -> Zip {
        Zip::new(NodeId(5), Partition(2), rows(left, 2), rows(right, 3))
    }

    #[test]
    fn records_at_the_same_place_become_pairs() {
        let right: Vec<(u8, u8)> = (0..7).map(|n| (n, 0)).collect();
        let pairs: Vec<(u32, (u8, u8))> = records(zip(&[6, 5, 4, 3, 2, 1, 0], &right));
        assert_eq!(pairs, (0..7).map(|n| (6 - u32::from(n), (n, 0))).collect::<Vec<_>>());
    }

    #[test]
    fn partitions_of_different_lengths_are_refused_with_both() {
        let error = failure(zip(&[0; 5], &[(0, 0); 7]));
        assert!(error.starts_with("node 5 can't be computed"), "{error}");
        assert!(error.ends_with("partition 2 has 5 and 7"), "{error}");
    }
}

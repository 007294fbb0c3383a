use howdah_proto::Partition;

use crate::rdd::{Batch, CodecError, RddError, Rows, codec};

/// The numbers of one partition of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRange {
    next: i64,
    step: i64,
    left: u64,
}

/// The share of `partition`, of so many, in `total` things: the place of the first, and how many there are. Shares
/// differ by one at most.
pub fn share(total: u64, partition: Partition, partitions: u32) -> (u64, u64) {
    let at =
        |partition: u32| (u128::from(total) * u128::from(partition) / u128::from(partitions.max(1))) as u64;
    let (first, end) = (at(partition.0), at(partition.0.saturating_add(1)));
    (first, end - first)
}

impl NumberRange {
    /// Takes the share of `partition` in the numbers from `start` up to, and without, `end`. `step` isn't 0.
    pub fn new(start: i64, end: i64, step: i64, partition: Partition, partitions: u32) -> Self {
        let (distance, step_by) = (i128::from(end) - i128::from(start), i128::from(step));
        // Rounded up; a range in the other direction has nothing.
        let total = match step_by.signum() {
            1 => (distance + step_by - 1) / step_by,
            -1 => (distance + step_by + 1) / step_by,
            _ => 0,
        };
        let (first, left) = share(total.max(0) as u64, partition, partitions);
        // It is a number of the range, or stands where there is none left.
        let next = i128::from(start) + i128::from(first) * step_by;
        Self { next: next as i64, step, left }
    }
}

impl Rows for NumberRange {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while self.left > 0 && !out.is_full() {
            codec::push(&mut out, &self.next).map_err(|error: CodecError| error.of("range"))?;
            self.next = self.next.wrapping_add(self.step);
            self.left -= 1;
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::records;

    fn all(start: i64, end: i64, step: i64, partitions: u32) -> Vec<Vec<i64>> {
        let part = |partition| NumberRange::new(start, end, step, Partition(partition), partitions);
        (0..partitions).map(|partition| records(part(partition))).collect()
    }

    #[test]
    fn partitions_share_the_numbers_in_order() {
        assert_eq!(all(0, 10, 3, 3), [vec![0], vec![3], vec![6, 9]]);
        assert_eq!(all(5, -5, -5, 1), [vec![5, 0]]);
        assert_eq!(all(0, 2, 1, 4).concat(), [0, 1]);
        assert!(all(3, 3, 1, 2).concat().is_empty() && all(3, 9, -1, 2).concat().is_empty());
        assert_eq!(all(0, 20_000, 1, 2)[1].len(), 10_000);
    }

    #[test]
    fn a_range_may_reach_from_end_to_end() {
        assert_eq!(all(i64::MAX - 1, i64::MAX, 1, 1), [vec![i64::MAX - 1]]);
        assert_eq!(all(i64::MIN, i64::MAX, i64::MAX, 1), [vec![i64::MIN, -1, i64::MAX - 1]]);
        let half = NumberRange::new(i64::MIN, i64::MAX, 1, Partition(1), 2);
        assert_eq!((half.next, half.left), (-1, 1 << 63));
    }
}

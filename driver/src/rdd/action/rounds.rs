use std::ops::Range;

/// How many times more partitions are looked at in the next round at most. Spark's figure (`limit.scaleUpFactor`).
const SCALE_UP: u64 = 4;

/// Looks for the first records of an RDD, round by round, in no more partitions than seem to be needed: pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rounds {
    wanted: u64,
    found: u64,
    partitions: u32,
    looked_at: u32,
}

impl Rounds {
    pub(super) fn new(wanted: u64, partitions: u32) -> Self {
        Self { wanted, found: 0, partitions, looked_at: 0 }
    }

    /// How many records are lacking.
    pub(super) fn lacking(&self) -> u64 {
        self.wanted.saturating_sub(self.found)
    }

    /// The partitions to look at next; none if there is nothing more to find.
    pub(super) fn next(&self) -> Option<Range<u32>> {
        if self.lacking() == 0 || self.looked_at >= self.partitions {
            return None;
        }
        let seen = u64::from(self.looked_at);
        let more = match (seen, self.found) {
            (0, _) => 1,
            (seen, 0) => seen * SCALE_UP,
            // Half as many again as would do if the others had as many records.
            (seen, found) => {
                let likely = u128::from(self.wanted) * u128::from(seen) * 3 / (u128::from(found) * 2);
                u64::try_from(likely).unwrap_or(u64::MAX).saturating_sub(seen).clamp(1, seen * SCALE_UP)
            }
        };
        let end = u64::from(self.partitions).min(seen + more) as u32;
        Some(self.looked_at..end)
    }

    /// So many records were found in the partitions up to this one.
    pub(super) fn found(&mut self, records: u64, end: u32) {
        self.found += records;
        self.looked_at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(wanted: u64, partitions: u32, records: impl Fn(u32) -> u64) -> Vec<Range<u32>> {
        let mut rounds = Rounds::new(wanted, partitions);
        let mut ranges = Vec::new();
        while let Some(range) = rounds.next() {
            rounds.found(range.clone().map(&records).sum(), range.end);
            ranges.push(range);
        }
        ranges
    }

    #[test]
    fn empty_partitions_make_rounds_grow_fourfold() {
        assert_eq!(rounds(1, 100, |_| 0), [0..1, 1..5, 5..25, 25..100]);
    }

    #[test]
    fn the_first_partition_is_enough_if_it_has_enough() {
        assert_eq!(rounds(10, 100, |_| 10).len(), 1);
        assert_eq!(rounds(0, 100, |_| 10), []);
        assert_eq!(rounds(5, 0, |_| 10), []);
    }

    #[test]
    fn what_was_found_tells_how_much_further_to_look() {
        assert_eq!(rounds(30, 1000, |_| 10), [0..1, 1..4]);
        assert_eq!(rounds(u64::MAX, 30, |_| 1), [0..1, 1..5, 5..25, 25..30]);
    }
}

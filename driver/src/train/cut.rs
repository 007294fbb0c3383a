use std::ops::Range;

use howdah_proto::Partition;

/// How a job's pictures are cut into partitions: training pictures first, then those
/// for validation, then held-out ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    train: Vec<Range<usize>>,
    validation: Vec<Range<usize>>,
    test: Vec<Range<usize>>,
}

/// What the pictures of a partition are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionUse {
    /// Training.
    Train,
    /// Choosing the best epoch.
    Validation,
    /// Evaluation.
    Test,
}

/// How many pictures there are of each use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Training pictures.
    pub train: usize,
    /// Those that choose the best epoch.
    pub validation: usize,
    /// Held-out ones.
    pub test: usize,
}

/// Four partitions per slot even out what executors of different speed get done, and bound what a lost one costs.
const PARTITIONS_PER_SLOT: u32 = 4;

impl Cut {
    /// Cuts so many pictures of each use for `slots` task slots.
    pub fn new(pictures: Counts, slots: u32, batch: u32, partitions: Option<u32>) -> Self {
        let Counts { train, validation, test } = pictures;
        let batches = train.div_ceil(batch.max(1) as usize);
        let wanted = partitions.unwrap_or(slots.max(1).saturating_mul(PARTITIONS_PER_SLOT)) as usize;
        Self {
            train: even(0, train, wanted.min(batches)),
            validation: even(train, validation, (slots.max(1) as usize).min(validation)),
            test: even(train + validation, test, (slots.max(1) as usize).min(test)),
        }
    }

    /// All partitions, training ones first, with what they are for.
    pub fn partitions(&self) -> impl Iterator<Item = (Partition, PartitionUse)> {
        let roles = [
            (PartitionUse::Train, self.train.len()),
            (PartitionUse::Validation, self.validation.len()),
            (PartitionUse::Test, self.test.len()),
        ];
        let roles = roles.into_iter().flat_map(|(role, count)| std::iter::repeat_n(role, count));
        roles.enumerate().map(|(index, role)| (Partition(index as u32), role))
    }

    /// The places of a partition's pictures in the job's listing; empty if there is no such partition.
    pub fn files(&self, partition: Partition) -> Range<usize> {
        let mut ranges = self.train.iter().chain(&self.validation).chain(&self.test);
        ranges.nth(partition.0 as usize).cloned().unwrap_or(0..0)
    }
}

/// Cuts `count` things from `start` on into `parts` ranges that differ by at most one.
fn even(start: usize, count: usize, parts: usize) -> Vec<Range<usize>> {
    (0..parts).map(|part| start + count * part / parts..start + count * (part + 1) / parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(train: usize, validation: usize, test: usize) -> Counts {
        Counts { train, validation, test }
    }

    #[test]
    fn every_picture_is_in_exactly_one_partition() {
        let cut = Cut::new(counts(1_001, 10, 37), 3, 32, None);
        let files: Vec<usize> = cut.partitions().flat_map(|(partition, _)| cut.files(partition)).collect();
        assert_eq!(files, (0..1_048).collect::<Vec<_>>());
        assert_eq!(cut.train.len(), 12);
        assert_eq!((cut.validation.len(), cut.test.len()), (3, 3));
        assert!(cut.train.iter().all(|range| (83..=84).contains(&range.len())));
        assert_eq!(cut.files(Partition(99)), 0..0);
    }

    #[test]
    fn a_partition_has_at_least_a_batch_and_a_small_test_set_no_empty_partition() {
        let cut = Cut::new(counts(70, 0, 1), 8, 32, Some(100));
        assert_eq!((cut.train.len(), cut.test.len()), (3, 1));
        let none = Cut::new(counts(70, 0, 0), 8, 32, None);
        assert!(none.partitions().all(|(_, role)| role == PartitionUse::Train));
    }
}

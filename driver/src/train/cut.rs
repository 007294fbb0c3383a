use std::ops::Range;

use howdah_proto::Partition;

/// How a job's pictures are cut into partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    parts: Vec<(Range<usize>, PartitionUse)>,
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

/// How the pictures of a listing lie in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// The training pictures first, then those for validation, then the held-out ones.
    Split {
        /// How many there are to train on.
        train: usize,
        /// How many choose the best epoch.
        validation: usize,
        /// How many are held out.
        test: usize,
    },
    /// Fold after fold.
    Folds {
        /// How many pictures each has.
        sizes: Vec<usize>,
        /// The place of the one that is held out.
        held_out: usize,
    },
}

impl Layout {
    /// Where the pictures to train on, those for validation and the held-out ones lie; of folds, all are to train on.
    pub fn roles(&self) -> [Range<usize>; 3] {
        let [train, validation, test] = match self {
            Self::Split { train, validation, test } => [*train, *validation, *test],
            Self::Folds { sizes, .. } => [sizes.iter().sum(), 0, 0],
        };
        let [first, second, third] = [train, train + validation, train + validation + test];
        [0..first, first..second, second..third]
    }

    /// Where the pictures of the fold lie that is held out; nowhere without folds.
    pub fn held_out_fold(&self) -> Range<usize> {
        match self {
            Self::Split { .. } => 0..0,
            Self::Folds { sizes, held_out } => {
                let start = sizes.iter().take(*held_out).sum();
                start..start + sizes.get(*held_out).copied().unwrap_or(0)
            }
        }
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::Split { train: 0, validation: 0, test: 0 }
    }
}

/// Four partitions per slot even out what executors of different speed get done, and bound what a lost one costs.
const PARTITIONS_PER_SLOT: u32 = 4;

impl Cut {
    /// Cuts pictures for `slots` task slots; `partitions` is how many of them train.
    ///
    /// Folds are cut alike whichever is held out, so that the partitions of one are those of all.
    pub fn new(layout: &Layout, slots: u32, batch: u32, partitions: Option<u32>) -> Self {
        let slots = slots.max(1);
        let wanted = partitions.unwrap_or(slots.saturating_mul(PARTITIONS_PER_SLOT)) as usize;
        let batches = |pictures: usize| pictures.div_ceil(batch.max(1) as usize);
        let mut parts = Vec::new();
        match layout {
            Layout::Split { train, validation, test } => {
                let (train, validation, test) = (*train, *validation, *test);
                let of_slots = |pictures: usize| (slots as usize).min(pictures);
                extend(&mut parts, 0, train, wanted.min(batches(train)), PartitionUse::Train);
                extend(&mut parts, train, validation, of_slots(validation), PartitionUse::Validation);
                extend(&mut parts, train + validation, test, of_slots(test), PartitionUse::Test);
            }
            Layout::Folds { sizes, held_out } => {
                let smallest = sizes.iter().copied().min().unwrap_or(0);
                let each = wanted.div_ceil(sizes.len().saturating_sub(1).max(1)).min(batches(smallest));
                let mut start = 0;
                for (fold, size) in sizes.iter().enumerate() {
                    let role = if fold == *held_out { PartitionUse::Test } else { PartitionUse::Train };
                    extend(&mut parts, start, *size, each, role);
                    start += size;
                }
            }
        }
        Self { parts }
    }

    /// All partitions, with what they are for.
    pub fn partitions(&self) -> impl Iterator<Item = (Partition, PartitionUse)> {
        self.parts.iter().enumerate().map(|(index, (_, role))| (Partition(index as u32), *role))
    }

    /// The places of a partition's pictures in the job's listing; empty if there is no such partition.
    pub fn files(&self, partition: Partition) -> Range<usize> {
        self.parts.get(partition.0 as usize).map_or(0..0, |(range, _)| range.clone())
    }
}

/// Cuts `count` pictures from `start` on into so many parts that differ by at most one.
fn extend(
    parts: &mut Vec<(Range<usize>, PartitionUse)>,
    start: usize,
    count: usize,
    into: usize,
    role: PartitionUse,
) {
    let range = |part: usize| start + count * part / into..start + count * (part + 1) / into;
    parts.extend((0..into).map(|part| (range(part), role)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(cut: &Cut, of: PartitionUse) -> Vec<usize> {
        let wanted = cut.partitions().filter(|(_, role)| *role == of);
        wanted.map(|(partition, _)| cut.files(partition).len()).collect()
    }

    #[test]
    fn every_picture_is_in_exactly_one_partition() {
        let cut = Cut::new(&Layout::Split { train: 1_001, validation: 10, test: 37 }, 3, 32, None);
        let files: Vec<usize> = cut.partitions().flat_map(|(partition, _)| cut.files(partition)).collect();
        assert_eq!(files, (0..1_048).collect::<Vec<_>>());
        let train = lengths(&cut, PartitionUse::Train);
        let others = [PartitionUse::Validation, PartitionUse::Test].map(|of| lengths(&cut, of).len());
        assert_eq!((train.len(), others), (12, [3, 3]));
        assert!(train.iter().all(|pictures| (83..=84).contains(pictures)));
        assert_eq!(cut.files(Partition(99)), 0..0);
    }

    #[test]
    fn a_partition_has_at_least_a_batch_and_a_small_test_set_no_empty_partition() {
        let cut = Cut::new(&Layout::Split { train: 70, validation: 0, test: 1 }, 8, 32, Some(100));
        assert_eq!(lengths(&cut, PartitionUse::Train).len(), 3);
        assert_eq!(lengths(&cut, PartitionUse::Test).len(), 1);
        let none = Cut::new(&Layout::Split { train: 70, validation: 0, test: 0 }, 8, 32, None);
        assert!(none.partitions().all(|(_, role)| role == PartitionUse::Train));
    }

    #[test]
    fn folds_are_cut_alike_whichever_is_held_out() {
        let cut = |held_out: usize, partitions| {
            let layout = Layout::Folds { sizes: vec![101, 100, 100, 99], held_out };
            Cut::new(&layout, 2, 32, partitions)
        };
        let files = |cut: &Cut| -> Vec<Range<usize>> {
            cut.partitions().map(|(partition, _)| cut.files(partition)).collect()
        };
        assert_eq!(files(&cut(0, None)), files(&cut(3, None)));
        let last = cut(3, None);
        assert_eq!(lengths(&last, PartitionUse::Test).iter().sum::<usize>(), 99);
        assert_eq!(lengths(&last, PartitionUse::Train).iter().sum::<usize>(), 301);
        // A run that goes on says how many partitions it trained on, and gets the same ones.
        let trained = lengths(&last, PartitionUse::Train).len() as u32;
        assert_eq!(cut(3, Some(trained)), last);
    }
}

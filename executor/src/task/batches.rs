use howdah_proto::{Epoch, Partition, Step};

use crate::random::Random;

/// The batches of a training task: a function of seed, partition and epoch alone, so that step `k` is the same
/// batch on whichever executor and attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batches {
    order: Vec<u32>,
    batch: usize,
}

impl Batches {
    pub(super) fn new(seed: u64, partition: Partition, epoch: Epoch, samples: usize, batch: u32) -> Self {
        let mut order: Vec<u32> = (0..samples as u32).collect();
        Random::new(&[seed, u64::from(partition.0), u64::from(epoch.0)]).shuffle(&mut order);
        Self { order, batch: batch.max(1) as usize }
    }

    /// The last step: the number of batches.
    pub(super) fn last(&self) -> Step {
        Step(steps(self.order.len() as u64, self.batch as u32))
    }

    /// The rows of step `step`; the last batch may be shorter.
    pub(super) fn rows(&self, step: Step) -> &[u32] {
        let start = (step.0 as usize).saturating_sub(1) * self.batch;
        let end = self.order.len().min(start + self.batch);
        self.order.get(start..end).unwrap_or_default()
    }
}

/// How many batches `samples` make.
pub fn steps(samples: u64, batch: u32) -> u64 {
    samples.div_ceil(u64::from(batch.max(1)))
}

/// The last step of the push that begins at `first`: pushes are cut at multiples of the interval, so that
/// every attempt cuts alike.
pub(super) fn push_end(first: Step, interval: u64, last: Step) -> Step {
    Step((first.0.saturating_sub(1) / interval + 1).saturating_mul(interval).min(last.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(seed: u64, epoch: u32) -> Batches {
        Batches::new(seed, Partition(3), Epoch(epoch), 70, 32)
    }

    #[test]
    fn every_sample_is_in_exactly_one_batch() {
        let batches = batches(1, 1);
        assert_eq!(batches.last(), Step(3));
        let mut seen: Vec<u32> = (1..=3).flat_map(|step| batches.rows(Step(step)).to_vec()).collect();
        assert_eq!(batches.rows(Step(3)).len(), 6);
        assert!(batches.rows(Step(4)).is_empty());
        seen.sort_unstable();
        assert_eq!(seen, (0..70).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_is_decided_by_seed_partition_and_epoch() {
        assert_eq!(batches(1, 1), batches(1, 1));
        assert_ne!(batches(1, 1), batches(1, 2));
        assert_ne!(batches(1, 1), batches(2, 1));
    }

    #[test]
    fn pushes_are_cut_alike_wherever_an_attempt_begins() {
        for first in 1..=20 {
            let end = push_end(Step(first), 8, Step(19)).0.max(first);
            assert!(end % 8 == 0 || end >= 19, "{first}..{end}");
        }
        assert_eq!(push_end(Step(1), 8, Step(19)), Step(8));
        assert_eq!(push_end(Step(8), 8, Step(19)), Step(8));
        assert_eq!(push_end(Step(9), 8, Step(19)), Step(16));
        assert_eq!(push_end(Step(17), 8, Step(19)), Step(19));
    }
}

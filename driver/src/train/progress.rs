use std::collections::BTreeMap;

use howdah_proto::Partition;

/// How far the tasks of a stage are, together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StageProgress {
    tasks: BTreeMap<Partition, u64>,
    total: u64,
}

impl StageProgress {
    /// Starts a stage whose tasks have these amounts of work.
    pub fn new(total: u64) -> Self {
        Self { tasks: BTreeMap::new(), total }
    }

    /// Notes how far a task is; a retried task may fall back.
    pub fn note(&mut self, partition: Partition, done: u64) {
        self.tasks.insert(partition, done);
    }

    /// What is done.
    pub fn done(&self) -> u64 {
        self.tasks.values().sum::<u64>().min(self.total)
    }

    /// Of how much.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_add_up_and_a_retried_one_falls_back() {
        let mut progress = StageProgress::new(10);
        progress.note(Partition(0), 4);
        progress.note(Partition(1), 3);
        assert_eq!(progress.done(), 7);
        progress.note(Partition(0), 0);
        assert_eq!(progress.done(), 3);
        progress.note(Partition(0), 99);
        assert_eq!(progress.done(), 10);
    }
}

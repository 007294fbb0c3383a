use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{NodeId, pb};
use pb::{accumulator_update::Value, run_reply::Reply};

use super::lineages::Program;
use crate::plan::Goal;

/// What a program saw of a job.
#[derive(Debug)]
pub(super) struct Watched {
    node: NodeId,
    partitions: Vec<u32>,
    /// The right value of each wanted partition, as bytes.
    expected: BTreeMap<u32, Vec<u8>>,
    came: BTreeMap<u32, Vec<u8>>,
    complete: BTreeSet<u32>,
    pub(super) end: Option<Reply>,
    no_more: bool,
}

impl Watched {
    pub(super) fn new(program: &Program, node: NodeId, partitions: Vec<u32>) -> Self {
        let value = |partition: &u32| {
            let value = program.value(node, howdah_proto::Partition(*partition));
            (*partition, value.to_le_bytes().to_vec())
        };
        let expected = partitions.iter().map(value).collect();
        let (came, complete) = (BTreeMap::new(), BTreeSet::new());
        Self { node, partitions, expected, came, complete, end: None, no_more: false }
    }

    pub(super) fn take(&mut self, reply: Reply) {
        assert!(self.end.is_none(), "{reply:?} came after the end");
        match reply {
            Reply::Started(_) | Reply::Progress(_) => {}
            Reply::Parts(parts) => parts.parts.into_iter().for_each(|part| self.take_part(part)),
            Reply::Finished(_) | Reply::Failed(_) => self.end = Some(reply),
        }
    }

    fn take_part(&mut self, part: pb::Part) {
        assert!(!self.complete.contains(&part.partition), "partition {} came twice", part.partition);
        self.came.entry(part.partition).or_default().extend_from_slice(&part.data);
        if part.last {
            self.complete.insert(part.partition);
        }
    }

    pub(super) fn close(&mut self) {
        assert!(self.end.is_some() && !self.no_more, "it was not told the end, or is closed twice");
        self.no_more = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.no_more
    }

    /// Checks that it finished with the right results.
    pub(super) fn check_results(&self, seed: u64) {
        let Some(Reply::Finished(_)) = &self.end else { panic!("seed {seed}: {:?}", self.end) };
        assert_eq!(self.came, self.expected, "seed {seed}: node {}", self.node);
        assert_eq!(self.complete.iter().copied().collect::<Vec<_>>(), self.partitions, "seed {seed}");
    }

    /// Checks that it finished with the right results, and that each task added once to the accumulators.
    pub(super) fn check_right(&self, seed: u64) {
        self.check_results(seed);
        let Some(Reply::Finished(finished)) = &self.end else { panic!("seed {seed}: {:?}", self.end) };
        let sums: BTreeMap<u64, Option<Value>> =
            finished.accumulators.iter().map(|sum| (sum.accumulator_id, sum.value)).collect();
        for (id, sum) in &sums {
            assert_eq!(*sum, Some(Value::Unsigned(1)), "seed {seed}: accumulator {id:x}");
        }
        for partition in &self.partitions {
            assert!(sums.contains_key(&accumulator(Goal::Result, *partition)), "seed {seed}: {sums:?}");
        }
    }

    pub(super) fn failure(&self) -> Option<&pb::RunFailed> {
        match &self.end {
            Some(Reply::Failed(failed)) => Some(failed),
            _ => None,
        }
    }
}

/// Each task has an accumulator of its own, to which it adds one.
pub(super) fn accumulator(goal: Goal, partition: u32) -> u64 {
    let stage = match goal {
        Goal::Result => 0,
        Goal::Shuffle(shuffle) => 1 + u64::from(shuffle.0),
    };
    stage << 32 | u64::from(partition)
}

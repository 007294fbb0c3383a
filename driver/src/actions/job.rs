use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use howdah_proto::{Attempt, AttemptId, ContextId, NodeId, Partition, WireError, pb};

use super::{Accumulators, ActionOptions};
use crate::{plan::Goal, scheduler::Millis};

/// A job that runs an action on an RDD.
#[derive(Debug)]
pub struct ActionJob {
    /// Whose RDD it is.
    pub context: ContextId,
    /// The RDD's node.
    pub node: NodeId,
    /// The partitions that are wanted.
    pub partitions: Vec<Partition>,
    /// What is done with each.
    pub action: pb::Action,
    /// What the program set.
    pub options: ActionOptions,
    /// What happened so far.
    pub report: pb::RunReport,
    /// How often its stages were planned anew since a result came.
    pub plans: u32,
    /// When progress was told last.
    told: Millis,
    finished: BTreeSet<Partition>,
    /// What came ahead of the end of attempts that run.
    chunks: BTreeMap<AttemptId, Chunks>,
    /// Bytes of the results that were passed on.
    passed_bytes: u64,
    accumulators: Accumulators,
    /// The tasks whose updates have been added.
    counted: BTreeSet<(Goal, Partition)>,
}

#[derive(Debug, Default)]
struct Chunks {
    bytes: u64,
    data: Vec<Bytes>,
}

/// The results are larger than the program allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the results take more than {limit} bytes")]
pub struct TooLarge {
    /// What the program allows.
    pub limit: u64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// All results have come.
    Well,
    /// It failed, or was cancelled.
    Badly {
        /// How.
        kind: pb::run_failed::Kind,
        /// Why.
        error: String,
        /// What the user can do.
        hint: String,
    },
}

impl ActionJob {
    /// Makes a job to which nothing has come yet.
    pub fn new(
        context: ContextId,
        node: NodeId,
        partitions: Vec<Partition>,
        action: pb::Action,
        options: ActionOptions,
    ) -> Self {
        Self {
            context,
            node,
            partitions,
            action,
            options,
            report: pb::RunReport::default(),
            plans: 0,
            told: Millis(0),
            finished: BTreeSet::new(),
            chunks: BTreeMap::new(),
            passed_bytes: 0,
            accumulators: Accumulators::default(),
            counted: BTreeSet::new(),
        }
    }

    /// The partitions whose results have not come.
    pub fn missing(&self) -> Vec<Partition> {
        self.partitions.iter().copied().filter(|partition| !self.finished.contains(partition)).collect()
    }

    /// How many results have come.
    pub fn done(&self) -> u32 {
        self.finished.len() as u32
    }

    /// A piece of the large result of a partition comes.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn on_chunk(
        &mut self,
        attempt: AttemptId,
        partition: Partition,
        data: Bytes,
    ) -> Result<(), TooLarge> {
        if self.finished.contains(&partition) {
            return Ok(());
        }
        let chunks = self.chunks.entry(attempt).or_default();
        chunks.bytes += data.len() as u64;
        chunks.data.push(data);
        self.check_limit()
    }

    /// An attempt ended without success: what came of it is dropped.
    pub fn on_attempt_over(&mut self, attempt: AttemptId) {
        self.chunks.remove(&attempt);
    }

    /// All its attempts are called off: what came of them is dropped.
    pub fn on_planned_anew(&mut self) {
        self.chunks.clear();
    }

    /// A task succeeded, for the first time or again; gives the result to pass on, in pieces.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn on_task_done(
        &mut self,
        attempt: AttemptId,
        goal: Goal,
        partition: Partition,
        done: pb::RddDone,
    ) -> Result<Vec<pb::Part>, TooLarge> {
        if self.counted.insert((goal, partition)) {
            // They were checked when they came.
            let _ = self.accumulators.add(&done.accumulators);
        }
        let Chunks { bytes, data: mut pieces } = self.chunks.remove(&attempt).unwrap_or_default();
        if goal != Goal::Result || !self.finished.insert(partition) {
            return Ok(Vec::new());
        }
        let others = AttemptId { attempt: Attempt(0), ..attempt }..=AttemptId {
            attempt: Attempt(u32::MAX),
            ..attempt
        };
        for slower in self.chunks.range(others).map(|(other, _)| *other).collect::<Vec<_>>() {
            self.chunks.remove(&slower);
        }
        self.plans = 0;
        self.passed_bytes += bytes + done.result.len() as u64;
        self.check_limit()?;
        pieces.push(done.result);
        let last = pieces.len() - 1;
        let part = |(place, data)| pb::Part { partition: partition.0, data, last: place == last };
        Ok(pieces.into_iter().enumerate().map(part).collect())
    }

    /// Checks what a task says it has added to accumulators.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn check(&self, done: &pb::RddDone) -> Result<(), WireError> {
        if done.accumulators.is_empty() { Ok(()) } else { self.accumulators.clone().add(&done.accumulators) }
    }

    /// How far it is, if that was not told within `interval`.
    pub fn progress(&mut self, now: Millis, interval: std::time::Duration) -> Option<pb::RunProgress> {
        if now.since(self.told) < interval {
            return None;
        }
        self.told = now;
        let total = self.partitions.len() as u32;
        Some(pb::RunProgress { done: self.done(), total, waiting: String::new() })
    }

    /// The sums of its accumulators.
    pub fn accumulators(&self) -> &Accumulators {
        &self.accumulators
    }

    /// Two attempts of a task have the same result, which counts once.
    fn check_limit(&self) -> Result<(), TooLarge> {
        let mut ahead = BTreeMap::new();
        for (attempt, chunks) in &self.chunks {
            let most = ahead.entry((attempt.stage, attempt.task)).or_insert(0);
            *most = chunks.bytes.max(*most);
        }
        let limit = self.options.result_limit_bytes;
        if self.passed_bytes + ahead.values().sum::<u64>() > limit { Err(TooLarge { limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Attempt, JobId, StageId, TaskIndex, pb::accumulator_update::Value};

    use super::*;

    fn job(limit: u64) -> ActionJob {
        let options = pb::RunOptions { result_limit_bytes: limit, ..Default::default() };
        let partitions = vec![Partition(0), Partition(1)];
        let action = pb::Action { kind: None };
        ActionJob::new(ContextId(1), NodeId(0), partitions, action, Some(options).into())
    }

    fn attempt(task: u32, attempt: u32) -> AttemptId {
        AttemptId { job: JobId(1), stage: StageId(1), task: TaskIndex(task), attempt: Attempt(attempt) }
    }

    fn done(result: &'static str) -> pb::RddDone {
        let sum = pb::AccumulatorUpdate { accumulator_id: 1, value: Some(Value::Unsigned(1)) };
        pb::RddDone { result: result.into(), accumulators: vec![sum], ..Default::default() }
    }

    #[test]
    fn a_result_in_pieces_is_passed_on_whole_and_once() {
        let mut job = job(100);
        job.on_chunk(attempt(0, 1), Partition(0), "lost".into()).unwrap();
        job.on_attempt_over(attempt(0, 1));
        job.on_chunk(attempt(0, 2), Partition(0), "a".into()).unwrap();
        let parts = job.on_task_done(attempt(0, 2), Goal::Result, Partition(0), done("b")).unwrap();
        let parts: Vec<_> = parts.iter().map(|part| (part.partition, &part.data[..], part.last)).collect();
        assert_eq!(parts, [(0, &b"a"[..], false), (0, b"b", true)]);
        let again = job.on_task_done(attempt(0, 3), Goal::Result, Partition(0), done("b")).unwrap();
        assert!(again.is_empty());
        assert_eq!((job.missing(), job.passed_bytes), (vec![Partition(1)], 2));
    }

    #[test]
    fn results_above_the_limit_are_an_error_wherever_they_come_from() {
        let mut job = job(3);
        job.on_chunk(attempt(0, 1), Partition(0), "ab".into()).unwrap();
        assert_eq!(job.on_chunk(attempt(1, 1), Partition(1), "cd".into()), Err(TooLarge { limit: 3 }));
    }

    #[test]
    fn two_attempts_of_a_task_take_as_much_as_one() {
        let mut job = job(3);
        job.on_chunk(attempt(0, 1), Partition(0), "ab".into()).unwrap();
        job.on_chunk(attempt(0, 2), Partition(0), "ab".into()).unwrap();
        job.on_task_done(attempt(0, 2), Goal::Result, Partition(0), done("c")).unwrap();
        job.on_chunk(attempt(0, 1), Partition(0), "late".into()).unwrap();
        assert_eq!(job.passed_bytes, 3);
    }

    #[test]
    fn a_task_that_added_nothing_at_first_adds_nothing_when_it_runs_again() {
        let mut job = job(100);
        let shuffle = Goal::Shuffle(NodeId(0));
        job.on_task_done(attempt(0, 1), shuffle, Partition(0), pb::RddDone::default()).unwrap();
        job.on_task_done(attempt(0, 2), shuffle, Partition(0), done("")).unwrap();
        assert_eq!(job.accumulators().to_wire(), []);
    }

    #[test]
    fn accumulators_count_each_task_once_however_often_it_runs() {
        let mut job = job(100);
        let shuffle = Goal::Shuffle(NodeId(0));
        for attempt_number in 1..4 {
            job.on_task_done(attempt(0, attempt_number), shuffle, Partition(0), done("")).unwrap();
        }
        job.on_task_done(attempt(0, 1), Goal::Result, Partition(0), done("")).unwrap();
        let value = job.accumulators().to_wire()[0].value;
        assert_eq!(value, Some(Value::Unsigned(2)));
    }
}

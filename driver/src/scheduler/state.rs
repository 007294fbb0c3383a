use std::collections::BTreeMap;

use howdah_proto::{AttemptId, BlockId, JobId, MemberId, Partition, StageId};

use super::{
    Command, Executor, Millis, Options, PoolView, StageCounts,
    exclusion::Record,
    executors::Executors,
    jobs::Jobs,
    locality::Locations,
    pools::Pools,
    queues::Index,
    tasks::{StageKey, TaskKey},
};

/// The scheduler's whole state: jobs, executors, blocks, outputs and queues.
///
/// Jobs get slots in the order of their pools and of their ids, the stages of a job in the order of theirs, and
/// the tasks of a stage in theirs.
#[derive(Debug, Default)]
pub struct Scheduler {
    pub(super) options: Options,
    pub(super) executors: Executors,
    pub(super) jobs: Jobs,
    pub(super) pools: Pools,
    pub(super) blocks: Locations,
    pub(super) index: Index,
    /// What failed on which executor.
    pub(super) records: BTreeMap<MemberId, Record>,
    /// How many jobs wait for an executor.
    pub(super) waiting: usize,
}

impl Scheduler {
    /// Makes a scheduler that knows no executor and no job.
    pub fn new(options: Options) -> Self {
        let pools = Pools::new(&options.pools);
        Self { options, pools, ..Self::default() }
    }

    /// Returns when [`Self::on_tick`] must be called next, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.index.timers.first().map(|(at, _)| *at)
    }

    /// Returns how many tasks of a stage are in which state; none if its job has ended.
    pub fn stage_counts(&self, job: JobId, stage: StageId) -> Option<StageCounts> {
        Some(self.jobs.stage(StageKey { job, stage })?.counts())
    }

    /// Returns the number of a stage's attempt, counted from 1; none if its job has ended.
    pub fn stage_attempt(&self, job: JobId, stage: StageId) -> Option<u32> {
        Some(self.jobs.stage(StageKey { job, stage })?.attempt)
    }

    /// Returns the executors that get no tasks of a stage because too many failed there.
    pub fn excluded_for_stage(&self, job: JobId, stage: StageId) -> impl Iterator<Item = MemberId> + '_ {
        self.jobs.stage(StageKey { job, stage }).into_iter().flat_map(|stage| stage.excluded.iter().copied())
    }

    /// Returns the executors that get no tasks at all for a while; [`Executor::excluded_until`] says until when.
    pub fn excluded(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.executors.excluded()
    }

    /// Returns the pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = PoolView> + '_ {
        self.pools.views()
    }

    /// Returns the executors, lowest id first.
    pub fn executors(&self) -> impl Iterator<Item = (MemberId, &Executor)> {
        self.executors.iter()
    }

    /// Returns the partition that an attempt's task computes; none if its stage has ended.
    pub fn partition(&self, attempt: AttemptId) -> Option<Partition> {
        Some(self.jobs.task(TaskKey::from(attempt))?.partition)
    }

    /// Returns an executor, if it is registered.
    pub fn executor(&self, id: MemberId) -> Option<&Executor> {
        self.executors.get(id)
    }

    /// Returns the executors that hold a block, lowest id first, draining ones included.
    pub fn holders(&self, block: BlockId) -> impl Iterator<Item = MemberId> + '_ {
        self.blocks.holders(block)
    }

    /// Whether a job is neither finished, failed nor cancelled.
    pub fn is_live(&self, job: JobId) -> bool {
        self.jobs.live.contains_key(&job)
    }

    /// Whether there is no job, and no attempt runs.
    pub fn is_idle(&self) -> bool {
        self.jobs.live.is_empty() && self.executors.iter().all(|(_, executor)| executor.attempts.is_empty())
    }

    /// Ends every event: free slots get tasks, and jobs that can't go on say so.
    pub(super) fn settle(&mut self, now: Millis, mut commands: Vec<Command>) -> Vec<Command> {
        self.include_all_if_none_is_left(&mut commands);
        self.tell_waiting(now, &mut commands);
        self.assign(now, &mut commands);
        commands
    }

    /// Whether nothing is kept for any job.
    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        self.is_idle()
            && self.blocks.is_empty()
            && self.index.is_empty()
            && self.pools.is_empty()
            && self.jobs.by_context.is_empty()
            && self.records.is_empty()
            && self.waiting == 0
    }
}

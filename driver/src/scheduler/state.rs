use howdah_proto::{BlockId, JobId, MemberId, StageId};

use super::{
    Command, Executor, Millis, Options, StageCounts, executors::Executors, jobs::Jobs, locality::Locations,
    pending::Queues,
};

/// The scheduler's whole state: jobs, executors, blocks and queues.
///
/// Jobs get slots in the order of their ids, the stages of a job in the order of theirs, and the tasks of a
/// stage in theirs.
#[derive(Debug, Default)]
pub struct Scheduler {
    pub(super) options: Options,
    pub(super) executors: Executors,
    pub(super) jobs: Jobs,
    pub(super) blocks: Locations,
    pub(super) queues: Queues,
    /// How many jobs wait for an executor.
    pub(super) waiting: usize,
}

impl Scheduler {
    /// Makes a scheduler that knows no executor and no job.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Returns when [`Self::on_tick`] must be called next, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.queues.timers.first().map(|(at, _)| *at)
    }

    /// Returns how many tasks of a stage are in which state; none if its job has ended.
    pub fn stage_counts(&self, job: JobId, stage: StageId) -> Option<StageCounts> {
        Some(self.jobs.live.get(&job)?.stages.get(&stage)?.counts)
    }

    /// Returns the executors, lowest id first.
    pub fn executors(&self) -> impl Iterator<Item = (MemberId, &Executor)> {
        self.executors.iter()
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
        self.tell_waiting(now, &mut commands);
        self.assign(now, &mut commands);
        commands
    }

    /// Whether nothing is kept for any job.
    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        self.is_idle() && self.blocks.is_empty() && self.queues.is_empty() && self.waiting == 0
    }
}

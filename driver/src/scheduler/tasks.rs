use howdah_proto::{Attempt, AttemptId, BlockId, JobId, MemberId, Partition, StageId, TaskIndex};

use super::{Millis, hosts::HostId, lanes::Avoid};

/// Names a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StageKey {
    pub(super) job: JobId,
    pub(super) stage: StageId,
}

impl StageKey {
    pub(super) fn task(self, task: TaskIndex) -> TaskKey {
        TaskKey { job: self.job, stage: self.stage, task }
    }
}

/// Names a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TaskKey {
    pub(super) job: JobId,
    pub(super) stage: StageId,
    pub(super) task: TaskIndex,
}

impl TaskKey {
    pub(super) fn attempt(self, attempt: Attempt) -> AttemptId {
        AttemptId { job: self.job, stage: self.stage, task: self.task, attempt }
    }

    pub(super) fn stage(self) -> StageKey {
        StageKey { job: self.job, stage: self.stage }
    }
}

impl From<AttemptId> for TaskKey {
    fn from(id: AttemptId) -> Self {
        Self { job: id.job, stage: id.stage, task: id.task }
    }
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TaskState {
    /// It is in no queue: its stage may not run now.
    Blocked,
    Pending(Pending),
    /// It failed, and waits for its next attempt.
    Delayed {
        until: Millis,
    },
    Running(Runs),
    /// It is done, and an executor has its output if its stage keeps outputs.
    Done {
        at: Option<MemberId>,
    },
}

/// How far from its data a pending task may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// On an executor that holds a block that it prefers.
    Executor,
    /// On the host of such an executor.
    Host,
    Any,
}

/// Where a pending task is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    /// The executors that hold its blocks.
    pub(super) near: Vec<MemberId>,
    /// Their hosts.
    pub(super) hosts: Vec<HostId>,
    pub(super) level: Level,
    /// When it goes up a level.
    pub(super) until: Option<Millis>,
}

/// A running attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) attempt: Attempt,
    pub(super) executor: MemberId,
    pub(super) since: Millis,
    /// How often its stage had lost input at its launch.
    pub(super) losses: u32,
    pub(super) copy: Copying,
}

/// Whether a second attempt runs, or should, beside an attempt that is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copying {
    /// Nobody knows yet whether it is slow.
    Never,
    /// It waits for a slot on another executor.
    Wanted,
    /// An attempt is copied once.
    Made,
}

/// The running attempts of a task: one, or two of which one is speculative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) first: Run,
    pub(super) second: Option<Run>,
}

impl Runs {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Run> {
        std::iter::once(&self.first).chain(&self.second)
    }

    pub(super) fn find(&self, attempt: Attempt, executor: MemberId) -> Option<&Run> {
        self.iter().find(|run| run.attempt == attempt && run.executor == executor)
    }

    /// Returns the attempt that goes on when one has ended.
    pub(super) fn other(&self, attempt: Attempt) -> Option<Run> {
        self.iter().find(|run| run.attempt != attempt).copied()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) partition: Partition,
    pub(super) prefers: Vec<BlockId>,
    pub(super) state: TaskState,
    /// The number of the latest attempt; 0 if there was none.
    pub(super) attempt: Attempt,
    /// Attempts that failed by the task's own error.
    pub(super) failures: u32,
    /// Attempts whose executor died.
    pub(super) crashes: u32,
    /// The executors on which it failed.
    pub(super) excluded: Avoid,
    /// Whether its success has been told.
    pub(super) succeeded: bool,
}

impl Task {
    pub(super) fn runs(&self) -> Option<&Runs> {
        match &self.state {
            TaskState::Running(runs) => Some(runs),
            _ => None,
        }
    }

    pub(super) fn run(&self, attempt: Attempt, executor: MemberId) -> Option<&Run> {
        self.runs()?.find(attempt, executor)
    }
}

use std::collections::BTreeSet;

use howdah_proto::{Attempt, AttemptId, BlockId, JobId, MemberId, Partition, StageId, TaskIndex};

use super::Millis;

/// A task of a stage, as it is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskDescription {
    /// The partition it computes.
    pub partition: Partition,
    /// The block that it reads; it runs where that block is, if it can.
    pub prefers: Option<BlockId>,
}

/// How many tasks of a stage are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageCounts {
    /// Tasks that wait for the stage's parents.
    pub blocked: u32,
    /// Tasks that wait for a slot, or for their next attempt.
    pub pending: u32,
    /// Tasks with a running attempt.
    pub running: u32,
    /// Tasks that are done.
    pub done: u32,
}

impl StageCounts {
    /// Returns how many tasks the stage has.
    pub fn total(&self) -> u32 {
        self.blocked + self.pending + self.running + self.done
    }

    fn of(&mut self, state: &TaskState) -> &mut u32 {
        match state {
            TaskState::Blocked => &mut self.blocked,
            TaskState::Pending(_) | TaskState::Delayed { .. } => &mut self.pending,
            TaskState::Running { .. } => &mut self.running,
            TaskState::Done => &mut self.done,
        }
    }
}

/// Names a task, in the order in which tasks get slots: the first job, its first stage, its first task.
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

    /// Whether its stage comes before that of another task.
    pub(super) fn is_of_earlier_stage_than(self, other: Self) -> bool {
        (self.job, self.stage) < (other.job, other.stage)
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
    /// A parent of the stage isn't finished.
    Blocked,
    Pending(Pending),
    /// It failed, and waits for its next attempt.
    Delayed {
        until: Millis,
    },
    Running {
        executor: MemberId,
        since: Millis,
    },
    Done,
}

/// Where a pending task is queued.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pending {
    /// The executors that hold its block.
    pub(super) near: Vec<MemberId>,
    /// Until when it runs only near its block; if absent, it may run anywhere.
    pub(super) only_near_until: Option<Millis>,
}

#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) partition: Partition,
    pub(super) prefers: Option<BlockId>,
    pub(super) state: TaskState,
    /// The number of the latest attempt; 0 if there was none.
    pub(super) attempt: Attempt,
    /// Attempts that failed by the task's own error.
    pub(super) failures: u32,
    /// Attempts whose executor died.
    pub(super) crashes: u32,
    /// The executor on which it failed last.
    pub(super) avoid: Option<MemberId>,
}

/// A stage. The tasks of a finished stage are dropped; its counts stay.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) tasks: Vec<Task>,
    pub(super) counts: StageCounts,
    pub(super) unfinished_parents: BTreeSet<StageId>,
    pub(super) children: Vec<StageId>,
    pub(super) finished: bool,
}

impl Stage {
    pub(super) fn new(tasks: &[TaskDescription], unfinished_parents: BTreeSet<StageId>) -> Self {
        let tasks: Vec<Task> = tasks
            .iter()
            .map(|task| Task {
                partition: task.partition,
                prefers: task.prefers,
                state: TaskState::Blocked,
                attempt: Attempt(0),
                failures: 0,
                crashes: 0,
                avoid: None,
            })
            .collect();
        let blocked = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        Self {
            tasks,
            counts: StageCounts { blocked, ..StageCounts::default() },
            unfinished_parents,
            children: Vec::new(),
            finished: false,
        }
    }

    pub(super) fn task_mut(&mut self, index: TaskIndex) -> Option<&mut Task> {
        self.tasks.get_mut(usize::try_from(index.0).ok()?)
    }

    /// Changes the state of a task, and the counts with it; returns the former state.
    pub(super) fn set_state(&mut self, index: TaskIndex, state: TaskState) -> Option<TaskState> {
        let task = self.tasks.get_mut(usize::try_from(index.0).ok()?)?;
        *self.counts.of(&task.state) -= 1;
        *self.counts.of(&state) += 1;
        Some(std::mem::replace(&mut task.state, state))
    }
}

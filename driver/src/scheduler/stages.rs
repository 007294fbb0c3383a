use std::collections::BTreeSet;

use howdah_proto::{Attempt, MemberId, StageId, TaskIndex};

use super::{
    Output, Speculation, StageDescription,
    queues::StageQueues,
    speculation::Stragglers,
    tasks::{Task, TaskState},
};

/// How many tasks of a stage are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageCounts {
    /// Tasks that wait for the stage's parents, or for a stage that needs their output.
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
            TaskState::Running(_) => &mut self.running,
            TaskState::Done { .. } => &mut self.done,
        }
    }
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A parent isn't finished, or nobody needs the outputs. What runs goes on, and nothing new is launched.
    Closed,
    /// Its tasks may be launched.
    Open,
    /// All tasks were done; an output may have been lost since.
    Finished,
}

/// A stage. The tasks of a finished stage are dropped unless their outputs are kept; its counts stay.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) output: Output,
    pub(super) tasks: Vec<Task>,
    pub(super) counts: StageCounts,
    pub(super) parents: Vec<StageId>,
    pub(super) children: Vec<StageId>,
    pub(super) phase: Phase,
    /// Whether it was ever open.
    pub(super) started: bool,
    /// Whether it is unfinished and should finish: its output is returned, or a child in demand fetches it.
    pub(super) demanded: bool,
    /// How many children are in demand.
    pub(super) demands: u32,
    /// The parents that must finish before it opens, while it is in demand.
    pub(super) unfinished_parents: BTreeSet<StageId>,
    /// Tasks that became blocked after the stage had started.
    pub(super) missing: BTreeSet<TaskIndex>,
    /// How often outputs of its parents were lost.
    pub(super) losses: u32,
    /// The number of its attempt, counted from 1.
    pub(super) attempt: u32,
    /// How many attempts in a row could not fetch their input.
    pub(super) fetch_failures: u32,
    pub(super) queues: StageQueues,
    /// Whether it is among the stages of its job that offer tasks.
    pub(super) offers: bool,
    /// The executors on which too many of its tasks failed.
    pub(super) excluded: BTreeSet<MemberId>,
    /// What speculation needs to know, if it is on.
    pub(super) stragglers: Option<Stragglers>,
}

impl Stage {
    /// Makes a stage with all tasks blocked or done; an output counts if its executor is known.
    pub(super) fn new(
        description: StageDescription,
        parents: Vec<StageId>,
        speculation: Option<Speculation>,
        is_known: impl Fn(MemberId) -> bool,
    ) -> Self {
        let StageDescription { tasks, output, .. } = description;
        let mut counts = StageCounts::default();
        let mut tasks_in_place = Vec::with_capacity(tasks.len());
        for task in tasks {
            let kept_at = task.kept_at.filter(|at| output == Output::Kept && is_known(*at));
            let state = kept_at.map_or(TaskState::Blocked, |at| TaskState::Done { at: Some(at) });
            *counts.of(&state) += 1;
            tasks_in_place.push(Task {
                partition: task.partition,
                prefers: task.prefers,
                state,
                attempt: Attempt(0),
                failures: 0,
                crashes: 0,
                excluded: Vec::new(),
                succeeded: kept_at.is_some(),
            });
        }
        Self {
            output,
            tasks: tasks_in_place,
            counts,
            parents,
            children: Vec::new(),
            phase: Phase::Closed,
            started: false,
            demanded: false,
            demands: 0,
            unfinished_parents: BTreeSet::new(),
            missing: BTreeSet::new(),
            losses: 0,
            attempt: 1,
            fetch_failures: 0,
            queues: StageQueues::default(),
            offers: false,
            excluded: BTreeSet::new(),
            stragglers: speculation.map(Stragglers::new),
        }
    }

    pub(super) fn task(&self, index: TaskIndex) -> Option<&Task> {
        self.tasks.get(usize::try_from(index.0).ok()?)
    }

    pub(super) fn task_mut(&mut self, index: TaskIndex) -> Option<&mut Task> {
        self.tasks.get_mut(usize::try_from(index.0).ok()?)
    }

    pub(super) fn all_done(&self) -> bool {
        self.counts.done == self.counts.total()
    }

    /// Whether children find all outputs that they need.
    pub(super) fn is_complete(&self) -> bool {
        self.phase == Phase::Finished && self.all_done()
    }

    /// Changes the state of a task, and the counts with it.
    pub(super) fn set_state(&mut self, index: TaskIndex, state: TaskState) {
        let Some(task) = usize::try_from(index.0).ok().and_then(|index| self.tasks.get_mut(index)) else {
            return;
        };
        *self.counts.of(&task.state) -= 1;
        *self.counts.of(&state) += 1;
        task.state = state;
    }

    /// Returns the counts as users see them: what waits in a closed stage is blocked.
    pub(super) fn counts(&self) -> StageCounts {
        match self.phase {
            Phase::Open => self.counts,
            Phase::Closed | Phase::Finished => {
                StageCounts { blocked: self.counts.blocked + self.counts.pending, pending: 0, ..self.counts }
            }
        }
    }
}

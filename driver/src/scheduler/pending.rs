use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use howdah_proto::{BlockId, JobId, MemberId};

use super::{
    Millis, Scheduler,
    jobs::Waiting,
    lanes::Lanes,
    stages::{Pending, Task, TaskKey, TaskState},
};

/// Something that happens when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A task may run anywhere, or again.
    Task(TaskKey),
    /// A job has waited for an executor as long as it may.
    ExecutorWait(JobId),
}

/// The tasks that could run, by where they could run.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// By executor that holds the task's block; the lane of an executor is open while it has a free slot.
    pub(super) near: Lanes<MemberId>,
    /// Tasks that may run anywhere, by the executor to avoid.
    pub(super) anywhere: Lanes<Option<MemberId>>,
    /// Pending tasks by the block they prefer.
    wanting: BTreeMap<BlockId, BTreeSet<TaskKey>>,
    pub(super) timers: BTreeSet<(Millis, Timer)>,
}

impl Queues {
    fn push(&mut self, key: TaskKey, task: &Task, pending: &Pending) {
        for executor in &pending.near {
            self.near.insert(*executor, key);
        }
        match pending.only_near_until {
            Some(until) => {
                self.timers.insert((until, Timer::Task(key)));
            }
            None => self.anywhere.insert(task.avoid, key),
        }
        if let Some(block) = task.prefers {
            self.wanting.entry(block).or_default().insert(key);
        }
    }

    /// Takes a task that is pending or delayed out of all queues.
    pub(super) fn remove(&mut self, key: TaskKey, task: &Task) {
        let pending = match &task.state {
            TaskState::Pending(pending) => pending,
            TaskState::Delayed { until } => {
                self.timers.remove(&(*until, Timer::Task(key)));
                return;
            }
            TaskState::Blocked | TaskState::Running { .. } | TaskState::Done => return,
        };
        for executor in &pending.near {
            self.near.remove(*executor, key);
        }
        match pending.only_near_until {
            Some(until) => {
                self.timers.remove(&(until, Timer::Task(key)));
            }
            None => self.anywhere.remove(task.avoid, key),
        }
        if let Some(block) = task.prefers
            && let Some(tasks) = self.wanting.get_mut(&block)
        {
            tasks.remove(&key);
            if tasks.is_empty() {
                self.wanting.remove(&block);
            }
        }
    }

    /// Lets a pending task run anywhere from now on.
    pub(super) fn widen(&mut self, key: TaskKey, task: &mut Task) {
        if let TaskState::Pending(pending) = &mut task.state
            && let Some(until) = pending.only_near_until.take()
        {
            self.timers.remove(&(until, Timer::Task(key)));
            self.anywhere.insert(task.avoid, key);
        }
    }

    /// Forgets when the wait of a job for an executor would have been over.
    pub(super) fn forget_wait(&mut self, job: JobId, waiting: Waiting) {
        if let Some(until) = waiting.until {
            self.timers.remove(&(until, Timer::ExecutorWait(job)));
        }
    }

    fn wanting(&self, block: BlockId) -> Vec<TaskKey> {
        self.wanting.get(&block).into_iter().flatten().copied().collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.near.is_empty() && self.anywhere.is_empty() && self.wanting.is_empty() && self.timers.is_empty()
    }
}

impl Scheduler {
    /// Queues a task near its block, if an executor has it, or for any executor.
    pub(super) fn queue(&mut self, key: TaskKey, now: Millis) {
        let Some(task) = self.jobs.task_mut(key) else { return };
        let near: Vec<MemberId> = task.prefers.map_or_else(Vec::new, |block| {
            let usable = |id: &MemberId| Some(*id) != task.avoid && self.executors.accepts(*id);
            self.blocks.holders(block).filter(usable).collect()
        });
        let waits = !near.is_empty() && !self.options.locality_wait.is_zero();
        let only_near_until = waits.then(|| now.after(self.options.locality_wait));
        let pending = Pending { near, only_near_until };
        self.queues.push(key, task, &pending);
        self.jobs.set_state(key, TaskState::Pending(pending));
    }

    /// Queues a task that failed; at once, or after a while.
    pub(super) fn queue_after(&mut self, key: TaskKey, wait: Duration, now: Millis) {
        if wait.is_zero() {
            self.queue(key, now);
        } else {
            let until = now.after(wait);
            self.queues.timers.insert((until, Timer::Task(key)));
            self.jobs.set_state(key, TaskState::Delayed { until });
        }
    }

    /// Notes that an executor got a block, and lets the tasks that wait for it run there.
    pub(super) fn block_stored(&mut self, executor: MemberId, block: BlockId) {
        if !self.blocks.store(executor, block) || !self.executors.accepts(executor) {
            return;
        }
        for key in self.queues.wanting(block) {
            let Some(task) = self.jobs.task_mut(key) else { continue };
            if task.avoid != Some(executor)
                && let TaskState::Pending(pending) = &mut task.state
            {
                pending.near.push(executor);
                self.queues.near.insert(executor, key);
            }
        }
    }

    /// Notes that an executor no longer has a block.
    pub(super) fn block_dropped(&mut self, executor: MemberId, block: BlockId) {
        self.blocks.forget(executor, block);
        for key in self.queues.wanting(block) {
            self.queues.near.remove(executor, key);
            self.no_longer_near(key, executor);
        }
    }

    /// Stops waiting for an executor that takes nothing new.
    pub(super) fn nothing_is_near(&mut self, executor: MemberId) {
        for key in self.queues.near.take(executor) {
            self.no_longer_near(key, executor);
        }
    }

    fn no_longer_near(&mut self, key: TaskKey, executor: MemberId) {
        let Some(task) = self.jobs.task_mut(key) else { return };
        let TaskState::Pending(pending) = &mut task.state else { return };
        pending.near.retain(|id| *id != executor);
        if pending.near.is_empty() {
            self.queues.widen(key, task);
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{AttemptId, StageId};

    use super::*;
    use crate::scheduler::{Command, JobOptions, Options, fixture::*};

    /// Two executors with one slot each; executor 1 holds the blocks 0 and 1, which the tasks of stage 2 prefer.
    fn blocks_on_executor_1(stored: &[BlockId]) -> (Scheduler, Vec<Command>) {
        let mut scheduler = cluster(&[1, 1]);
        scheduler.submit(&tasks(1));
        scheduler.on_attempt_succeeded(attempt(0, 1), MemberId(1), stored, START);
        let commands = scheduler.on_stage_submitted(
            JOB,
            StageId(2),
            &[STAGE],
            &tasks_near_blocks(stored.len() as u32),
            START,
        );
        (scheduler, commands)
    }

    #[test]
    fn a_task_waits_for_the_executor_that_holds_its_block_and_then_runs_anywhere() {
        let (mut scheduler, commands) = blocks_on_executor_1(&[block(0), block(1)]);
        assert_eq!(launches(&commands), [(2, 0, 1, 1)]);
        let due = START.after(Options::default().locality_wait);
        assert_eq!(scheduler.next_deadline(), Some(due));
        assert_eq!(launches(&scheduler.on_tick(Millis(due.0 - 1))), []);
        assert_eq!(launches(&scheduler.on_tick(due)), [(2, 1, 1, 2)]);
        assert_eq!(scheduler.next_deadline(), None);
    }

    #[test]
    fn a_task_runs_where_its_block_is_when_a_slot_comes_free_there() {
        let (mut scheduler, _) = blocks_on_executor_1(&[block(0), block(1)]);
        let first = AttemptId { stage: StageId(2), ..attempt(0, 1) };
        assert_eq!(launches(&scheduler.succeed(first, 1)), [(2, 1, 1, 1)]);
        assert_eq!(scheduler.next_deadline(), None);
    }

    #[test]
    fn a_task_stops_waiting_when_its_block_is_gone() {
        type Event = fn(&mut Scheduler) -> Vec<Command>;
        let events: [Event; 3] = [
            |scheduler| scheduler.on_blocks_dropped(MemberId(1), &[block(1)], START),
            |scheduler| scheduler.on_executor_draining(MemberId(1), START),
            |scheduler| scheduler.on_executor_lost(MemberId(1), "gone", START),
        ];
        let expected = [(2, 1, 1, 2), (2, 1, 1, 2), (2, 0, 2, 2)];
        for (event, launch) in events.into_iter().zip(expected) {
            let (mut scheduler, _) = blocks_on_executor_1(&[block(0), block(1)]);
            assert_eq!(launches(&event(&mut scheduler)), [launch]);
        }
    }

    #[test]
    fn a_block_that_gets_a_second_copy_frees_the_task_that_waits_for_it() {
        let (mut scheduler, _) = blocks_on_executor_1(&[block(0), block(1)]);
        let options = JobOptions::default();
        scheduler.on_job_submitted(JobId(2), options);
        scheduler.on_stage_submitted(JobId(2), StageId(3), &[], &tasks(1), START);
        scheduler.on_stage_submitted(JOB, StageId(4), &[], &tasks(1), START);
        let other = AttemptId { job: JobId(2), stage: StageId(3), ..attempt(0, 1) };
        assert_eq!(launches(&scheduler.succeed(other, 2)), [(4, 0, 1, 2)]);
        let own = AttemptId { stage: StageId(4), ..attempt(0, 1) };
        let commands = scheduler.on_attempt_succeeded(own, MemberId(2), &[block(1)], START);
        assert_eq!(launches(&commands), [(2, 1, 1, 2)]);
    }
}

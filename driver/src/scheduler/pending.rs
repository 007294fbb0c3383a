use std::time::Duration;

use howdah_proto::{BlockId, MemberId};

use super::{
    Millis, Scheduler,
    hosts::HostId,
    stages::{Phase, Stage},
    tasks::{Level, Pending, Task, TaskKey, TaskState},
};

impl Scheduler {
    /// Queues a task near its blocks, if an executor has one, or for any executor; not while its stage is closed.
    pub(super) fn queue(&mut self, key: TaskKey, now: Millis) {
        let Some(stage) = self.jobs.stage(key.stage()) else { return };
        let Some(task) = stage.task(key.task) else { return };
        let state = match stage.phase {
            Phase::Open => TaskState::Pending(self.place(stage, task, now)),
            Phase::Closed | Phase::Finished => TaskState::Blocked,
        };
        self.put(key, state);
    }

    /// Queues a task that failed; at once, or after a while.
    pub(super) fn queue_after(&mut self, key: TaskKey, wait: Duration, now: Millis) {
        if wait.is_zero() {
            self.queue(key, now);
        } else {
            self.put(key, TaskState::Delayed { until: now.after(wait) });
        }
    }

    fn place(&self, stage: &Stage, task: &Task, now: Millis) -> Pending {
        let usable = |id: &MemberId| {
            self.executors.is_usable(*id) && !task.excluded.contains(id) && !stage.excluded.contains(id)
        };
        let holders = task.prefers.iter().flat_map(|block| self.blocks.holders(*block));
        let mut near: Vec<MemberId> = holders.filter(usable).collect();
        near.sort_unstable();
        near.dedup();
        let wait = self.options.locality_wait;
        if near.is_empty() || wait.is_zero() {
            return Pending { near, hosts: Vec::new(), level: Level::Any, until: None };
        }
        let hosts = self.neighbouring_hosts(&near, task);
        Pending { near, hosts, level: Level::Executor, until: Some(now.after(wait)) }
    }

    /// Finds the hosts where another executor than those that hold the blocks might run a task.
    ///
    /// A task that failed somewhere skips its hosts, so that every executor there suits every task in their lanes.
    fn neighbouring_hosts(&self, near: &[MemberId], task: &Task) -> Vec<HostId> {
        if !task.excluded.is_empty() {
            return Vec::new();
        }
        let host = |id: &MemberId| self.executors.get(*id).map(|executor| executor.host_id);
        let mut hosts: Vec<HostId> = near.iter().filter_map(host).collect();
        hosts.sort_unstable();
        let (mut places, mut kept) = (hosts.chunk_by(|a, b| a == b), Vec::new());
        for group in places.by_ref() {
            let here = u32::try_from(group.len()).unwrap_or(u32::MAX);
            kept.extend(group.first().filter(|host| self.executors.hosts.members(**host) > here));
        }
        kept
    }

    /// Lets a pending task that waited long enough run farther from its blocks.
    pub(super) fn go_farther(&mut self, key: TaskKey, now: Millis) {
        let Some(task) = self.jobs.task(key) else { return };
        let TaskState::Pending(pending) = &task.state else { return };
        let mut pending = pending.clone();
        (pending.level, pending.until) = if pending.level == Level::Executor && !pending.hosts.is_empty() {
            (Level::Host, Some(now.after(self.options.locality_wait)))
        } else {
            (Level::Any, None)
        };
        self.put(key, TaskState::Pending(pending));
    }

    /// Notes that an executor got a block, and lets the tasks that wait for it run there.
    pub(super) fn block_stored(&mut self, executor: MemberId, block: BlockId) {
        if !self.blocks.store(executor, block) || !self.executors.is_usable(executor) {
            return;
        }
        for key in self.index.wanting(block) {
            let Some(stage) = self.jobs.stage(key.stage()) else { continue };
            let Some(task) = stage.task(key.task) else { continue };
            let TaskState::Pending(pending) = &task.state else { continue };
            if task.excluded.contains(&executor) || pending.near.contains(&executor) {
                continue;
            }
            let mut pending = pending.clone();
            pending.near.push(executor);
            self.put(key, TaskState::Pending(pending));
        }
    }

    /// Notes that an executor no longer has a block.
    pub(super) fn block_dropped(&mut self, executor: MemberId, block: BlockId) {
        self.blocks.forget(executor, block);
        for key in self.index.wanting(block) {
            let Some(task) = self.jobs.task(key) else { continue };
            if !task.prefers.iter().any(|block| self.blocks.is_at(*block, executor)) {
                self.no_longer_near(key, executor);
            }
        }
    }

    /// Stops waiting for an executor that takes nothing new.
    pub(super) fn nothing_is_near(&mut self, executor: MemberId) {
        let stages = self.index.near.get(&executor);
        for key in stages.into_iter().flatten().copied().collect::<Vec<_>>() {
            let Some(stage) = self.jobs.stage(key) else { continue };
            for task in stage.queues.near.tasks(&executor).collect::<Vec<_>>() {
                self.no_longer_near(key.task(task), executor);
            }
        }
    }

    fn no_longer_near(&mut self, key: TaskKey, executor: MemberId) {
        let Some(task) = self.jobs.task(key) else { return };
        let TaskState::Pending(pending) = &task.state else { return };
        let mut pending = pending.clone();
        pending.near.retain(|id| *id != executor);
        if pending.near.is_empty() {
            (pending.level, pending.until) = (Level::Any, None);
        }
        self.put(key, TaskState::Pending(pending));
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{AttemptId, JobId, StageId};

    use super::*;
    use crate::scheduler::{Command, Options, fixture::*};

    /// Two executors with one slot each; executor 1 holds the blocks 0 and 1, which the tasks of stage 2 prefer.
    fn blocks_on_executor_1(stored: &[BlockId]) -> (Scheduler, Vec<Command>) {
        let mut scheduler = cluster(&[1, 1]);
        scheduler.submit(tasks(1));
        scheduler.on_attempt_succeeded(attempt(0, 1), MemberId(1), stored, START);
        let near = tasks_near_blocks(stored.len() as u32);
        let commands = scheduler.submit_stage(JOB, 2, &[1], near);
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
        scheduler.on_job_submitted(JobId(2), JobId(2).into(), without_speculation());
        scheduler.submit_stage(JobId(2), 3, &[], tasks(1));
        scheduler.submit_stage(JOB, 4, &[], tasks(1));
        let other = AttemptId { job: JobId(2), stage: StageId(3), ..attempt(0, 1) };
        assert_eq!(launches(&scheduler.succeed(other, 2)), [(4, 0, 1, 2)]);
        let own = AttemptId { stage: StageId(4), ..attempt(0, 1) };
        let commands = scheduler.on_attempt_succeeded(own, MemberId(2), &[block(1)], START);
        assert_eq!(launches(&commands), [(2, 1, 1, 2)]);
    }

    /// Executor 1 holds the block of a task and is busy; executor 3 is on its host, executor 2 is not.
    fn busy_holder_with_a_neighbour() -> (Scheduler, Vec<Command>) {
        let mut scheduler = Scheduler::new(Options::default());
        for (id, host) in [(1, "a"), (2, "b"), (3, "a")] {
            scheduler.on_executor_registered(MemberId(id), 1, host, START);
        }
        scheduler.on_job_submitted(JOB, JOB.into(), without_speculation());
        scheduler.submit(tasks(4));
        scheduler.on_attempt_succeeded(attempt(0, 1), MemberId(1), &[block(0)], START);
        // Task 3 is on executor 1, the others are done.
        for task in [1, 2] {
            scheduler.succeed(attempt(task, 1), u64::from(task) + 1);
        }
        let commands = scheduler.submit_stage(JOB, 2, &[], tasks_near_blocks(1));
        (scheduler, commands)
    }

    #[test]
    fn a_task_waits_for_its_executor_then_for_its_host_and_then_runs_anywhere() {
        let wait = Options::default().locality_wait;
        let (mut scheduler, commands) = busy_holder_with_a_neighbour();
        assert_eq!(launches(&commands), []);
        // The most free executor of the lowest id would be 2.
        assert_eq!(launches(&scheduler.on_tick(START.after(wait))), [(2, 0, 1, 3)]);

        let (mut scheduler, _) = busy_holder_with_a_neighbour();
        scheduler.submit_stage(JOB, 3, &[], tasks(2));
        scheduler.on_executor_lost(MemberId(2), "gone", START);
        assert_eq!(launches(&scheduler.on_tick(START.after(wait))), []);
        scheduler.on_executor_registered(MemberId(4), 1, "c", START);
        scheduler.on_executor_registered(MemberId(5), 1, "c", START);
        assert_eq!(launches(&scheduler.on_tick(START.after(wait * 2))), [(2, 0, 1, 5)]);
        assert_eq!(scheduler.next_deadline(), None);
    }

    #[test]
    fn a_task_runs_on_its_own_executor_even_after_it_might_run_elsewhere() {
        let (mut scheduler, _) = busy_holder_with_a_neighbour();
        scheduler.submit_stage(JOB, 3, &[], tasks(2));
        scheduler.on_tick(START.after(Options::default().locality_wait * 2));
        assert_eq!(launches(&scheduler.succeed(attempt(3, 1), 1)), [(2, 0, 1, 1)]);
    }

    #[test]
    fn a_task_that_prefers_several_blocks_runs_where_any_of_them_is() {
        let mut scheduler = cluster(&[1, 1]);
        scheduler.submit(tasks(2));
        scheduler.on_attempt_succeeded(attempt(1, 1), MemberId(2), &[block(7)], START);
        scheduler.succeed(attempt(0, 1), 1);
        let mut near = tasks(1);
        near[0].prefers = vec![block(3), block(7)];
        assert_eq!(launches(&scheduler.submit_stage(JOB, 2, &[], near)), [(2, 0, 1, 2)]);
    }
}

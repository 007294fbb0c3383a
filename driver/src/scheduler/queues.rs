use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{BlockId, JobId, MemberId};

use super::{
    Millis, Scheduler,
    hosts::HostId,
    jobs::Waiting,
    lanes::{Avoid, Lanes},
    stages::{Phase, Stage},
    tasks::{Copying, Level, Run, StageKey, Task, TaskKey, TaskState},
};

/// Something that happens when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A task may run farther from its blocks, or again.
    Task(TaskKey),
    /// A job has waited for an executor as long as it may.
    ExecutorWait(JobId),
    /// Slow attempts of a stage are looked for.
    Stragglers(StageKey),
    /// An executor was excluded long enough.
    Excluded(MemberId),
}

/// The tasks of a stage that could run, by where they could run.
#[derive(Debug, Default)]
pub(super) struct StageQueues {
    /// By executor that holds a block; a lane is open while the executor has a free slot.
    pub(super) near: Lanes<MemberId>,
    /// By host of such an executor; a lane is open while an executor there has a free slot.
    pub(super) host: Lanes<HostId>,
    /// Tasks that may run anywhere, by the executors on which they failed.
    pub(super) anywhere: Lanes<Avoid>,
    /// Running tasks that want a second attempt, by the executors on which they run or failed.
    pub(super) copies: Lanes<Avoid>,
}

impl StageQueues {
    fn has_offer(&self) -> bool {
        self.near.heads().next().is_some()
            || self.host.heads().next().is_some()
            || self.anywhere.heads().next().is_some()
            || self.copies.heads().next().is_some()
    }
}

/// Where to find the tasks and stages that an event concerns.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The stages that have a lane for an executor.
    pub(super) near: BTreeMap<MemberId, BTreeSet<StageKey>>,
    /// The stages that have a lane for a host.
    pub(super) host: BTreeMap<HostId, BTreeSet<StageKey>>,
    /// Pending tasks by the blocks they prefer.
    wanting: BTreeMap<BlockId, BTreeSet<TaskKey>>,
    /// Done tasks by the executor that has their output.
    pub(super) outputs: BTreeMap<MemberId, BTreeSet<TaskKey>>,
    pub(super) timers: BTreeSet<(Millis, Timer)>,
}

impl Index {
    /// Forgets when the wait of a job for an executor would have been over.
    pub(super) fn forget_wait(&mut self, job: JobId, waiting: Waiting) {
        if let Some(until) = waiting.until {
            self.timers.remove(&(until, Timer::ExecutorWait(job)));
        }
    }

    pub(super) fn wanting(&self, block: BlockId) -> Vec<TaskKey> {
        self.wanting.get(&block).into_iter().flatten().copied().collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let excluded = |(_, timer): &(Millis, Timer)| matches!(timer, Timer::Excluded(_));
        self.near.is_empty()
            && self.host.is_empty()
            && self.wanting.is_empty()
            && self.outputs.is_empty()
            && self.timers.iter().all(excluded)
    }
}

pub(super) fn add<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: K, value: V) {
    map.entry(key).or_default().insert(value);
}

pub(super) fn remove<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

/// The executors on which the second attempt of a task may not run.
fn avoided_by_copy(task: &Task, run: &Run) -> Avoid {
    let mut avoid = task.excluded.clone();
    if let Err(place) = avoid.binary_search(&run.executor) {
        avoid.insert(place, run.executor);
    }
    avoid
}

impl Scheduler {
    /// Changes the state of a task, and its place in all queues with it.
    pub(super) fn put(&mut self, key: TaskKey, state: TaskState) {
        self.leave(key);
        self.jobs.set_state(key, state);
        self.enter(key);
        self.refresh(key.stage());
    }

    /// Changes where a task may not run, and its place in all queues with it.
    pub(super) fn change_excluded(&mut self, key: TaskKey, change: impl FnOnce(&mut Avoid)) {
        self.leave(key);
        if let Some(task) = self.jobs.task_mut(key) {
            change(&mut task.excluded);
        }
        self.enter(key);
        self.refresh(key.stage());
    }

    /// Notes at the job and its pool whether a stage has a task that could be launched.
    pub(super) fn refresh(&mut self, key: StageKey) {
        let Some(job) = self.jobs.live.get_mut(&key.job) else { return };
        let Some(stage) = job.stages.get_mut(&key.stage) else { return };
        let offers = stage.phase == Phase::Open && stage.queues.has_offer();
        if stage.offers == offers {
            return;
        }
        stage.offers = offers;
        let before = job.offering.is_empty();
        if offers {
            job.offering.insert(key.stage);
        } else {
            job.offering.remove(&key.stage);
        }
        if job.offering.is_empty() != before {
            self.pools.set_offers(key.job, before);
        }
    }

    /// Puts a task in the queues that its state calls for.
    fn enter(&mut self, key: TaskKey) {
        let Self { jobs, index, executors, .. } = self;
        let Some(Stage { tasks, queues, excluded, missing, stragglers, .. }) = jobs.stage_mut(key.stage())
        else {
            return;
        };
        let Some(task) = usize::try_from(key.task.0).ok().and_then(|index| tasks.get(index)) else { return };
        match &task.state {
            TaskState::Blocked => {
                missing.insert(key.task);
            }
            TaskState::Pending(pending) => {
                for id in &pending.near {
                    let open = executors.free_slots(*id) > 0 && !excluded.contains(id);
                    if queues.near.insert(id, key.task, open) {
                        add(&mut index.near, *id, key.stage());
                    }
                }
                for host in pending.hosts.iter().filter(|_| pending.level >= Level::Host) {
                    let open = executors.hosts.free(*host).any(|id| !excluded.contains(&id));
                    if queues.host.insert(host, key.task, open) {
                        add(&mut index.host, *host, key.stage());
                    }
                }
                if pending.level == Level::Any {
                    queues.anywhere.insert(&task.excluded, key.task, true);
                }
                index.timers.extend(pending.until.map(|until| (until, Timer::Task(key))));
                for block in &task.prefers {
                    add(&mut index.wanting, *block, key);
                }
            }
            TaskState::Delayed { until } => {
                index.timers.insert((*until, Timer::Task(key)));
            }
            TaskState::Running(runs) => match (runs.second, runs.first.copy, stragglers) {
                (None, Copying::Never, Some(stragglers)) => {
                    stragglers.running.insert((runs.first.since, key.task));
                }
                (None, Copying::Wanted, _) => {
                    queues.copies.insert(&avoided_by_copy(task, &runs.first), key.task, true);
                }
                _ => {}
            },
            TaskState::Done { at: Some(at) } => add(&mut index.outputs, *at, key),
            TaskState::Done { at: None } => {}
        }
    }

    /// Takes a task out of all queues.
    pub(super) fn leave(&mut self, key: TaskKey) {
        let Self { jobs, index, .. } = self;
        let Some(Stage { tasks, queues, missing, stragglers, .. }) = jobs.stage_mut(key.stage()) else {
            return;
        };
        let Some(task) = usize::try_from(key.task.0).ok().and_then(|index| tasks.get(index)) else { return };
        match &task.state {
            TaskState::Blocked => {
                missing.remove(&key.task);
            }
            TaskState::Pending(pending) => {
                for id in &pending.near {
                    if queues.near.remove(id, key.task) {
                        remove(&mut index.near, id, &key.stage());
                    }
                }
                for host in pending.hosts.iter().filter(|_| pending.level >= Level::Host) {
                    if queues.host.remove(host, key.task) {
                        remove(&mut index.host, host, &key.stage());
                    }
                }
                if pending.level == Level::Any {
                    queues.anywhere.remove(&task.excluded, key.task);
                }
                if let Some(until) = pending.until {
                    index.timers.remove(&(until, Timer::Task(key)));
                }
                for block in &task.prefers {
                    remove(&mut index.wanting, block, &key);
                }
            }
            TaskState::Delayed { until } => {
                index.timers.remove(&(*until, Timer::Task(key)));
            }
            TaskState::Running(runs) => match (runs.second, runs.first.copy, stragglers) {
                (None, Copying::Never, Some(stragglers)) => {
                    stragglers.running.remove(&(runs.first.since, key.task));
                }
                (None, Copying::Wanted, _) => {
                    queues.copies.remove(&avoided_by_copy(task, &runs.first), key.task);
                }
                _ => {}
            },
            TaskState::Done { at: Some(at) } => remove(&mut index.outputs, at, &key),
            TaskState::Done { at: None } => {}
        }
    }

    /// Opens the lanes of an executor and of its host exactly while they have a free slot.
    pub(super) fn slots_changed(&mut self, executor: MemberId) {
        if self.executors.see_whether_free(executor).is_none() {
            return;
        }
        let stages = self.index.near.get(&executor);
        for stage in stages.into_iter().flatten().copied().collect::<Vec<_>>() {
            self.set_near_open(stage, executor);
        }
        if let Some(host) = self.executors.get(executor).map(|executor| executor.host_id) {
            self.host_changed(host);
        }
    }

    pub(super) fn host_changed(&mut self, host: HostId) {
        let stages = self.index.host.get(&host);
        for stage in stages.into_iter().flatten().copied().collect::<Vec<_>>() {
            self.set_host_open(stage, host);
        }
    }

    pub(super) fn set_near_open(&mut self, key: StageKey, executor: MemberId) {
        let free = self.executors.free_slots(executor) > 0;
        if let Some(stage) = self.jobs.stage_mut(key) {
            stage.queues.near.set_open(&executor, free && !stage.excluded.contains(&executor));
        }
        self.refresh(key);
    }

    pub(super) fn set_host_open(&mut self, key: StageKey, host: HostId) {
        if let Some(stage) = self.jobs.stage_mut(key) {
            let mut free = self.executors.hosts.free(host);
            let open = free.any(|id| !stage.excluded.contains(&id));
            stage.queues.host.set_open(&host, open);
        }
        self.refresh(key);
    }
}

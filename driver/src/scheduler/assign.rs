use std::cmp::Reverse;

use howdah_proto::{Attempt, JobId, MemberId, StageId, TaskIndex};

use super::{
    Command, Millis, Scheduler,
    hosts::HostId,
    stages::Stage,
    tasks::{Copying, Run, Runs, StageKey, TaskKey, TaskState},
};

impl Scheduler {
    /// Gives free slots to tasks until one of the two is used up.
    pub(super) fn assign(&mut self, now: Millis, commands: &mut Vec<Command>) {
        while let Some((key, executor)) = self.next_match() {
            self.launch(key, executor, now, commands);
        }
    }

    /// Finds the first task that a free slot suits: by pool, job, stage and nearness to its blocks.
    ///
    /// Only stages that offer something are looked at. An offer is in vain only if it avoids every free
    /// executor, and few offers avoid the same one: the tasks that run on it and want a second attempt, which
    /// are no more than its slots, and what [`super::exclusion`] leaves to a task and to a stage before it
    /// excludes an executor for everything. So the search ends after a bounded number of steps.
    fn next_match(&self) -> Option<(TaskKey, MemberId)> {
        if !self.executors.any_free() {
            return None;
        }
        self.pools.in_order().find_map(|job| self.match_job(job))
    }

    fn match_job(&self, id: JobId) -> Option<(TaskKey, MemberId)> {
        let job = self.jobs.live.get(&id)?;
        let in_stage = |stage: &StageId| {
            let (task, executor) = self.match_stage(job.stages.get(stage)?)?;
            Some((StageKey { job: id, stage: *stage }.task(task), executor))
        };
        job.offering.iter().find_map(in_stage)
    }

    fn match_stage(&self, stage: &Stage) -> Option<(TaskIndex, MemberId)> {
        if let Some((task, executor)) = stage.queues.near.heads().next() {
            return Some((*task, self.freest_near(stage, *task).unwrap_or(*executor)));
        }
        let on_host = |(task, host): &(TaskIndex, HostId)| {
            let mut free = self.executors.hosts.free(*host);
            Some((*task, free.find(|id| !stage.excluded.contains(id))?))
        };
        stage
            .queues
            .host
            .heads()
            .find_map(on_host)
            .or_else(|| self.match_anywhere(stage))
            .or_else(|| self.match_copy(stage))
    }

    /// Finds a task that may run anywhere, and the executor with the most free slots that it doesn't avoid.
    ///
    /// A task that would have to avoid every executor avoids none: Spark aborts the stage then, but with few
    /// executors a task soon failed on all of them, and its limit of attempts ends it anyway.
    fn match_anywhere(&self, stage: &Stage) -> Option<(TaskIndex, MemberId)> {
        stage.queues.anywhere.heads().find_map(|(task, avoid)| {
            let avoids = |id: &MemberId| avoid.contains(id) || stage.excluded.contains(id);
            let found = self.executors.most_free(|id| !avoids(&id));
            let found = found.or_else(|| {
                self.has_no_executor_but(stage, avoid).then(|| self.executors.most_free(|_| true))?
            });
            Some((*task, found?))
        })
    }

    fn has_no_executor_but(&self, stage: &Stage, avoid: &[MemberId]) -> bool {
        let only_here = avoid.iter().filter(|id| !stage.excluded.contains(id));
        let avoided = only_here.chain(&stage.excluded).filter(|id| self.executors.is_usable(**id));
        avoided.count() == self.executors.usable()
    }

    fn match_copy(&self, stage: &Stage) -> Option<(TaskIndex, MemberId)> {
        stage.queues.copies.heads().find_map(|(task, avoid)| {
            let suits = |id: MemberId| !avoid.contains(&id) && !stage.excluded.contains(&id);
            Some((*task, self.executors.most_free(suits)?))
        })
    }

    fn freest_near(&self, stage: &Stage, task: TaskIndex) -> Option<MemberId> {
        let TaskState::Pending(pending) = &stage.task(task)?.state else { return None };
        let suits = |id: &MemberId| !stage.excluded.contains(id);
        let free = |id: &MemberId| (self.executors.free_slots(*id), Reverse(*id));
        pending.near.iter().copied().filter(suits).max_by_key(free)
    }

    fn launch(&mut self, key: TaskKey, executor: MemberId, now: Millis, commands: &mut Vec<Command>) {
        let Some(stage) = self.jobs.stage_mut(key.stage()) else { return };
        let losses = stage.losses;
        let Some(task) = stage.task_mut(key.task) else { return };
        let number = Attempt(task.attempt.0 + 1);
        let partition = task.partition;
        let run = Run { attempt: number, executor, since: now, losses, copy: Copying::Never };
        let runs = match task.state {
            TaskState::Running(Runs { first, .. }) => {
                Runs { first: Run { copy: Copying::Made, ..first }, second: Some(run) }
            }
            _ => Runs { first: run, second: None },
        };
        self.put(key, TaskState::Running(runs));
        if let Some(task) = self.jobs.task_mut(key) {
            task.attempt = number;
        }
        let attempt = key.attempt(number);
        self.pools.run_began(key.job);
        self.executors.occupy(executor, attempt);
        self.slots_changed(executor);
        self.watch_stragglers(key.stage(), now);
        commands.push(Command::Launch { executor, attempt, partition, speculative: runs.second.is_some() });
    }
}

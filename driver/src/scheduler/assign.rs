use howdah_proto::{Attempt, MemberId};

use super::{
    Command, Millis, Scheduler,
    stages::{TaskKey, TaskState},
};

impl Scheduler {
    /// Gives free slots to pending tasks until one of the two is used up.
    pub(super) fn assign(&mut self, now: Millis, commands: &mut Vec<Command>) {
        while let Some((key, executor)) = self.next_match() {
            self.launch(key, executor, now, commands);
        }
    }

    /// Finds the first task that a free slot suits. Within a stage, tasks near their blocks come first.
    fn next_match(&self) -> Option<(TaskKey, MemberId)> {
        let near = self.queues.near.heads().next();
        let anywhere = self.match_anywhere();
        match (near, anywhere) {
            (Some((near, _)), Some(far)) if far.0.is_of_earlier_stage_than(near) => Some(far),
            (Some((key, executor)), _) => Some((key, self.freest_near(key).unwrap_or(executor))),
            (None, anywhere) => anywhere,
        }
    }

    /// Finds the first task that may run anywhere, and the executor with the most free slots for it.
    ///
    /// Two heads are enough: they avoid different executors, so that a free one suits at least one of them.
    fn match_anywhere(&self) -> Option<(TaskKey, MemberId)> {
        let has_choice = self.executors.accepting() > 1;
        self.queues.anywhere.heads().take(2).find_map(|(key, avoid)| {
            let avoid = avoid.filter(|_| has_choice);
            Some((key, self.executors.most_free(avoid)?))
        })
    }

    fn freest_near(&self, key: TaskKey) -> Option<MemberId> {
        let stage = self.jobs.live.get(&key.job)?.stages.get(&key.stage)?;
        let task = stage.tasks.get(usize::try_from(key.task.0).ok()?)?;
        let TaskState::Pending(pending) = &task.state else { return None };
        let free = |id: &MemberId| (self.executors.free_slots(*id), std::cmp::Reverse(*id));
        pending.near.iter().copied().max_by_key(free)
    }

    fn launch(&mut self, key: TaskKey, executor: MemberId, now: Millis, commands: &mut Vec<Command>) {
        let Some(task) = self.jobs.task_mut(key) else { return };
        self.queues.remove(key, task);
        task.attempt = Attempt(task.attempt.0 + 1);
        let (attempt, partition) = (key.attempt(task.attempt), task.partition);
        self.jobs.set_state(key, TaskState::Running { executor, since: now });
        self.executors.occupy(executor, attempt);
        self.slots_changed(executor);
        commands.push(Command::Launch { executor, attempt, partition });
    }

    /// Keeps the executor's lane open exactly while it has a free slot.
    pub(super) fn slots_changed(&mut self, executor: MemberId) {
        self.queues.near.set_open(executor, self.executors.free_slots(executor) > 0);
    }
}

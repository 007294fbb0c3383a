use howdah_proto::{AttemptId, BlockId, MemberId, event::FailureKind};

use super::attempts::Failure;
use crate::scheduler::{Command, Millis, Scheduler, queues::Timer, retry};

impl Scheduler {
    /// Takes in an executor; one with the same id that is still known counts as lost.
    pub fn on_executor_registered(
        &mut self,
        executor: MemberId,
        slots: u32,
        host: impl Into<String>,
        now: Millis,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        self.lose(&[(executor, "it registered again")], now, &mut commands);
        self.executors.insert(executor, host.into(), slots);
        self.slots_changed(executor);
        self.settle(now, commands)
    }

    /// Gives an executor nothing new; what it runs goes on, and its blocks can still be fetched.
    pub fn on_executor_draining(&mut self, executor: MemberId, now: Millis) -> Vec<Command> {
        self.drain(executor);
        self.settle(now, Vec::new())
    }

    /// Forgets an executor with its blocks and outputs, and runs its tasks elsewhere.
    ///
    /// The loss counts as a crash of each of its tasks, unless it was draining. Outputs that are still needed are
    /// computed again.
    pub fn on_executor_lost(&mut self, executor: MemberId, reason: &str, now: Millis) -> Vec<Command> {
        self.on_executors_lost(&[(executor, reason)], now)
    }

    /// Forgets executors that are lost at the same time: no task of one goes to another of them.
    pub fn on_executors_lost(&mut self, lost: &[(MemberId, &str)], now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        self.lose(lost, now, &mut commands);
        self.settle(now, commands)
    }

    /// Notes blocks that an executor got from another one; nothing is noted of an executor that isn't known.
    pub fn on_blocks_stored(&mut self, executor: MemberId, blocks: &[BlockId], now: Millis) -> Vec<Command> {
        if self.executors.get(executor).is_some() {
            for block in blocks {
                self.block_stored(executor, *block);
            }
        }
        self.settle(now, Vec::new())
    }

    /// Notes blocks that an executor no longer has.
    pub fn on_blocks_dropped(&mut self, executor: MemberId, blocks: &[BlockId], now: Millis) -> Vec<Command> {
        for block in blocks {
            self.block_dropped(executor, *block);
        }
        self.settle(now, Vec::new())
    }

    pub(super) fn drain(&mut self, executor: MemberId) {
        if self.executors.drain(executor) {
            self.nothing_is_near(executor);
            self.slots_changed(executor);
        }
    }

    fn lose(&mut self, lost: &[(MemberId, &str)], now: Millis, commands: &mut Vec<Command>) {
        let mut gone = Vec::new();
        for (id, reason) in lost {
            self.forgive(*id);
            let Some(executor) = self.executors.remove(*id) else { continue };
            if let Some(until) = executor.excluded_until {
                self.index.timers.remove(&(until, Timer::Excluded(*id)));
            }
            self.nothing_is_near(*id);
            self.host_changed(executor.host_id);
            self.blocks.forget_executor(*id);
            gone.push((*id, executor, *reason));
        }
        self.outputs_lost(lost, now, commands);
        for (id, executor, reason) in gone {
            let message = format!("executor {id} on {} was lost: {reason}", executor.host);
            for attempt in executor.attempts {
                self.attempt_lost(attempt, id, executor.draining, &message, now, commands);
            }
        }
    }

    fn attempt_lost(
        &mut self,
        attempt: AttemptId,
        executor: MemberId,
        drained: bool,
        message: &str,
        now: Millis,
        commands: &mut Vec<Command>,
    ) {
        let Some(job) = self.jobs.live.get_mut(&attempt.job) else { return };
        let stage = job.stages.get_mut(&attempt.stage);
        let Some(task) = stage.and_then(|stage| stage.task_mut(attempt.task)) else { return };
        if task.run(attempt.attempt, executor).is_none() {
            return;
        }
        let kind = FailureKind::ExecutorLost;
        let verdict = if drained {
            retry::after_failure(task, kind, &job.options, &self.options)
        } else {
            retry::after_crash(task, &job.options)
        };
        let failure = Failure { attempt, executor, kind, message: message.to_owned() };
        self.carry_out(verdict, failure, now, commands);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::{Ignored, JobError, fixture::*};

    #[test]
    fn the_tasks_of_a_lost_executor_run_elsewhere_and_its_late_success_counts_for_nothing() {
        let mut scheduler = cluster(&[1, 1]);
        scheduler.submit(tasks(1));
        let commands = scheduler.on_executor_lost(MemberId(1), "no heartbeat", START);
        assert_eq!(launches(&commands), [(1, 0, 2, 2)]);
        let why = Ignored::UnknownExecutor;
        let late = Command::Ignored { attempt: attempt(0, 1), executor: MemberId(1), why };
        assert_eq!(scheduler.succeed(attempt(0, 1), 1), [late]);
    }

    #[test]
    fn an_executor_that_registers_again_has_lost_what_it_ran() {
        let mut scheduler = cluster(&[1]);
        scheduler.submit(tasks(1));
        let commands = scheduler.on_executor_registered(MemberId(1), 1, "host1", START);
        assert_eq!(launches(&commands), [(1, 0, 2, 1)]);
        assert!(matches!(scheduler.succeed(attempt(0, 1), 1)[..], [Command::Ignored { .. }]));
    }

    #[test]
    fn a_task_that_kills_its_executors_fails_its_job() {
        let mut scheduler = cluster(&[1; 8]);
        scheduler.submit(tasks(1));
        for executor in 1..8 {
            assert_eq!(error(&scheduler.on_executor_lost(MemberId(executor), "gone", START)), None);
        }
        let last = scheduler.on_executor_lost(MemberId(8), "connection reset", START);
        let Some(JobError::TaskCrashed { crashes: 8, last }) = error(&last) else { panic!("{last:?}") };
        assert_eq!(last.attempt, attempt(0, 8));
        assert_eq!(last.message, "executor 8 on host8 was lost: connection reset");
        assert!(scheduler.is_clean());
    }

    #[test]
    fn the_end_of_a_draining_executor_is_no_crash() {
        let mut scheduler = cluster(&[1]);
        scheduler.submit(tasks(1));
        for executor in 1..20 {
            scheduler.on_executor_draining(MemberId(executor), START);
            scheduler.on_executor_registered(MemberId(executor + 1), 1, "next", START);
            let commands = scheduler.on_executor_lost(MemberId(executor), "it left", START);
            assert_eq!(launches(&commands).len(), 1, "{commands:?}");
        }
    }

    #[test]
    fn a_draining_executor_finishes_what_it_has_and_gets_nothing_new() {
        let mut scheduler = cluster(&[1, 1]);
        scheduler.submit(tasks(3));
        scheduler.on_executor_draining(MemberId(1), START);
        let commands = scheduler.succeed(attempt(0, 1), 1);
        assert!(matches!(commands[..], [Command::TaskDone { .. }]), "{commands:?}");
        assert_eq!(launches(&scheduler.succeed(attempt(1, 1), 2)), [(1, 2, 1, 2)]);
    }
}

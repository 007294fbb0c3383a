use howdah_proto::JobId;

use crate::scheduler::{
    Command, JobError, Millis, Scheduler,
    pending::Timer,
    stages::{TaskKey, TaskState},
};

impl Scheduler {
    /// Does what was due by now: waits for locality, for a retry or for an executor that are over.
    pub fn on_tick(&mut self, now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        while let Some((at, timer)) = self.queues.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.queues.timers.remove(&(at, timer));
            match timer {
                Timer::Task(key) => self.task_is_due(key, now),
                Timer::ExecutorWait(job) => self.executor_wait_is_over(job, now, &mut commands),
            }
        }
        self.settle(now, commands)
    }

    fn task_is_due(&mut self, key: TaskKey, now: Millis) {
        let Some(task) = self.jobs.task_mut(key) else { return };
        match task.state {
            TaskState::Delayed { .. } => self.queue(key, now),
            _ => self.queues.widen(key, task),
        }
    }

    fn executor_wait_is_over(&mut self, job: JobId, now: Millis, commands: &mut Vec<Command>) {
        let Some(waiting) = self.jobs.live.get(&job).and_then(|job| job.waiting) else { return };
        let error = JobError::NoExecutor { job, waited: now.since(waiting.since) };
        self.fail_job(job, error, commands);
    }
}

use howdah_proto::JobId;

use crate::scheduler::{
    Command, JobError, Millis, Scheduler,
    queues::Timer,
    tasks::{TaskKey, TaskState},
};

impl Scheduler {
    /// Does what was due by now: waits that are over, and looks for slow attempts.
    pub fn on_tick(&mut self, now: Millis) -> Vec<Command> {
        let mut commands = Vec::new();
        while let Some((at, timer)) = self.index.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.index.timers.remove(&(at, timer));
            match timer {
                Timer::Task(key) => self.task_is_due(key, now),
                Timer::ExecutorWait(job) => self.executor_wait_is_over(job, now, &mut commands),
                Timer::Stragglers(stage) => self.look_for_stragglers(stage, now),
                Timer::Excluded(executor) => self.include(executor, &mut commands),
            }
        }
        self.settle(now, commands)
    }

    fn task_is_due(&mut self, key: TaskKey, now: Millis) {
        match self.jobs.task(key).map(|task| &task.state) {
            Some(TaskState::Delayed { .. }) => self.queue(key, now),
            _ => self.go_farther(key, now),
        }
    }

    fn executor_wait_is_over(&mut self, job: JobId, now: Millis, commands: &mut Vec<Command>) {
        let Some(waiting) = self.jobs.live.get(&job).and_then(|job| job.waiting) else { return };
        let error = JobError::NoExecutor { job, waited: now.since(waiting.since) };
        self.fail_job(job, error, commands);
    }
}

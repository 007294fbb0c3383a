//! Measures what an event costs the scheduler, by the number of executors and of tasks.
//!
//! Every executor has two slots and holds the blocks of its share of the tasks. Events are the success of an
//! attempt, which frees a slot that the next task gets; every hundredth is a failure, and every thousandth
//! the loss of an executor, which joins again.

#![allow(clippy::print_stdout)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use howdah_driver::scheduler::{Command, JobOptions, Millis, Options, Scheduler, TaskDescription};
use howdah_proto::{AttemptId, BlockId, JobId, MemberId, NodeId, Partition, StageId, event::FailureKind};

const JOB: JobId = JobId(1);
const SLOTS: u32 = 2;

struct Bench {
    scheduler: Scheduler,
    running: VecDeque<(MemberId, AttemptId)>,
    events: u64,
    spent: Duration,
    longest: Duration,
}

impl Bench {
    fn time(&mut self, event: impl FnOnce(&mut Scheduler) -> Vec<Command>) {
        let start = Instant::now();
        let commands = event(&mut self.scheduler);
        let took = start.elapsed();
        self.spent += took;
        self.longest = self.longest.max(took);
        self.events += 1;
        self.follow(commands);
    }

    fn follow(&mut self, commands: Vec<Command>) {
        for command in commands {
            if let Command::Launch { executor, attempt, .. } = command {
                self.running.push_back((executor, attempt));
            }
        }
    }

    fn run_stage(&mut self, stage: StageId, tasks: &[TaskDescription], now: Millis) -> Duration {
        let start = Instant::now();
        let commands = self.scheduler.on_stage_submitted(JOB, stage, &[], tasks, now);
        let submitted = start.elapsed();
        self.follow(commands);
        while let Some((executor, attempt)) = self.running.pop_front() {
            if self.events % 1000 == 999 {
                self.running.retain(|(on, _)| *on != executor);
                self.time(|scheduler| scheduler.on_executor_lost(executor, "gone", now));
                self.time(|scheduler| scheduler.on_executor_registered(executor, SLOTS, "host", now));
            } else if self.events % 100 == 99 {
                let kind = FailureKind::Task;
                self.time(|scheduler| scheduler.on_attempt_failed(attempt, executor, kind, "it broke", now));
            } else {
                let partition = Partition(attempt.task.0);
                let stored = [BlockId { job: JOB, node: NodeId(0), partition }];
                self.time(|scheduler| scheduler.on_attempt_succeeded(attempt, executor, &stored, now));
            }
            if self.running.is_empty() {
                let commands = self.scheduler.on_tick(Millis(now.0 + 1_000));
                self.follow(commands);
            }
        }
        submitted
    }
}

fn measure(executors: u64, tasks: u32) {
    let mut scheduler = Scheduler::new(Options::default());
    for id in 1..=executors {
        scheduler.on_executor_registered(MemberId(id), SLOTS, "host", Millis(0));
    }
    let options = JobOptions { task_attempts: 1_000, task_crashes: 1_000, executor_wait: None };
    scheduler.on_job_submitted(JOB, options);
    let running = VecDeque::new();
    let mut bench = Bench { scheduler, running, events: 0, spent: Duration::ZERO, longest: Duration::ZERO };
    // The first stage runs anywhere and stores the blocks that the tasks of the second prefer.
    for stage in 1..=2 {
        let describe = |index| {
            let partition = Partition(index);
            let block = BlockId { job: JOB, node: NodeId(0), partition };
            TaskDescription { partition, prefers: (stage == 2).then_some(block) }
        };
        let descriptions: Vec<TaskDescription> = (0..tasks).map(describe).collect();
        (bench.events, bench.spent, bench.longest) = (0, Duration::ZERO, Duration::ZERO);
        let submitted = bench.run_stage(StageId(stage), &descriptions, Millis(stage * 10_000));
        let kind = if stage == 1 { "anywhere" } else { "near a block" };
        let counts = bench.scheduler.stage_counts(JOB, StageId(stage)).unwrap_or_default();
        println!(
            "{executors:>9} {tasks:>9} {kind:>13} {:>9} {:>9.2} {:>11.0} {:>13.2}",
            counts.done,
            bench.spent.as_secs_f64() * 1e6 / bench.events as f64,
            bench.longest.as_secs_f64() * 1e6,
            submitted.as_secs_f64() * 1e6 / f64::from(tasks),
        );
    }
}

fn main() {
    println!("executors     tasks       placing      done  us/event  longest us  submit us/task");
    for executors in [10, 100, 1_000] {
        for tasks in [1_000, 10_000, 100_000] {
            measure(executors, tasks);
        }
    }
}

//! Measures what an event costs the scheduler, by the number of executors and of tasks.
//!
//! Every executor has two slots. Half of the tasks belong to each of two jobs in pools that share evenly. A map
//! stage keeps its outputs on the executors and stores blocks; the tasks of its child prefer them. Events are
//! the success of an attempt, which frees a slot that the next task gets; every hundredth is a failure, and every
//! thousandth the loss of an executor, which joins again, and whose outputs are computed again.

#![allow(clippy::print_stdout)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use howdah_driver::scheduler::{
    Command, JobOptions, Millis, Options, Output, PoolName, Scheduler, StageDescription, TaskDescription,
};
use howdah_proto::{AttemptId, BlockId, JobId, MemberId, NodeId, Partition, StageId, event::FailureKind};

const JOBS: [JobId; 2] = [JobId(1), JobId(2)];
const SLOTS: u32 = 2;

/// A clock that goes on a little with each event, so that waits and speculation take place.
#[derive(Default)]
struct Bench {
    scheduler: Scheduler,
    running: VecDeque<(MemberId, AttemptId)>,
    now_us: u64,
    events: u64,
    spent: Duration,
    longest: Duration,
}

impl Bench {
    fn now(&self) -> Millis {
        Millis(self.now_us / 1_000)
    }

    fn time(&mut self, event: impl FnOnce(&mut Scheduler, Millis) -> Vec<Command>) {
        let now = self.now();
        let start = Instant::now();
        let commands = event(&mut self.scheduler, now);
        let took = start.elapsed();
        self.spent += took;
        self.longest = self.longest.max(took);
        self.events += 1;
        self.now_us += 20;
        self.follow(commands);
    }

    fn follow(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Launch { executor, attempt, .. } => self.running.push_back((executor, attempt)),
                Command::JobFailed { error, .. } => println!("the job failed: {error}"),
                _ => {}
            }
        }
    }

    fn run(&mut self) {
        loop {
            while self.scheduler.next_deadline().is_some_and(|due| due <= self.now()) {
                self.time(|scheduler, now| scheduler.on_tick(now));
            }
            let Some((executor, attempt)) = self.running.pop_front() else {
                let Some(due) = self.scheduler.next_deadline() else { return };
                self.now_us = self.now_us.max(due.0 * 1_000);
                continue;
            };
            if self.events % 1_000 == 999 {
                self.running.retain(|(on, _)| *on != executor);
                self.time(|scheduler, now| scheduler.on_executor_lost(executor, "gone", now));
                let host = host(executor);
                self.time(|scheduler, now| scheduler.on_executor_registered(executor, SLOTS, host, now));
            } else if self.events % 100 == 99 {
                let kind = FailureKind::Task;
                self.time(|scheduler, now| {
                    scheduler.on_attempt_failed(attempt, executor, kind, "it broke", now)
                });
            } else {
                let stored = [block(attempt.job, attempt.task.0)];
                self.time(|scheduler, now| scheduler.on_attempt_succeeded(attempt, executor, &stored, now));
            }
        }
    }
}

fn host(executor: MemberId) -> String {
    format!("host{}", executor.0 / 4)
}

fn block(job: JobId, partition: u32) -> BlockId {
    BlockId { context: job.into(), node: NodeId(0), partition: Partition(partition) }
}

/// Runs two jobs of a map and a child stage; returns microseconds per event.
fn measure(executors: u64, tasks: u32) -> f64 {
    let mut bench = Bench { scheduler: Scheduler::new(Options::default()), ..Bench::default() };
    for id in (1..=executors).map(MemberId) {
        bench.scheduler.on_executor_registered(id, SLOTS, host(id), Millis(0));
    }
    let mut submitted = Duration::ZERO;
    for job in JOBS {
        let options = JobOptions {
            task_attempts: 1_000,
            task_crashes: 1_000,
            pool: PoolName::new(job.to_string()),
            ..JobOptions::default()
        };
        bench.scheduler.on_job_submitted(job, job.into(), options);
        for (stage, output) in [(StageId(1), Output::Kept), (StageId(2), Output::Returned)] {
            let describe = |index| {
                let prefers = if output == Output::Returned { vec![block(job, index)] } else { Vec::new() };
                TaskDescription { partition: Partition(index), prefers, kept_at: None }
            };
            let tasks = (0..tasks / 4).map(describe).collect();
            let parents = (1..stage.0).map(StageId).collect();
            let start = Instant::now();
            let description = StageDescription { stage, parents, tasks, output };
            let commands = bench.scheduler.on_stage_submitted(job, description, Millis(0));
            submitted += start.elapsed();
            bench.follow(commands);
        }
    }
    bench.run();
    let done = |job: &JobId| bench.scheduler.stage_counts(*job, StageId(2)).unwrap_or_default().done;
    let per_event = bench.spent.as_secs_f64() * 1e6 / bench.events as f64;
    println!(
        "{executors:>9} {tasks:>9} {:>9} {:>9} {per_event:>9.2} {:>11.0} {:>14.2}",
        JOBS.iter().map(done).sum::<u32>(),
        bench.events,
        bench.longest.as_secs_f64() * 1e6,
        submitted.as_secs_f64() * 1e6 / f64::from(tasks),
    );
    per_event
}

fn main() {
    println!("executors     tasks  returned    events  us/event  longest us  submit us/task");
    let small = measure(100, 10_000);
    let large = measure(1_000, 100_000);
    println!("ten times the executors and tasks cost {:.2} times as much per event", large / small);
}

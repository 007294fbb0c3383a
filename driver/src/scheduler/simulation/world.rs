//! A cluster that misbehaves, with a clock of its own.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use howdah_proto::{AttemptId, BlockId, ContextId, JobId, MemberId, NodeId, Partition, StageId, TaskIndex};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    happenings::{Flaw, Happening, Outcome},
    model::Model,
};
use crate::scheduler::{
    Command, JobOptions, Millis, Options, Output, PoolName, Scheduler, Speculation, StageDescription,
    TaskDescription,
};

const CHAOS_ENDS: Millis = Millis(20_000);
const MOST_EVENTS: u32 = 100_000;

/// Two jobs share a context.
pub(super) fn context_of(job: JobId) -> ContextId {
    ContextId(job.0.div_ceil(2))
}

pub(super) struct World {
    pub(super) random: StdRng,
    pub(super) now: Millis,
    agenda: BinaryHeap<Reverse<(Millis, u64, Happening)>>,
    sequence: u64,
    next_member: u64,
    pub(super) scheduler: Scheduler,
    pub(super) model: Model,
    pub(super) flaws: BTreeMap<JobId, Flaw>,
    /// How often what happened that the simulation is about.
    pub(super) seen: BTreeMap<&'static str, u32>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = Self {
            random: StdRng::seed_from_u64(seed),
            now: Millis(0),
            agenda: BinaryHeap::new(),
            sequence: 0,
            next_member: 1,
            scheduler: Scheduler::new(Options::default()),
            model: Model::default(),
            flaws: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        for _ in 0..world.random.random_range(1..=50) {
            world.plan(0..5_000, Happening::Join);
        }
        for job in (1..=world.random.random_range(1..=4)).map(JobId) {
            world.plan(0..10_000, Happening::Submit(job));
            if world.random.random_bool(0.1) {
                world.plan(0..20_000, Happening::CancelJob(job));
            }
            if world.random.random_bool(0.05) {
                world.plan(0..20_000, Happening::CloseContext(context_of(job)));
            }
        }
        for _ in 0..world.random.random_range(0..60) {
            world.plan(0..CHAOS_ENDS.0, Happening::Mischief);
        }
        world
    }

    /// Lets everything happen, until nothing more does.
    pub(super) fn run(&mut self) {
        for _ in 0..MOST_EVENTS {
            let due = self.scheduler.next_deadline();
            let next = self.agenda.peek().map(|Reverse((at, ..))| *at);
            if let Some(due) = due.filter(|due| next.is_none_or(|next| *due <= next)) {
                self.now = self.now.max(due);
                let commands = self.scheduler.on_tick(self.now);
                assert!(
                    self.scheduler.next_deadline() > Some(due) || self.scheduler.next_deadline().is_none()
                );
                self.answer(commands);
            } else if let Some(Reverse((at, _, happening))) = self.agenda.pop() {
                self.now = at;
                self.happen(happening);
            } else if self.model.accepting() == 0 && !self.scheduler.is_idle() {
                self.happen(Happening::Join);
            } else {
                return self.close_all();
            }
        }
        panic!("it does not end");
    }

    pub(super) fn plan(&mut self, from_now: std::ops::Range<u64>, happening: Happening) {
        let at = Millis(self.now.0 + self.random.random_range(from_now));
        self.sequence += 1;
        self.agenda.push(Reverse((at, self.sequence, happening)));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Join => {
                let id = MemberId(self.next_member);
                self.next_member += 1;
                self.join(id);
            }
            Happening::Submit(job) => self.submit(job),
            Happening::CancelJob(job) if self.model.jobs.contains_key(&job) => {
                self.model.cancelled(job);
                let commands = self.scheduler.on_job_cancelled(job, "enough", self.now);
                self.answer(commands);
            }
            Happening::CancelJob(_) => {}
            Happening::CloseContext(context) => self.close(context),
            Happening::Lost(id) => self.lose(id),
            Happening::Report(id, attempt, outcome) => self.report(id, attempt, outcome),
            Happening::Mischief => self.mischief(),
        }
    }

    pub(super) fn join(&mut self, id: MemberId) {
        let slots = self.random.random_range(0..=4);
        self.model.registered(id, slots);
        let commands =
            self.scheduler.on_executor_registered(id, slots, format!("host{}", id.0 / 3), self.now);
        self.answer(commands);
    }

    pub(super) fn lose(&mut self, id: MemberId) {
        if self.model.executors.contains_key(&id) && self.random.random_bool(0.7) {
            self.plan(0..5_000, Happening::Join);
        }
        self.model.lost(id);
        let commands = self.scheduler.on_executor_lost(id, "gone", self.now);
        self.answer(commands);
    }

    fn close_all(&mut self) {
        for job in self.model.jobs.keys().copied().collect::<Vec<_>>() {
            self.close(context_of(job));
        }
    }

    fn close(&mut self, context: ContextId) {
        let jobs = self.model.jobs.keys().copied().filter(|job| context_of(*job) == context);
        for job in jobs.collect::<Vec<_>>() {
            self.model.cancelled(job);
        }
        let commands = self.scheduler.on_context_closed(context, self.now);
        self.answer(commands);
    }

    fn submit(&mut self, job: JobId) {
        let flaw = match self.random.random_range(0..20) {
            0 | 1 => Flaw::AlwaysFails,
            2 | 3 => Flaw::KillsItsExecutor,
            4 => Flaw::NeverFetches,
            5 => Flaw::LiesAboutFetches,
            _ => Flaw::None,
        };
        self.flaws.insert(job, flaw);
        let executor_wait = self.random.random_bool(0.3).then_some(Duration::from_secs(2));
        let pool = PoolName::new(format!("pool{}", self.random.random_range(0..3)));
        let speculation = self.random.random_bool(0.8).then(Speculation::default);
        let options = JobOptions { executor_wait, pool, speculation, ..JobOptions::default() };
        self.model.job_submitted(job, options.clone());
        let commands = self.scheduler.on_job_submitted(job, context_of(job), options);
        self.answer(commands);
        let least = if flaw.is_about_fetches() { 2 } else { 1 };
        let last = self.random.random_range(least..=6);
        for stage in 1..=last {
            let description = self.draw_stage(job, flaw, stage, stage == last);
            if self.model.job(job).end.is_none() {
                self.model.stage_submitted(job, &description);
            }
            let commands = self.scheduler.on_stage_submitted(job, description, self.now);
            self.answer(commands);
        }
        self.finish_complete_jobs();
    }

    /// Draws a stage; the task that a flaw is about is there, and runs.
    fn draw_stage(&mut self, job: JobId, flaw: Flaw, stage: u64, last: bool) -> StageDescription {
        let is_flawed = flaw != Flaw::None && stage == flaw.stage().0;
        let feeds_the_flaw = flaw.is_about_fetches() && stage == 1;
        let kept = feeds_the_flaw || !is_flawed && !last && self.random.random_bool(0.6);
        let parents: Vec<StageId> = (1..stage)
            .map(StageId)
            .filter(|_| flaw.is_about_fetches() && is_flawed || self.random.random_bool(0.5))
            .collect();
        let count = self.random.random_range(u32::from(stage <= 2)..=30);
        let mut tasks = Vec::new();
        for partition in (0..count).map(Partition) {
            let nodes = parents.iter().filter_map(|parent| u32::try_from(parent.0).ok()).map(NodeId);
            let block = |node| BlockId { context: context_of(job), node, partition };
            let some_member = MemberId(self.random.random_range(1..self.next_member + 2));
            let has_output = kept && !feeds_the_flaw && self.random.random_bool(0.1);
            let prefers = nodes.map(block).take(2).collect();
            tasks.push(TaskDescription { partition, prefers, kept_at: has_output.then_some(some_member) });
        }
        let output = if kept { Output::Kept } else { Output::Returned };
        StageDescription { stage: StageId(stage), parents, tasks, output }
    }

    /// Checks what the scheduler answers, and does what it commands.
    pub(super) fn answer(&mut self, commands: Vec<Command>) {
        self.model.check(&commands, self.now);
        for command in commands {
            let seen = match &command {
                Command::Launch { speculative: true, .. } => Some("second attempt"),
                Command::TaskDone { again: true, .. } => Some("output computed again"),
                Command::StageRetried { .. } => Some("stage tried again"),
                Command::Excluded { stage: Some(_), .. } => Some("excluded for a stage"),
                Command::Excluded { .. } => Some("excluded for everything"),
                Command::Included { .. } => Some("included"),
                _ => None,
            };
            seen.into_iter().for_each(|seen| *self.seen.entry(seen).or_default() += 1);
            match command {
                Command::Launch { executor, attempt, .. } => {
                    let outcome = self.draw_outcome(attempt, executor);
                    // Some executors are slow.
                    let longest = if executor.0.is_multiple_of(7) { 5_000 } else { 500 };
                    self.plan(1..longest, Happening::Report(executor, attempt, outcome));
                }
                Command::Cancel { executor, attempt, .. } => {
                    self.plan(0..200, Happening::Report(executor, attempt, Outcome::Failure(4)));
                }
                _ => {}
            }
        }
    }

    pub(super) fn is_flawed(&self, attempt: AttemptId) -> bool {
        let flaw = self.flaws[&attempt.job];
        flaw != Flaw::None && attempt.stage == flaw.stage() && attempt.task == TaskIndex(0)
    }

    fn draw_outcome(&mut self, attempt: AttemptId, executor: MemberId) -> Outcome {
        let flaw = self.flaws[&attempt.job];
        if self.is_flawed(attempt) {
            match flaw {
                Flaw::AlwaysFails => return Outcome::Failure(0),
                Flaw::KillsItsExecutor => return Outcome::Death,
                Flaw::NeverFetches => return Outcome::NoFetch { true_name: true },
                Flaw::LiesAboutFetches => return Outcome::NoFetch { true_name: false },
                Flaw::None => {}
            }
        }
        // Some executors are broken.
        if executor.0.is_multiple_of(5) && self.now < CHAOS_ENDS && self.random.random_bool(0.5) {
            return Outcome::Failure(0);
        }
        match self.random.random_range(0..1000) {
            0..100 if self.now < CHAOS_ENDS => Outcome::Failure(self.random.random_range(0..5)),
            100 if self.now < CHAOS_ENDS => Outcome::Failure(5),
            101..120 if self.now < CHAOS_ENDS => Outcome::NoFetch { true_name: true },
            120..130 if self.now < CHAOS_ENDS => Outcome::NoFetch { true_name: false },
            _ => Outcome::Success,
        }
    }
}

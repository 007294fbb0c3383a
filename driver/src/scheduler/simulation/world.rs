//! A cluster that misbehaves, with a clock of its own.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use howdah_proto::{Attempt, AttemptId, BlockId, JobId, MemberId, NodeId, Partition, StageId, TaskIndex};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};

use super::{
    happenings::{Flaw, Happening, KINDS, Outcome},
    model::{End, Model},
};
use crate::scheduler::{Command, JobOptions, Millis, Options, Scheduler, TaskDescription};

const CHAOS_ENDS: Millis = Millis(20_000);
const MOST_EVENTS: u32 = 100_000;
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct World {
    random: StdRng,
    now: Millis,
    agenda: BinaryHeap<Reverse<(Millis, u64, Happening)>>,
    sequence: u64,
    next_member: u64,
    pub(super) scheduler: Scheduler,
    pub(super) model: Model,
    pub(super) flaws: BTreeMap<JobId, Flaw>,
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
        };
        for _ in 0..world.random.random_range(1..=50) {
            world.plan(0..5_000, Happening::Join);
        }
        for job in (1..=world.random.random_range(1..=4)).map(JobId) {
            world.plan(0..10_000, Happening::Submit(job));
            if world.random.random_bool(0.1) {
                world.plan(0..20_000, Happening::CancelJob(job));
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
                return;
            }
        }
        panic!("it does not end");
    }

    fn plan(&mut self, from_now: std::ops::Range<u64>, happening: Happening) {
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
            Happening::Lost(id) => self.lose(id),
            Happening::Report(id, attempt, outcome) => self.report(id, attempt, outcome),
            Happening::Mischief => self.mischief(),
        }
    }

    fn join(&mut self, id: MemberId) {
        let slots = self.random.random_range(0..=4);
        self.model.registered(id, slots);
        let commands = self.scheduler.on_executor_registered(id, slots, "host", self.now);
        self.answer(commands);
    }

    fn lose(&mut self, id: MemberId) {
        if self.model.executors.contains_key(&id) && self.random.random_bool(0.7) {
            self.plan(0..5_000, Happening::Join);
        }
        self.model.lost(id);
        let commands = self.scheduler.on_executor_lost(id, "gone", self.now);
        self.answer(commands);
    }

    fn submit(&mut self, job: JobId) {
        let flaw = match self.random.random_range(0..10) {
            0 => Flaw::AlwaysFails,
            1 => Flaw::KillsItsExecutor,
            _ => Flaw::None,
        };
        self.flaws.insert(job, flaw);
        let executor_wait = self.random.random_bool(0.3).then_some(Duration::from_secs(2));
        let options = JobOptions { executor_wait, ..JobOptions::default() };
        self.model.job_submitted(job, options);
        let commands = self.scheduler.on_job_submitted(job, options);
        self.answer(commands);
        for stage in 1..=self.random.random_range(1..=5) {
            let parents: Vec<StageId> =
                (1..stage).map(StageId).filter(|_| self.random.random_bool(0.5)).collect();
            // The task with the flaw must be there.
            let count = self.random.random_range(u32::from(stage == 1)..=30);
            let prefers = |partition| {
                let node = NodeId(u32::try_from(parents.first()?.0).ok()?);
                Some(BlockId { job, node, partition })
            };
            let describe = |partition| TaskDescription { partition, prefers: prefers(partition) };
            let tasks: Vec<TaskDescription> = (0..count).map(Partition).map(describe).collect();
            if self.model.job(job).end.is_none() {
                self.model.stage_submitted(job, StageId(stage), parents.clone(), &tasks);
            }
            let commands = self.scheduler.on_stage_submitted(job, StageId(stage), &parents, &tasks, self.now);
            self.answer(commands);
        }
        self.finish_complete_jobs();
    }

    /// Checks what the scheduler answers, and does what it commands.
    fn answer(&mut self, commands: Vec<Command>) {
        self.model.check(&commands, self.now);
        for command in commands {
            match command {
                Command::Launch { executor, attempt, .. } => {
                    let outcome = self.draw_outcome(attempt);
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

    fn draw_outcome(&mut self, attempt: AttemptId) -> Outcome {
        if attempt.stage == StageId(1) && attempt.task == TaskIndex(0) {
            match self.flaws[&attempt.job] {
                Flaw::AlwaysFails => return Outcome::Failure(0),
                Flaw::KillsItsExecutor => return Outcome::Death,
                Flaw::None => {}
            }
        }
        match self.random.random_range(0..1000) {
            0..100 if self.now < CHAOS_ENDS => Outcome::Failure(self.random.random_range(0..5)),
            100 if self.now < CHAOS_ENDS => Outcome::Failure(5),
            _ => Outcome::Success,
        }
    }

    fn report(&mut self, id: MemberId, attempt: AttemptId, outcome: Outcome) {
        if self.model.executors.get(&id).is_some_and(|executor| executor.hung) {
            // What a hung executor did comes to light after it was given up.
            self.plan(3_000..4_000, Happening::Report(id, attempt, outcome));
            return;
        }
        if outcome == Outcome::Death {
            if self.model.executors.get(&id).is_some_and(|executor| executor.running.contains(&attempt)) {
                self.lose(id);
            }
            return;
        }
        let believed = self.model.reported(attempt, id);
        let commands = if let Outcome::Failure(kind) = outcome {
            let kind = KINDS[usize::from(kind)];
            if believed {
                self.model.failed(attempt, id, kind);
            }
            self.scheduler.on_attempt_failed(attempt, id, kind, "it broke", self.now)
        } else {
            let node = NodeId(u32::try_from(attempt.stage.0).unwrap_or_default());
            let block = BlockId { job: attempt.job, node, partition: Partition(attempt.task.0) };
            self.scheduler.on_attempt_succeeded(attempt, id, &[block], self.now)
        };
        let ignored = matches!(commands[..], [Command::Ignored { .. }]);
        assert_eq!(ignored, !believed, "{attempt} on {id}: {outcome:?}");
        self.answer(commands);
        self.finish_complete_jobs();
    }

    fn finish_complete_jobs(&mut self) {
        let jobs: Vec<JobId> = self.model.jobs.keys().copied().collect();
        for job in jobs {
            if self.model.is_complete(job) {
                self.model.job(job).end = Some(End::Finished);
                let commands = self.scheduler.on_job_finished(job, self.now);
                self.answer(commands);
            }
        }
    }

    fn mischief(&mut self) {
        let Some(id) = self.model.executors.keys().copied().choose(&mut self.random) else { return };
        let some_attempt = self.model.executors.values().flat_map(|executor| &executor.running);
        let some_attempt = some_attempt.copied().choose(&mut self.random);
        match self.random.random_range(0..7) {
            0 => self.lose(id),
            1 => self.join(id),
            2 => {
                self.model.executors.entry(id).and_modify(|executor| executor.hung = true);
                let noticed = u64::try_from(HEARTBEAT_TIMEOUT.as_millis()).unwrap_or_default();
                self.plan(noticed..noticed + 1, Happening::Lost(id));
            }
            3 => {
                self.model.executors.entry(id).and_modify(|executor| executor.draining = true);
                let commands = self.scheduler.on_executor_draining(id, self.now);
                self.answer(commands);
                self.plan(0..2_000, Happening::Lost(id));
            }
            4 => {
                let blocks = [BlockId { job: JobId(1), node: NodeId(1), partition: Partition(0) }];
                let commands = self.scheduler.on_blocks_dropped(id, &blocks, self.now);
                self.answer(commands);
            }
            // A lie about an attempt that may run elsewhere, and one about an attempt that never was.
            5 => {
                if let Some(attempt) = some_attempt {
                    self.report(id, attempt, Outcome::Success);
                    self.report(id, attempt, Outcome::Success);
                }
            }
            _ => {
                if let Some(attempt) = some_attempt {
                    let never = AttemptId { attempt: Attempt(attempt.attempt.0 + 1), ..attempt };
                    self.report(id, never, Outcome::Failure(5));
                }
            }
        }
    }
}

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    time::Duration,
};

use howdah_proto::TaskIndex;

use super::{
    Millis, Scheduler, Speculation,
    queues::Timer,
    stages::StageCounts,
    tasks::{Copying, Run, Runs, StageKey, TaskState},
};

/// The median of a growing set of durations, in O(log n) for each.
#[derive(Debug, Default)]
struct Median {
    /// The lower half, which has as many as the upper one or one more.
    low: BinaryHeap<Duration>,
    high: BinaryHeap<Reverse<Duration>>,
}

impl Median {
    fn add(&mut self, duration: Duration) {
        self.low.push(duration);
        self.high.extend(self.low.pop().map(Reverse));
        if self.high.len() > self.low.len() {
            self.low.extend(self.high.pop().map(|Reverse(duration)| duration));
        }
    }

    fn get(&self) -> Option<Duration> {
        let low = *self.low.peek()?;
        match self.high.peek() {
            Some(Reverse(high)) if self.high.len() == self.low.len() => Some((low + *high) / 2),
            _ => Some(low),
        }
    }
}

/// What is known of the durations of a stage's attempts.
#[derive(Debug)]
pub(super) struct Stragglers {
    settings: Speculation,
    finished: Median,
    /// Attempts that run alone and have not been found slow, by launch.
    pub(super) running: BTreeSet<(Millis, TaskIndex)>,
    /// When they are looked at next.
    pub(super) next_look: Option<Millis>,
}

impl Stragglers {
    pub(super) fn new(settings: Speculation) -> Self {
        Self { settings, finished: Median::default(), running: BTreeSet::new(), next_look: None }
    }

    pub(super) fn finished(&mut self, took: Duration) {
        self.finished.add(took);
    }

    fn is_worth_a_look(&self, counts: StageCounts) -> bool {
        let needed = u64::from(counts.total()) * u64::from(self.settings.done_percent) / 100;
        self.next_look.is_none() && !self.running.is_empty() && u64::from(counts.done) >= needed.max(1)
    }

    fn threshold(&self) -> Option<Duration> {
        let slow = self.finished.get()?.saturating_mul(self.settings.multiplier);
        Some(slow.max(self.settings.minimum))
    }
}

impl Scheduler {
    /// Sets the timer for slow attempts of a stage, if enough of its tasks are done and any runs alone.
    pub(super) fn watch_stragglers(&mut self, key: StageKey, now: Millis) {
        let Some(stage) = self.jobs.stage_mut(key) else { return };
        let counts = stage.counts;
        let Some(stragglers) = &mut stage.stragglers else { return };
        if stragglers.is_worth_a_look(counts) {
            let at = now.after(stragglers.settings.interval);
            stragglers.next_look = Some(at);
            self.index.timers.insert((at, Timer::Stragglers(key)));
        }
    }

    /// Asks for second attempts of the tasks whose attempts are slow.
    pub(super) fn look_for_stragglers(&mut self, key: StageKey, now: Millis) {
        let slow: Vec<TaskIndex> = {
            let Some(stage) = self.jobs.stage_mut(key) else { return };
            let Some(stragglers) = &mut stage.stragglers else { return };
            stragglers.next_look = None;
            let threshold = stragglers.threshold();
            let is_slow = |since: &Millis| threshold.is_some_and(|threshold| now.since(*since) >= threshold);
            let by_launch = stragglers.running.iter();
            by_launch.take_while(|(since, _)| is_slow(since)).map(|(_, task)| *task).collect()
        };
        for task in slow.into_iter().map(|task| key.task(task)) {
            let Some(runs) = self.jobs.task(task).and_then(|task| task.runs()).copied() else { continue };
            let first = Run { copy: Copying::Wanted, ..runs.first };
            self.put(task, TaskState::Running(Runs { first, ..runs }));
        }
        self.watch_stragglers(key, now);
    }
}

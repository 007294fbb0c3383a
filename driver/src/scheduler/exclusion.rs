//! Which executors get no more tasks because too many failed there.
//!
//! The counts are kept small, which bounds what a search for a slot must look at: an executor that is not
//! excluded for everything is avoided by fewer than `tasks_per_stage * stages` tasks and `stages` stages, and a
//! task or a stage avoids at most [`MOST_AVOIDED`] executors.

use std::collections::BTreeSet;

use howdah_proto::MemberId;

use super::{
    Command, Millis, Scheduler,
    queues::Timer,
    tasks::{StageKey, TaskKey},
};

/// How many executors a task, or a stage, avoids. Where more fail, they are hardly to blame.
pub(super) const MOST_AVOIDED: usize = 8;

/// What failed on an executor since it had a clean slate.
#[derive(Debug, Default)]
pub(super) struct Record {
    failed: BTreeSet<TaskKey>,
    stages: BTreeSet<StageKey>,
}

impl Record {
    fn failed_in(&self, stage: StageKey) -> usize {
        // There are few.
        self.failed.iter().filter(|task| task.stage() == stage).count()
    }
}

impl Scheduler {
    /// Notes that a task failed on an executor by its own error, and excludes the executor if that is too much.
    pub(super) fn note_failure(
        &mut self,
        key: TaskKey,
        executor: MemberId,
        now: Millis,
        commands: &mut Vec<Command>,
    ) {
        let mut dropped = None;
        self.change_excluded(key, |avoid| {
            if let Err(place) = avoid.binary_search(&executor) {
                dropped = (avoid.len() == MOST_AVOIDED).then(|| avoid.remove(0));
                let place = place.saturating_sub(usize::from(dropped.is_some()));
                avoid.insert(place, executor);
            }
        });
        if let Some(record) = dropped.and_then(|dropped| self.records.get_mut(&dropped)) {
            record.failed.remove(&key);
        }
        let Some(job) = self.jobs.live.get_mut(&key.job) else { return };
        job.failed_on.insert(executor);
        let limits = self.options.exclusion;
        let record = self.records.entry(executor).or_default();
        record.failed.insert(key);
        let (in_stage, in_all) = (record.failed_in(key.stage()), record.failed.len());
        if in_stage >= limits.tasks_per_stage as usize {
            self.exclude_for_stage(key.stage(), executor, commands);
        }
        let stages = self.records.get(&executor).map_or(0, |record| record.stages.len());
        let most = limits.tasks_per_stage.saturating_mul(limits.stages) as usize;
        if stages >= limits.stages as usize || in_all >= most {
            self.exclude_for_everything(executor, stages, in_all, now, commands);
        }
    }

    fn exclude_for_stage(&mut self, key: StageKey, executor: MemberId, commands: &mut Vec<Command>) {
        let Some(stage) = self.jobs.stage_mut(key) else { return };
        if stage.excluded.len() >= MOST_AVOIDED || !stage.excluded.insert(executor) {
            return;
        }
        let record = self.records.entry(executor).or_default();
        record.stages.insert(key);
        let reason = format!("{} tasks of stage {} failed there", record.failed_in(key), key.stage);
        self.exclusion_of_stage_changed(key, executor);
        commands.push(Command::Excluded { executor, stage: Some(key.stage), until: None, reason });
    }

    /// Excludes an executor for a while, with a clean slate for afterwards; not if no other would be left.
    fn exclude_for_everything(
        &mut self,
        executor: MemberId,
        stages: usize,
        failed: usize,
        now: Millis,
        commands: &mut Vec<Command>,
    ) {
        self.forgive(executor);
        if !self.executors.is_usable(executor) || self.executors.usable() < 2 {
            return;
        }
        let until = now.after(self.options.exclusion.timeout);
        self.executors.set_excluded(executor, Some(until));
        self.index.timers.insert((until, Timer::Excluded(executor)));
        self.slots_changed(executor);
        let reason = format!("{failed} tasks failed there, and {stages} stages excluded it");
        commands.push(Command::Excluded { executor, stage: None, until: Some(until), reason });
    }

    /// Lets an executor that was excluded for everything have tasks again.
    pub(super) fn include(&mut self, executor: MemberId, commands: &mut Vec<Command>) {
        let until = self.executors.get(executor).and_then(|executor| executor.excluded_until);
        let Some(until) = until else { return };
        self.index.timers.remove(&(until, Timer::Excluded(executor)));
        self.executors.set_excluded(executor, None);
        self.slots_changed(executor);
        commands.push(Command::Included { executor });
    }

    /// Includes all executors again if no other is left: tasks would wait for the end of the exclusion.
    pub(super) fn include_all_if_none_is_left(&mut self, commands: &mut Vec<Command>) {
        if self.executors.usable() == 0 && self.executors.accepting() > 0 {
            for executor in self.executors.excluded().collect::<Vec<_>>() {
                self.include(executor, commands);
            }
        }
    }

    /// Forgets what failed on an executor.
    pub(super) fn forgive(&mut self, executor: MemberId) {
        let Some(record) = self.records.remove(&executor) else { return };
        for key in record.failed {
            self.change_excluded(key, |avoid| avoid.retain(|id| *id != executor));
        }
        for key in record.stages {
            if let Some(stage) = self.jobs.stage_mut(key) {
                stage.excluded.remove(&executor);
            }
            self.exclusion_of_stage_changed(key, executor);
        }
    }

    /// Forgets what failed of a job that has ended.
    pub(super) fn forget_failures(&mut self, job: howdah_proto::JobId, on: BTreeSet<MemberId>) {
        for executor in on {
            let Some(record) = self.records.get_mut(&executor) else { continue };
            record.failed.retain(|task| task.job != job);
            record.stages.retain(|stage| stage.job != job);
            if record.failed.is_empty() && record.stages.is_empty() {
                self.records.remove(&executor);
            }
        }
    }

    fn exclusion_of_stage_changed(&mut self, key: StageKey, executor: MemberId) {
        self.set_near_open(key, executor);
        if let Some(host) = self.executors.get(executor).map(|executor| executor.host_id) {
            self.set_host_open(key, host);
        }
    }
}

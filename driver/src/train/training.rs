use howdah_proto::{
    Epoch, Partition,
    event::{Event, StageKind},
    pb::{self, attempt_succeeded::Result as TaskResult},
    settings::Updates,
};

use super::{ClusterView, JobCommand, PartitionUse, Question, TrainJob, choice::may_be_chosen, job::Phase};
use crate::scheduler::Millis;

impl TrainJob {
    /// A task is done: its result has been [checked](Self::check), counts, and comes once.
    pub fn on_task_done(
        &mut self,
        kind: StageKind,
        partition: Partition,
        result: &TaskResult,
        cluster: &ClusterView,
        now: Millis,
    ) -> Vec<JobCommand> {
        match (kind, result) {
            (StageKind::Prepare, TaskResult::Computed(block)) => {
                self.on_prepared(partition, block, cluster, now)
            }
            (StageKind::Fit { .. }, TaskResult::Gathered(gathered)) => self.on_gathered(partition, gathered),
            (StageKind::Save, TaskResult::Saved(saved)) => self.on_saved(partition, saved),
            (StageKind::Train { epoch }, TaskResult::Trained(trained)) => {
                self.epochs.add_trained(epoch, trained);
                if let Some(partitions) = self.streaming.get_mut(&epoch) {
                    partitions.remove(&partition);
                }
                self.contributed(epoch, now)
            }
            (StageKind::Evaluate { epoch }, TaskResult::Evaluated(evaluated)) => {
                let added = self.summary(evaluated).and_then(|summary| match self.use_of(partition) {
                    Some(PartitionUse::Validation) => self.epochs.add_validated(epoch, summary),
                    _ => self.epochs.add_evaluated(epoch, summary),
                });
                match added {
                    Ok(()) => Vec::new(),
                    Err(error) => {
                        self.fail(format!("the evaluation of partition {partition}: {error}"), None)
                    }
                }
            }
            _ => self.fail(format!("the task on partition {partition} gave a result of another kind"), None),
        }
    }

    /// All tasks of a stage are done.
    pub fn on_stage_finished(&mut self, kind: StageKind, now: Millis) -> Vec<JobCommand> {
        match kind {
            StageKind::Prepare => {
                if self.train_samples() == 0 {
                    return self.fail("no training picture can be used".to_owned(), None);
                }
                if let Some(class) = self.unusable_class() {
                    let error = format!("no training picture of class `{class}` can be used");
                    return self.fail(error, Some("each of them was named with what is wrong".to_owned()));
                }
                let unlike = self.check_usable();
                if unlike.is_empty() { self.fit_or_train(now) } else { unlike }
            }
            StageKind::Fit { .. } => self.all_gathered(),
            StageKind::Save => self.all_saved(),
            StageKind::Train { .. } if self.settings.mode.in_rounds() => self.round_complete(now),
            StageKind::Train { epoch } => {
                self.streaming.remove(&epoch);
                if self.streaming.is_empty() { self.close_epoch(now) } else { Vec::new() }
            }
            StageKind::Evaluate { epoch } => self.end_epoch(epoch, now),
        }
    }

    /// The weights after the epoch are kept under its tag: evaluate them, and go on training meanwhile.
    pub(super) fn tagged(&mut self, now: Millis) -> Vec<JobCommand> {
        let epoch = self.position.epoch;
        self.kept.last = epoch;
        let is_last = self.is_last(epoch);
        if self.epochs.is_reported(epoch) {
            // It is closed once more, after shards went back.
            self.closed = is_last;
            return if is_last { self.collect(now) } else { self.begin_epoch(Epoch(epoch.0 + 1), now) };
        }
        self.closed = is_last || self.waits_for_validation();
        let goes_on = !self.closed;
        let mut commands = Vec::new();
        let mut tasks = self.tasks_of(PartitionUse::Validation);
        tasks.extend(self.tasks_of(PartitionUse::Test));
        if tasks.is_empty() {
            commands.extend(self.end_epoch(epoch, now));
        } else {
            self.evaluating.insert(epoch);
            commands.push(JobCommand::Stage { kind: StageKind::Evaluate { epoch }, tasks });
        }
        if goes_on {
            commands.extend(self.go_on_after(epoch, now));
        }
        commands
    }

    /// Takes a snapshot, if one can be taken, and begins the epoch after this one.
    fn go_on_after(&mut self, epoch: Epoch, now: Millis) -> Vec<JobCommand> {
        self.closed = false;
        if self.saves_after(epoch, now) {
            self.save_then_go_on(now)
        } else {
            self.begin_epoch(Epoch(epoch.0 + 1), now)
        }
    }

    pub(super) fn train_when_ready(&mut self, now: Millis) -> Vec<JobCommand> {
        if self.phase != (Phase::Preparing { prepared: true, shards_ready: true }) {
            return Vec::new();
        }
        self.phase = Phase::Training;
        self.tally.train_started = Some(now);
        self.plan_next(now);
        let settings = serde_json::to_string(&*self.settings).unwrap_or_default();
        let train = pb::TrainContext {
            settings,
            classes: self.pictures.classes.len() as u32,
            shards: self.places(),
            replicas: self.replicas,
            class_weights: self.class_weights.clone(),
        };
        let mut commands = vec![self.share(Some(train))];
        commands.extend(self.begin(now));
        let steps = self.shards.as_mut().map(|shards| shards.train(now)).unwrap_or_default();
        commands.extend(self.follow(steps, now));
        commands
    }

    pub(super) fn share(&self, train: Option<pb::TrainContext>) -> JobCommand {
        JobCommand::Share(Box::new(pb::PutJob {
            job_id: self.job.0,
            blocks_context: self.blocks_context().0,
            lineage: Some((&self.lineage).into()),
            train,
        }))
    }

    /// Reports an epoch that needs nothing more, once those before it are reported: a late evaluation may end
    /// after that of the next epoch.
    fn end_epoch(&mut self, epoch: Epoch, now: Millis) -> Vec<JobCommand> {
        self.evaluating.remove(&epoch);
        self.epochs.evaluated(epoch);
        let mut commands = self.report_epochs();
        let here = self.position.epoch;
        if self.closed && self.epochs.is_reported(here) {
            commands.extend(if self.is_last(here) { self.collect(now) } else { self.go_on_after(here, now) });
        }
        commands
    }

    /// Reports the epochs that need nothing more. Of those before the last, the shards keep the weights of the best.
    pub(super) fn report_epochs(&mut self) -> Vec<JobCommand> {
        let mut commands = Vec::new();
        let mut best = self.best_epoch();
        while let Some(report) = self.epochs.finish_next(self.train_samples()) {
            let before = std::mem::replace(&mut best, self.best_epoch());
            let last = Some(report.epoch).filter(|epoch| !self.is_last(*epoch));
            let unwanted = before.into_iter().chain(last).filter(|epoch| best != Some(*epoch));
            commands.extend(unwanted.map(|epoch| JobCommand::Untag(tag_of(epoch))));
            commands.push(JobCommand::Emit(Event::EpochFinished(report)));
        }
        let monitor = self.settings.validation.map(|validation| validation.monitor);
        self.epochs.keep_evaluations(|reports, epoch| may_be_chosen(reports, epoch, monitor));
        commands
    }

    /// Fetches the weights of the model.
    fn collect(&mut self, now: Millis) -> Vec<JobCommand> {
        self.phase = Phase::Collecting;
        let mut commands = self.save_last(now);
        let tag = tag_of(self.model_epoch());
        commands.extend(self.ask(Question::Collect { tag, counting: self.counts_batches() }, now));
        commands
    }

    pub(super) fn counts_batches(&self) -> bool {
        matches!(self.settings.updates, Updates::Ones)
    }
}

/// The tag under which the weights after an epoch are kept.
pub(super) fn tag_of(epoch: Epoch) -> u64 {
    u64::from(epoch.0)
}

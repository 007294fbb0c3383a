use howdah_proto::{
    Epoch, Partition,
    event::{Event, StageKind},
    pb::{self, attempt_succeeded::Result as TaskResult},
    settings::Updates,
};

use super::{ClusterView, JobCommand, PartitionUse, TrainJob, job::Phase};
use crate::scheduler::Millis;

impl TrainJob {
    /// A task is done: its result has been [checked](Self::check), counts, and comes once.
    pub fn on_task_done(
        &mut self,
        kind: StageKind,
        partition: Partition,
        result: &TaskResult,
        cluster: &ClusterView,
    ) -> Vec<JobCommand> {
        match (kind, result) {
            (StageKind::Prepare, TaskResult::Computed(block)) => self.on_prepared(partition, block, cluster),
            (StageKind::Train { epoch }, TaskResult::Trained(trained)) => {
                self.epochs.add_trained(epoch, trained);
                Vec::new()
            }
            (StageKind::Evaluate { epoch }, TaskResult::Evaluated(evaluated)) => {
                self.epochs.add_evaluated(epoch, evaluated);
                Vec::new()
            }
            _ => self.fail(format!("the task on partition {partition} gave a result of another kind"), None),
        }
    }

    /// All tasks of a stage are done.
    pub fn on_stage_finished(&mut self, kind: StageKind, now: Millis) -> Vec<JobCommand> {
        match kind {
            StageKind::Prepare => {
                self.tally.prepared = Some(now);
                if self.train_samples() == 0 {
                    return self.fail("no training picture can be used".to_owned(), None);
                }
                if let Phase::Preparing { prepared, .. } = &mut self.phase {
                    *prepared = true;
                }
                self.train_when_ready(now)
            }
            StageKind::Train { epoch } => {
                self.epochs.trained(epoch, now);
                self.tally.train_ended = Some(now);
                vec![JobCommand::Tag(tag_of(epoch))]
            }
            StageKind::Evaluate { epoch } => self.end_epoch(epoch),
        }
    }

    /// The shards have the initial weights, or could not be created.
    pub fn on_shards_created(&mut self, result: Result<(), String>, now: Millis) -> Vec<JobCommand> {
        match (result, &mut self.phase) {
            (Ok(()), Phase::Preparing { shards_ready, .. }) => {
                *shards_ready = true;
                self.train_when_ready(now)
            }
            (Ok(()), _) => Vec::new(),
            (Err(error), _) => self.fail(format!("the shards can't be created: {error}"), None),
        }
    }

    /// The weights after an epoch are kept under its tag: evaluate them, and go on training meanwhile.
    pub fn on_tagged(&mut self, tag: u64, result: Result<(), String>, now: Millis) -> Vec<JobCommand> {
        if self.phase != Phase::Training {
            return Vec::new();
        }
        if let Err(error) = result {
            return self.fail(format!("the weights can't be kept for evaluation: {error}"), None);
        }
        let epoch = Epoch(tag as u32);
        let mut commands = Vec::new();
        let test = self.tasks_of(PartitionUse::Test);
        if test.is_empty() {
            commands.extend(self.end_epoch(epoch));
        } else {
            commands.push(JobCommand::Stage { kind: StageKind::Evaluate { epoch }, tasks: test });
        }
        if epoch.0 < self.settings.epochs {
            commands.push(self.train_epoch(Epoch(epoch.0 + 1), now));
        }
        commands
    }

    fn train_when_ready(&mut self, now: Millis) -> Vec<JobCommand> {
        if self.phase != (Phase::Preparing { prepared: true, shards_ready: true }) {
            return Vec::new();
        }
        self.phase = Phase::Training;
        self.tally.train_started = Some(now);
        let settings = serde_json::to_string(&*self.settings).unwrap_or_default();
        let train = pb::TrainContext {
            settings,
            classes: self.pictures.classes.len() as u32,
            shards: self.shards.clone(),
            replicas: self.replicas,
        };
        let share = self.share(Some(train));
        vec![share, self.train_epoch(Epoch(1), now)]
    }

    pub(super) fn share(&self, train: Option<pb::TrainContext>) -> JobCommand {
        JobCommand::Share(Box::new(pb::PutJob {
            job_id: self.job.0,
            lineage: Some((&self.lineage).into()),
            train,
        }))
    }

    fn train_epoch(&mut self, epoch: Epoch, now: Millis) -> JobCommand {
        self.epochs.start(epoch, now);
        JobCommand::Stage { kind: StageKind::Train { epoch }, tasks: self.tasks_of(PartitionUse::Train) }
    }

    /// Reports an epoch that needs nothing more, once those before it are reported: a late evaluation may end
    /// after that of the next epoch.
    fn end_epoch(&mut self, epoch: Epoch) -> Vec<JobCommand> {
        let mut commands = Vec::new();
        self.epochs.evaluated(epoch);
        while let Some(report) = self.epochs.finish_next(self.train_samples()) {
            let tag = tag_of(report.epoch);
            let is_last = report.epoch.0 >= self.settings.epochs;
            commands.push(JobCommand::Emit(Event::EpochFinished(report)));
            if is_last {
                self.phase = Phase::Collecting;
                commands.push(JobCommand::Collect { tag, counting: self.counts_batches() });
            } else {
                commands.push(JobCommand::Untag(tag));
            }
        }
        commands
    }

    pub(super) fn counts_batches(&self) -> bool {
        matches!(self.settings.updates, Updates::Count)
    }
}

/// The tag under which the weights after an epoch are kept.
pub(super) fn tag_of(epoch: Epoch) -> u64 {
    u64::from(epoch.0)
}

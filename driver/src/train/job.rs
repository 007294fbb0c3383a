use std::{collections::BTreeMap, sync::Arc};

use howdah_proto::{
    JobId, NodeId, Partition,
    event::{Event, StageKind},
    lineage::{Lineage, StorageLevel},
    pb,
    settings::TrainSettings,
};

use super::{Cut, Ending, JobCommand, epochs::Epochs};
use crate::{dataset::PictureFile, scheduler::Millis};

/// A training job. Events come in through the `on_…` methods; each returns what is to be done.
#[derive(Debug)]
pub struct TrainJob {
    pub(super) job: JobId,
    pub(super) settings: Arc<TrainSettings>,
    pub(super) submitted: Millis,
    pub(super) phase: Phase,
    pub(super) pictures: Pictures,
    pub(super) lineage: Lineage,
    pub(super) block: NodeId,
    pub(super) features: NodeId,
    pub(super) shards: Vec<pb::ShardPlace>,
    /// The task slots when the pictures were cut.
    pub(super) replicas: u32,
    pub(super) epochs: Epochs,
    pub(super) tally: Tally,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its pictures are being listed.
    Listing,
    /// It waits for its first executor and parameter server.
    AwaitingMembers {
        /// Since when.
        since: Millis,
    },
    /// Its pictures are being prepared.
    Preparing {
        /// Whether all blocks are computed.
        prepared: bool,
        /// Whether the shards have the initial weights.
        shards_ready: bool,
    },
    /// It trains.
    Training,
    /// Its weights are being fetched.
    Collecting,
    /// It has ended.
    Over,
}

/// The pictures of a job and how they are cut.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    pub(super) classes: Vec<String>,
    pub(super) files: Arc<Vec<PictureFile>>,
    pub(super) train: usize,
    pub(super) cut: Option<Cut>,
    /// Samples of each partition, once it was prepared.
    pub(super) samples: BTreeMap<Partition, u64>,
    /// Values in a sample, once a block was prepared.
    pub(super) features: Option<u32>,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) skipped: u64,
    pub(super) retries: u64,
    pub(super) executors_lost: u64,
    pub(super) prepare_started: Option<Millis>,
    pub(super) prepared: Option<Millis>,
    pub(super) first_step: Option<Millis>,
    pub(super) train_started: Option<Millis>,
    pub(super) train_ended: Option<Millis>,
}

impl TrainJob {
    /// Takes a job whose settings have been validated.
    pub fn new(job: JobId, settings: TrainSettings, now: Millis) -> (Self, Vec<JobCommand>) {
        let mut lineage = Lineage::new();
        let mut node = lineage.files();
        for operator in &settings.pipeline.prepare {
            node = lineage.operator(node, operator.clone());
        }
        lineage.persist(node, Some(StorageLevel::MEMORY));
        let block = node;
        for operator in &settings.pipeline.feed {
            node = lineage.operator(node, operator.clone());
        }
        let this = Self {
            job,
            settings: Arc::new(settings),
            submitted: now,
            phase: Phase::Listing,
            pictures: Pictures::default(),
            lineage,
            block,
            features: node,
            shards: Vec::new(),
            replicas: 1,
            epochs: Epochs::default(),
            tally: Tally::default(),
        };
        (this, vec![JobCommand::ListDataset])
    }

    /// The job's settings.
    pub fn settings(&self) -> &Arc<TrainSettings> {
        &self.settings
    }

    /// The names of the classes; empty before the pictures are listed.
    pub fn classes(&self) -> &[String] {
        &self.pictures.classes
    }

    /// The shards; empty before they are placed.
    pub fn shards(&self) -> &[pb::ShardPlace] {
        &self.shards
    }

    /// How its features are computed.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// How many partitions its pictures are cut into; 0 before they are.
    pub fn partitions(&self) -> u32 {
        self.pictures.cut.as_ref().map_or(0, |cut| cut.partitions().count() as u32)
    }

    /// The node whose blocks are cached.
    pub fn block(&self) -> NodeId {
        self.block
    }

    /// Values in a sample; none before the first block is prepared.
    pub fn features(&self) -> Option<u32> {
        self.pictures.features
    }

    /// An attempt reports that it has taken its first steps.
    pub fn on_first_progress(&mut self, kind: StageKind, now: Millis) -> Vec<JobCommand> {
        if !matches!(kind, StageKind::Train { .. }) || self.tally.first_step.is_some() {
            return Vec::new();
        }
        self.tally.first_step = Some(now);
        vec![JobCommand::Emit(Event::FirstStep { seconds: self.seconds_to(now) })]
    }

    /// A task is tried again.
    pub fn on_retry(&mut self) {
        self.tally.retries += 1;
    }

    /// An executor was lost while the job ran.
    pub fn on_executor_lost(&mut self) {
        self.tally.executors_lost += 1;
    }

    /// A parameter server at this address was lost: if it held a shard, its weights are gone.
    pub fn on_paramserver_lost(&mut self, name: &str, address: &str, reason: &str) -> Vec<JobCommand> {
        let Some(shard) = self.shards.iter().find(|shard| shard.address == address) else {
            return Vec::new();
        };
        let error = format!(
            "parameter server {name} at {address} was lost ({reason}), and shard {} with it",
            shard.shard
        );
        let hint = "shards are not replicated yet: start the parameter server again, and the job anew";
        self.fail(error, Some(hint.to_owned()))
    }

    /// The scheduler gave the job up, or the user cancelled it.
    pub fn on_given_up(&mut self, ending: Ending) -> Vec<JobCommand> {
        self.end(ending)
    }

    pub(super) fn seconds_to(&self, now: Millis) -> f64 {
        now.0.saturating_sub(self.submitted.0) as f64 / 1e3
    }

    pub(super) fn fail(&mut self, error: String, hint: Option<String>) -> Vec<JobCommand> {
        self.end(Ending::Failed { error, hint })
    }

    pub(super) fn end(&mut self, ending: Ending) -> Vec<JobCommand> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        self.phase = Phase::Over;
        vec![JobCommand::End(Box::new(ending))]
    }
}

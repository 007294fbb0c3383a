use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use howdah_executor::learn::Network;
use howdah_proto::{
    ContextId, Epoch, JobId, NodeId, Partition,
    event::{Event, StageKind},
    lineage::{Lineage, StorageLevel},
    pb,
    settings::{Pipeline, TrainSettings},
};

use super::{
    Cut, Ending, JobCommand, Position, choice::Kept, closing::Asked, cut::Layout, epochs::Epochs, fits::Fits,
    prepared::Saved, rounds::RunningRound, saves::Saves, shards::Shards,
};
use crate::{dataset::PictureFile, prepared, scheduler::Millis, snapshot::Manifest};

/// A training job. Events come in through the `on_…` methods; each returns what is to be done.
#[derive(Debug)]
pub struct TrainJob {
    pub(super) job: JobId,
    pub(super) settings: Arc<TrainSettings>,
    pub(super) submitted: Millis,
    pub(super) phase: Phase,
    pub(super) pictures: Pictures,
    /// What happens to a picture, with the parameters that were found from the training pictures.
    pub(super) pipeline: Pipeline,
    pub(super) fits: Fits,
    /// What is known of the pictures if they were prepared before.
    pub(super) prepared: Option<Box<prepared::Manifest>>,
    /// What was written, if that is what the job is for.
    pub(super) saved: Saved,
    pub(super) lineage: Lineage,
    pub(super) block: NodeId,
    pub(super) features: NodeId,
    /// None before the size of the network is known.
    pub(super) shards: Option<Shards>,
    pub(super) network: Option<Network>,
    pub(super) position: Position,
    /// The epochs of a stream whose stages are under way, with the partitions that are not done.
    pub(super) streaming: BTreeMap<Epoch, BTreeSet<Partition>>,
    pub(super) round: Option<RunningRound>,
    /// What is being asked of all shards.
    pub(super) asked: Option<Asked>,
    pub(super) tickets: u64,
    /// The changes of the shards when they were last asked whether they have everything.
    pub(super) whole_at: u64,
    /// The epochs whose weights are kept because they are being evaluated.
    pub(super) evaluating: BTreeSet<Epoch>,
    /// Whether the weights of the present epoch are kept and the next doesn't begin: there is none, or it waits for the
    /// validation.
    pub(super) closed: bool,
    pub(super) kept: Kept,
    /// Whether the job begins again at its position when all shards are there.
    pub(super) goes_back: bool,
    pub(super) saves: Saves,
    pub(super) resumed: Option<Box<Manifest>>,
    /// How much a training picture of each class counts; empty if all count alike.
    pub(super) class_weights: Vec<f32>,
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
    /// What is prepared is written.
    Saving,
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
    /// The pictures, or the shards that have them if they were prepared before.
    pub(super) files: Arc<Vec<PictureFile>>,
    /// The hash over all of them.
    pub(super) fingerprint: String,
    /// How they lie in `files`.
    pub(super) layout: Layout,
    pub(super) cut: Option<Cut>,
    /// The hash over the pictures of each partition, once they are cut.
    pub(super) cut_hash: Option<[u8; 32]>,
    /// The context of the blocks, from then on.
    pub(super) blocks: Option<ContextId>,
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
    pub(super) shards_lost: u64,
    pub(super) snapshots: u64,
    /// The epochs that an earlier run had finished.
    pub(super) epochs_before: u32,
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
        lineage.persist(node, Some(StorageLevel::MEMORY_AND_DISK));
        let block = node;
        for operator in &settings.pipeline.feed {
            node = lineage.operator(node, operator.clone());
        }
        let this = Self {
            job,
            pipeline: settings.pipeline.clone(),
            fits: Fits::default(),
            prepared: None,
            saved: Saved::default(),
            settings: Arc::new(settings),
            submitted: now,
            phase: Phase::Listing,
            pictures: Pictures::default(),
            lineage,
            block,
            features: node,
            shards: None,
            network: None,
            position: Position::default(),
            streaming: BTreeMap::new(),
            round: None,
            asked: None,
            tickets: 0,
            whole_at: 0,
            evaluating: BTreeSet::new(),
            closed: false,
            kept: Kept::default(),
            goes_back: false,
            saves: Saves::default(),
            resumed: None,
            class_weights: Vec::new(),
            replicas: 1,
            epochs: Epochs::default(),
            tally: Tally::default(),
        };
        let first = this.first();
        (this, vec![first])
    }

    /// The job's settings.
    pub fn settings(&self) -> &Arc<TrainSettings> {
        &self.settings
    }

    /// The epoch that it is at; none before it trains.
    pub fn epoch(&self) -> Option<Epoch> {
        matches!(self.phase, Phase::Training | Phase::Collecting).then_some(self.position.epoch)
    }

    /// The names of the classes; empty before the pictures are listed.
    pub fn classes(&self) -> &[String] {
        &self.pictures.classes
    }

    /// Where the shards are, as executors know them; empty before they are placed.
    pub fn places(&self) -> Vec<pb::ShardPlace> {
        self.shards.as_ref().map_or_else(Vec::new, Shards::places)
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

    /// Ends before it has begun, because of what is in a place.
    pub(super) fn refuse(&mut self, error: String, hint: Option<String>) -> Vec<JobCommand> {
        self.end(Ending::Refused { error, hint })
    }

    pub(super) fn end(&mut self, ending: Ending) -> Vec<JobCommand> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        self.phase = Phase::Over;
        vec![JobCommand::End(Box::new(ending))]
    }
}

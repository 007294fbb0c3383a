use serde::{Deserialize, Serialize};

use super::{
    Combine, Compression, Correction, Course, DataSettings, Encoding, Learning, Mode, NetworkSettings, Pace,
    Pipeline, PrepareTo, Schedule, Selection, ShardSpec, SnapshotSettings, UpdateRule, Updates, Validation,
    check,
};
use crate::WireError;

/// Up to here, bf16 has every whole number.
const BF16_COUNTS_TO: u64 = 256;

/// Everything a training job is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// Where the pictures come from.
    pub data: DataSettings,
    /// Which of the training pictures are used, and how they are cut.
    #[serde(default)]
    pub selection: Selection,
    /// What happens to a picture before the network sees it.
    pub pipeline: Pipeline,
    /// The network.
    pub network: NetworkSettings,
    /// Passes over the training pictures.
    pub epochs: u32,
    /// Pictures in a step.
    pub batch: u32,
    /// How replicas learn from a batch.
    #[serde(default)]
    pub learning: Learning,
    /// What a push carries.
    pub updates: Updates,
    /// What the shards do with it.
    pub rule: UpdateRule,
    /// What the shards do about stale pushes.
    pub correction: Correction,
    /// How replicas and shards stay in step.
    pub mode: Mode,
    /// How pushes and pulls travel.
    pub compression: Compression,
    /// Decides shuffling, augmentation, dropout and the initial weights.
    pub seed: u64,
    /// How the epoch is chosen whose weights become the model; without it, it is the last one.
    #[serde(default)]
    pub validation: Option<Validation>,
    /// Into how many partitions the training pictures are cut; by default four per task slot, and 4 in the modes
    /// that train in rounds, because there the result must not depend on the slots.
    pub partitions: Option<u32>,
    /// Over how many shards the parameters are spread; by default one per parameter server.
    pub shards: Option<u32>,
    /// On how many parameter servers each shard is: 1, or 2 for a standby.
    pub shard_copies: u32,
    /// When and where the shards are saved; without it, a lost shard is computed again from the initial weights.
    pub snapshots: Option<SnapshotSettings>,
    /// The snapshots of the run to go on with, in the form of [`SnapshotSettings::location`].
    pub resume: Option<String>,
    /// Where the prepared pictures are written to, instead of being trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepare: Option<PrepareTo>,
    /// How many pictures that can't be decoded are skipped before the job fails.
    pub max_bad_pictures: u64,
    /// How often a task is tried before the job fails.
    pub task_attempts: u32,
    /// How long the job waits when there is no executor, in seconds; by default for ever.
    pub executor_wait_seconds: Option<u64>,
}

/// The most shards a job may have.
pub const MAX_SHARDS: u32 = 4096;

impl TrainSettings {
    /// What the shards need to know, where a partition has about so many steps in an epoch.
    pub fn shard_spec(&self, steps: u64) -> ShardSpec {
        let combine = if self.updates == Updates::Ones { Combine::Sum } else { Combine::Mean };
        // An optimizer in the replica follows the schedule itself.
        let pace = match self.updates {
            Updates::Gradients if self.learning.schedule != Schedule::default() => {
                Pace { schedule: self.learning.schedule, epochs: self.schedule_epochs(), steps }
            }
            _ => Pace::CONSTANT,
        };
        let average = self.learning.average;
        ShardSpec { rule: self.rule, correction: self.correction, mode: self.mode, combine, pace, average }
    }

    /// For how many epochs the learning rate's schedule is laid out.
    pub fn schedule_epochs(&self) -> u32 {
        self.learning.schedule_epochs.unwrap_or(self.epochs).max(self.epochs)
    }

    /// What decides which pictures are drawn, and how the training pictures are cut.
    pub fn selection_seed(&self) -> u64 {
        self.selection.seed.unwrap_or(self.seed)
    }

    /// Checks that every value makes sense.
    ///
    /// # Errors
    /// [`WireError::Invalid`] with the setting's name.
    pub fn validate(&self) -> Result<(), WireError> {
        check(self.epochs >= 1, "epochs", "at least 1 is needed")?;
        check((1..=65_536).contains(&self.batch), "batch", "it must be from 1 to 65536")?;
        check(self.task_attempts >= 1, "task_attempts", "at least 1 is needed")?;
        check(self.partitions != Some(0), "partitions", "at least 1 is needed")?;
        let shards = self.shards.unwrap_or(1);
        check((1..=MAX_SHARDS).contains(&shards), "shards", "from 1 to 4096")?;
        check((1..=2).contains(&self.shard_copies), "replicas", "1, or 2 for a standby of each shard")?;
        self.pipeline.validate()?;
        self.network.validate()?;
        self.learning.validate()?;
        let gradients = self.updates == Updates::Gradients;
        self.rule.validate(if gradients { "learning_rate" } else { "outer_lr" })?;
        self.updates.validate(&self.rule)?;
        self.mode.validate(&self.rule)?;
        if let (Some(partitions), Some(most)) = (self.partitions, self.mode.most_partitions()) {
            check(partitions <= most, "partitions", &format!("in this mode it must be from 1 to {most}"))?;
        }
        self.correction.validate()?;
        self.compression.validate()?;
        self.snapshots.iter().try_for_each(SnapshotSettings::validate)?;
        let goes_on = self.snapshots.as_ref().is_some_and(|snapshots| snapshots.goes_on);
        check(!goes_on || self.resume.is_none(), "resume", "the job goes on from its own place already")?;
        self.data.validate()?;
        self.prepare.iter().try_for_each(PrepareTo::validate)?;
        check(
            self.prepare.is_none() || (self.resume.is_none() && self.snapshots.is_none()),
            "prepare",
            "a job that prepares has no weights to take snapshots of",
        )?;
        check(
            self.prepare.is_none() || self.selection.fold.is_none(),
            "prepare",
            "a fold is cut from pictures, not from what is prepared of them",
        )?;
        self.validation.iter().try_for_each(Validation::validate)?;
        check(
            self.validation.is_none() || self.updates != Updates::Ones,
            "validation_fraction",
            "counting learns nothing that could be validated",
        )?;
        self.selection.validate()?;
        check(
            self.validation.is_none() || self.selection.fold.is_none(),
            "validation_fraction",
            "the fold that is held out is what a fold is validated on",
        )?;
        check(
            !matches!(self.mode, Mode::Hogwild { .. }) || self.shard_copies == 1,
            "replicas",
            "a shard without a lock has no order of pushes that a standby could follow",
        )?;
        let hogwild = matches!(self.mode, Mode::Hogwild { .. });
        check(
            !hogwild || self.learning.average.is_none(),
            "average",
            "a shard without a lock keeps no average of its weights",
        )?;
        check(
            !hogwild || self.shard_spec(1).pace == Pace::CONSTANT,
            "schedule",
            "a shard without a lock keeps no schedule: use --optimizer, or --schedule constant",
        )?;
        check(
            self.learning.average.is_none() || self.updates != Updates::Ones,
            "average",
            "counting needs the weights themselves",
        )?;
        let stale = self.correction != Correction::default();
        check(
            !stale || !(self.mode.in_rounds() || matches!(self.mode, Mode::Hogwild { .. })),
            "correction",
            "rounds have no stale pushes, and hogwild can't tell how stale one is",
        )?;
        check(
            self.correction.delay_compensation.is_none() || self.updates == Updates::Gradients,
            "delay_compensation",
            "it needs gradients: use it with --rule",
        )?;
        let elastic = matches!(self.rule, UpdateRule::Elastic { .. });
        check(!stale || !elastic, "correction", "`elastic` pushes weights, which must not be scaled")?;
        let sparse = matches!(self.compression.push, Encoding::TopK { .. });
        check(!sparse || !elastic, "compression", "`elastic` pushes weights, of which none can be left out")?;
        check(
            !sparse || !self.mode.in_rounds(),
            "compression",
            "rounds keep nothing from one to the next that what is left out could wait in",
        )?;
        let counts = self.updates == Updates::Ones;
        check(!sparse || !counts, "compression", "counting needs every value")?;
        let (Course::Stream { interval: steps } | Course::Rounds { steps, .. }) = self.mode.course();
        check(
            !counts || self.compression.push != Encoding::Bf16 || steps <= BF16_COUNTS_TO,
            "compression",
            "bf16 counts no further than to 256 in a push: push more often",
        )
    }
}

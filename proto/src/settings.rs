//! What a user can set for a training job: sent to the driver, kept in the event log and in the model file.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{WireError, lineage::OperatorSpec};

/// Where the pictures come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataSettings {
    /// Folders on the driver's machine, one per class.
    Folder {
        /// The training pictures.
        train: PathBuf,
        /// The held-out pictures; without it a fraction of the training folder is held out.
        test: Option<PathBuf>,
        /// The fraction held out when there is no test folder, above 0 and below 1.
        test_fraction: f64,
        /// Class name to the folders that make it up; empty for a class per folder.
        classes: BTreeMap<String, Vec<String>>,
    },
    /// Cats and dogs that the driver draws itself.
    Synthetic {
        /// How many pictures, training and held-out ones together.
        pictures: u32,
    },
}

/// The way of a picture to the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Done once per picture; the result is cached as bytes.
    pub prepare: Vec<OperatorSpec>,
    /// Done anew each time a picture is used: augmentation, and the way from bytes to features.
    pub feed: Vec<OperatorSpec>,
}

/// The dense network between the features and the logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// The width of each hidden layer, input side first.
    pub hidden: Vec<u32>,
    /// The fraction of hidden units that are dropped in training, from 0 to below 1.
    pub dropout: f32,
}

/// An optimizer in the replica.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "optimizer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// The learning rate.
        learning_rate: f32,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1).
    Adam {
        /// The learning rate.
        learning_rate: f32,
    },
}

/// An update rule at the parameter server: what a shard does with a push of gradients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum UpdateRule {
    /// Adds what is pushed.
    Sum,
    /// Stochastic gradient descent.
    Sgd {
        /// The learning rate.
        learning_rate: f32,
    },
    /// Heavy-ball momentum (Polyak 1964).
    Momentum {
        /// The learning rate.
        learning_rate: f32,
        /// The share of the velocity that is kept, from 0 to below 1.
        momentum: f32,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1).
    Adam {
        /// The learning rate.
        learning_rate: f32,
    },
}

/// Who turns gradients into updates, and so what a push carries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "updates", rename_all = "snake_case")]
pub enum Updates {
    /// The replica runs an optimizer and pushes the sum of its updates; the shards add them.
    AtReplica(Optimizer),
    /// The replica pushes the sum of its gradients; the shards apply the rule.
    AtServer(UpdateRule),
    /// Every step pushes ones and the shards add them: each weight then counts the batches applied to it.
    Count,
}

impl Updates {
    /// The rule that the shards apply.
    pub fn rule(&self) -> UpdateRule {
        match self {
            Self::AtReplica(_) | Self::Count => UpdateRule::Sum,
            Self::AtServer(rule) => *rule,
        }
    }
}

/// How replicas and shards stay in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mode {
    /// Replicas push after every `push_every` steps and never wait for each other (Downpour; Dean et al. 2012).
    Asynchronous {
        /// Steps between two pushes, at least 1.
        push_every: u32,
    },
}

impl Mode {
    /// Steps between two pushes.
    pub fn push_every(&self) -> u64 {
        match self {
            Self::Asynchronous { push_every } => u64::from(*push_every).max(1),
        }
    }
}

/// Everything a training job is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// Where the pictures come from.
    pub data: DataSettings,
    /// What happens to a picture before the network sees it.
    pub pipeline: Pipeline,
    /// The network.
    pub network: NetworkSettings,
    /// Passes over the training pictures.
    pub epochs: u32,
    /// Pictures in a step.
    pub batch: u32,
    /// Who turns gradients into updates.
    pub updates: Updates,
    /// How replicas and shards stay in step.
    pub mode: Mode,
    /// Decides shuffling, augmentation, dropout and the initial weights.
    pub seed: u64,
    /// Into how many partitions the training pictures are cut; by default four per task slot.
    pub partitions: Option<u32>,
    /// Over how many shards the parameters are spread; by default one per parameter server.
    pub shards: Option<u32>,
    /// How many pictures that can't be decoded are skipped before the job fails.
    pub max_bad_pictures: u64,
    /// How often a task is tried before the job fails.
    pub task_attempts: u32,
    /// How long the job waits when there is no executor, in seconds; by default for ever.
    pub executor_wait_seconds: Option<u64>,
}

/// The most units a hidden layer may have.
pub const MAX_UNITS: u32 = 1 << 20;

impl TrainSettings {
    /// Checks that every value makes sense.
    ///
    /// # Errors
    /// [`WireError::Invalid`] with the setting's name.
    pub fn validate(&self) -> Result<(), WireError> {
        let check = |good: bool, field: &'static str, reason: &str| {
            if good { Ok(()) } else { Err(WireError::invalid(field, reason)) }
        };
        check(self.epochs >= 1, "epochs", "at least 1 is needed")?;
        check((1..=65_536).contains(&self.batch), "batch", "it must be from 1 to 65536")?;
        check(self.task_attempts >= 1, "task_attempts", "at least 1 is needed")?;
        check(self.partitions != Some(0), "partitions", "at least 1 is needed")?;
        check(self.shards != Some(0), "shards", "at least 1 is needed")?;
        check(
            self.network.hidden.len() <= 64
                && self.network.hidden.iter().all(|units| (1..=MAX_UNITS).contains(units)),
            "hidden",
            "at most 64 layers of 1 to 1048576 units each",
        )?;
        check((0.0..1.0).contains(&self.network.dropout), "dropout", "it must be at least 0 and below 1")?;
        let Mode::Asynchronous { push_every } = self.mode;
        check(push_every >= 1, "push_every", "at least 1 is needed")?;
        let rate = match self.updates {
            Updates::AtReplica(Optimizer::Sgd { learning_rate } | Optimizer::Adam { learning_rate })
            | Updates::AtServer(
                UpdateRule::Sgd { learning_rate }
                | UpdateRule::Momentum { learning_rate, .. }
                | UpdateRule::Adam { learning_rate },
            ) => learning_rate,
            Updates::AtServer(UpdateRule::Sum) | Updates::Count => 1.0,
        };
        check(rate.is_finite() && rate > 0.0, "learning_rate", "it must be above 0")?;
        if let Updates::AtServer(UpdateRule::Momentum { momentum, .. }) = self.updates {
            check((0.0..1.0).contains(&momentum), "momentum", "it must be at least 0 and below 1")?;
        }
        match &self.data {
            DataSettings::Folder { test: None, test_fraction, .. } => check(
                *test_fraction > 0.0 && *test_fraction < 1.0,
                "test_fraction",
                "it must be above 0 and below 1",
            ),
            DataSettings::Folder { .. } => Ok(()),
            DataSettings::Synthetic { pictures } => {
                check((20..=1_000_000).contains(pictures), "synthetic pictures", "from 20 to 1000000")
            }
        }
    }
}

//! What happens in a job, as it is streamed to clients and written to the event log.
//!
//! One line of the log is one [`Recorded`] event as JSON. A field is never renamed or given another meaning
//! without a new [`EVENT_VERSION`].

use serde::{Deserialize, Serialize};

use crate::{Attempt, Epoch, JobId, MemberId, Partition, StageId, settings::TrainSettings};

/// The version of the event log's format.
pub const EVENT_VERSION: u32 = 1;

/// An event with its place and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The format's version, [`EVENT_VERSION`].
    pub version: u32,
    /// Its place in the job's events, counted from 0.
    pub sequence: u64,
    /// When it happened, in milliseconds since 1970.
    pub unix_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The role of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It computes tasks.
    Executor,
    /// It holds shards.
    Paramserver,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Executor => "executor",
            Self::Paramserver => "parameter server",
        })
    }
}

/// What a stage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "stage_kind", rename_all = "snake_case")]
pub enum StageKind {
    /// Pictures are decoded and prepared, and the blocks cached.
    Prepare,
    /// Replicas train for one epoch.
    Train {
        /// Which.
        epoch: Epoch,
    },
    /// The held-out pictures are classified with the weights after an epoch.
    Evaluate {
        /// Which.
        epoch: Epoch,
    },
}

impl std::fmt::Display for StageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prepare => f.write_str("prepare"),
            Self::Train { epoch } => write!(f, "train epoch {epoch}"),
            Self::Evaluate { epoch } => write!(f, "evaluate epoch {epoch}"),
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The task's own error.
    Task,
    /// The input is wrong; trying again can't help.
    BadInput,
    /// A newer attempt has taken over.
    Superseded,
    /// A shard did not answer.
    ShardUnavailable,
    /// It was cancelled.
    Cancelled,
    /// The executor was lost, or drained.
    ExecutorLost,
    /// Map outputs that it needed could not be fetched.
    FetchFailed,
}

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The driver took the job.
    JobSubmitted {
        /// The job.
        job: JobId,
        /// Its name.
        name: String,
        /// All its settings.
        settings: Box<TrainSettings>,
    },
    /// A member joined, or was there when the job began.
    MemberJoined {
        /// The member.
        member: MemberId,
        /// Its role.
        role: Role,
        /// Its name.
        name: String,
        /// Where it listens.
        address: String,
        /// How many tasks it runs at once; 0 for a parameter server.
        slots: u32,
    },
    /// A member was lost.
    MemberLost {
        /// The member.
        member: MemberId,
        /// Its role.
        role: Role,
        /// Its name.
        name: String,
        /// How that was noticed.
        reason: String,
    },
    /// A member left as it had said it would, with nothing left to do.
    MemberLeft {
        /// The member.
        member: MemberId,
        /// Its role.
        role: Role,
        /// Its name.
        name: String,
    },
    /// The pictures were listed and split.
    DatasetListed {
        /// The names of the classes, in the order of their labels.
        classes: Vec<String>,
        /// Training pictures per class.
        train: Vec<u64>,
        /// Held-out pictures per class.
        test: Vec<u64>,
        /// Whether they were drawn by the driver.
        synthetic: bool,
    },
    /// A stage began.
    StageStarted {
        /// The stage.
        stage: StageId,
        /// What it does.
        #[serde(flatten)]
        kind: StageKind,
        /// How many tasks it has.
        tasks: u32,
    },
    /// A task was given to an executor.
    TaskStarted {
        /// The stage.
        stage: StageId,
        /// The partition.
        partition: Partition,
        /// The attempt.
        attempt: Attempt,
        /// The executor.
        executor: MemberId,
    },
    /// A task's attempt succeeded.
    TaskSucceeded {
        /// The stage.
        stage: StageId,
        /// The partition.
        partition: Partition,
        /// The attempt.
        attempt: Attempt,
        /// The executor.
        executor: MemberId,
        /// Seconds from launch to success.
        seconds: f64,
    },
    /// A task's attempt failed.
    TaskFailed {
        /// The stage.
        stage: StageId,
        /// The partition.
        partition: Partition,
        /// The attempt.
        attempt: Attempt,
        /// The executor.
        executor: MemberId,
        /// Why, as a kind.
        kind: FailureKind,
        /// Why, in words.
        message: String,
    },
    /// All tasks of a stage are done.
    StageFinished {
        /// The stage.
        stage: StageId,
        /// What it did.
        #[serde(flatten)]
        kind: StageKind,
        /// Seconds from its start.
        seconds: f64,
    },
    /// How far a stage is. Streamed, not logged.
    Progress {
        /// The stage.
        stage: StageId,
        /// What it does.
        #[serde(flatten)]
        kind: StageKind,
        /// Pictures prepared or steps taken.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// A picture can't be used and is left out.
    PictureSkipped {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The job can't go on until something happens.
    Waiting {
        /// For what, in words.
        reason: String,
    },
    /// The job goes on after it waited.
    GoesOn,
    /// The first step of training was about to be taken.
    FirstStep {
        /// Seconds since the job was submitted.
        seconds: f64,
    },
    /// An epoch was trained and evaluated.
    EpochFinished(EpochReport),
    /// The job ended well; its model can be fetched.
    JobFinished(Box<JobReport>),
    /// The job failed.
    JobFailed {
        /// Why, in words.
        error: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// The job was cancelled.
    JobCancelled {
        /// Why.
        reason: String,
    },
}

impl Event {
    /// Whether the event belongs in the event log.
    pub fn is_logged(&self) -> bool {
        !matches!(self, Self::Progress { .. })
    }

    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::JobFinished(_) | Self::JobFailed { .. } | Self::JobCancelled { .. })
    }
}

/// What one epoch gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// The epoch.
    pub epoch: Epoch,
    /// Mean loss over the training pictures, as they were trained on.
    pub train_loss: f64,
    /// Accuracy over the training pictures, as they were trained on.
    pub train_accuracy: f64,
    /// Mean loss over the held-out pictures, after the epoch; absent if there are none.
    pub test_loss: Option<f64>,
    /// Accuracy over the held-out pictures, after the epoch; absent if there are none.
    pub test_accuracy: Option<f64>,
    /// Training pictures per second of wall time.
    pub images_per_second: f64,
    /// Wall seconds of training, without evaluation.
    pub seconds: f64,
}

/// What a finished training job reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobReport {
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// What each epoch gave.
    pub epochs: Vec<EpochReport>,
    /// Row by true class, column by predicted class, over the held-out pictures; absent if there are none.
    pub confusion: Option<Vec<Vec<u64>>>,
    /// Training pictures per second of wall time, over all epochs.
    pub images_per_second: f64,
    /// Batches that all tasks together have, which is what every shard has applied.
    pub batches: u64,
    /// What each shard says it has applied.
    pub shards: Vec<ShardReport>,
    /// Trainable parameters.
    pub parameters: u64,
    /// Pictures that could not be used.
    pub skipped_pictures: u64,
    /// Tasks that were tried again.
    pub task_retries: u64,
    /// Executors that were lost on the way.
    pub executors_lost: u64,
    /// Where the time went.
    pub seconds: Seconds,
}

/// What one shard says at the end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardReport {
    /// Values that the shard holds.
    pub values: u64,
    /// Batches applied.
    pub batches_applied: u64,
    /// Pushes applied.
    pub pushes_applied: u64,
    /// Pushes that came twice and were not applied again.
    pub pushes_repeated: u64,
    /// Pushes refused because a newer attempt had taken over.
    pub pushes_superseded: u64,
    /// Pushes refused because they did not follow the mark.
    pub pushes_out_of_order: u64,
    /// The smallest and the largest weight, if the job counted batches instead of learning.
    pub counted: Option<(u64, u64)>,
}

/// Where the wall time of a job went, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// Waiting for executors and parameter servers, listing or drawing pictures.
    pub start: f64,
    /// Decoding and preparing pictures.
    pub preprocess: f64,
    /// From the job's submission to its first training step.
    pub first_step: f64,
    /// The epochs, evaluation included.
    pub train: f64,
    /// From the job's submission to its end.
    pub total: f64,
}

use serde::{Deserialize, Serialize};

use super::Metrics;
use crate::Epoch;

/// What one epoch gave.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochReport {
    /// The epoch.
    pub epoch: Epoch,
    /// Mean loss over the training pictures, as they were trained on; absent if a run that goes on trained on none of
    /// them itself.
    pub train_loss: Option<f64>,
    /// Accuracy over the training pictures, as they were trained on; absent if the loss is.
    pub train_accuracy: Option<f64>,
    /// Mean loss over the held-out pictures, after the epoch; absent if there are none.
    pub test_loss: Option<f64>,
    /// Accuracy over the held-out pictures, after the epoch; absent if there are none.
    pub test_accuracy: Option<f64>,
    /// Mean loss over the validation pictures, after the epoch; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Accuracy over the validation pictures, after the epoch; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
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
    /// The epoch whose weights are the model, if validation pictures chose it; else it is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<Epoch>,
    /// What the model gives on the held-out pictures; absent if there are none.
    pub test: Option<Metrics>,
    /// What it gives on the validation pictures; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
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
    /// Times that a shard was lost.
    #[serde(default)]
    pub shards_lost: u64,
    /// Snapshots taken.
    #[serde(default)]
    pub snapshots: u64,
    /// Where the time went.
    pub seconds: Seconds,
}

/// What a job reports that prepared pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrepareReport {
    /// The folder or URL of the prepared set.
    pub location: String,
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// Training pictures of each class that can be used.
    pub train: Vec<u64>,
    /// Validation pictures of each class that can be used.
    pub validation: Vec<u64>,
    /// Held-out pictures of each class that can be used.
    pub test: Vec<u64>,
    /// Pictures that could not be used.
    pub skipped_pictures: u64,
    /// The mean of the values of the training pictures.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// How many shards there are.
    pub shards: u64,
    /// The bytes of all of them.
    pub bytes: u64,
    /// Tasks that were tried again.
    pub task_retries: u64,
    /// Executors that were lost on the way.
    pub executors_lost: u64,
    /// Where the time went.
    pub seconds: PrepareSeconds,
}

/// Where the wall time of a job went that prepared pictures, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PrepareSeconds {
    /// Waiting for executors, listing or drawing pictures.
    pub start: f64,
    /// Decoding and preparing pictures, and fitting operators to them.
    pub preprocess: f64,
    /// Writing what was prepared.
    pub save: f64,
    /// From the job's submission to its end.
    pub total: f64,
}

/// What one shard says at the end of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Contributions that came after their round was complete.
    #[serde(default)]
    pub pushes_late: u64,
    /// How many pushes were computed on weights so many versions old: 0, 1, 2, 3, 4 to 7, 8 to 15 and so on.
    #[serde(default)]
    pub staleness: Vec<u64>,
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

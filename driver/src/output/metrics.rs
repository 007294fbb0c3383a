use howdah_executor::learn::Confusion;
use howdah_proto::{
    Epoch,
    event::{EpochReport, JobReport, ShardReport},
};
use serde::{Deserialize, Serialize};

/// The content of `metrics.json`. Every field is documented in the README; none is renamed without notice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The version of this format.
    pub version: u32,
    /// The name of the run.
    pub name: String,
    /// `synthetic` or `folder`: where the pictures came from.
    pub data: String,
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// The epoch whose weights are the model, if validation pictures chose it; else it is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<Epoch>,
    /// What the model gives on the held-out pictures; absent if there are none.
    pub test: Option<TestMetrics>,
    /// What training gave.
    pub train: TrainMetrics,
    /// Where the wall time went.
    pub seconds: SecondsMetrics,
    /// What failed and was made good.
    pub failures: FailureMetrics,
    /// Every epoch.
    pub epochs: Vec<EpochReport>,
    /// Every shard.
    pub shards: Vec<ShardReport>,
}

/// What the held-out pictures gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestMetrics {
    /// The share that was classified rightly.
    pub accuracy: f64,
    /// The mean over classes of the share of the class that was classified rightly.
    pub balanced_accuracy: f64,
    /// The mean loss.
    pub loss: f64,
    /// Held-out pictures.
    pub pictures: u64,
    /// Row by true class, column by predicted class.
    pub confusion: Vec<Vec<u64>>,
}

/// What training gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainMetrics {
    /// The share classified rightly in the last epoch, as pictures were trained on.
    pub accuracy: f64,
    /// The mean loss in the last epoch, as pictures were trained on.
    pub loss: f64,
    /// Training pictures per second of wall time, over all epochs.
    pub images_per_second: f64,
    /// Batches that every shard has applied, each exactly once.
    pub batches_applied: u64,
    /// Trainable parameters.
    pub parameters: u64,
}

/// Where the wall time went, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecondsMetrics {
    /// From the command's start to the job's submission: starting the cluster.
    pub start: f64,
    /// Listing or drawing pictures.
    pub list: f64,
    /// Decoding and preparing pictures.
    pub preprocess: f64,
    /// From the command's start to the first training step.
    pub first_step: f64,
    /// The epochs.
    pub train: f64,
    /// From the command's start to the last file written.
    pub total: f64,
}

/// What failed and was made good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureMetrics {
    /// Pictures that could not be used.
    pub skipped_pictures: u64,
    /// Tasks that were tried again.
    pub task_retries: u64,
    /// Executors that were lost.
    pub executors_lost: u64,
    /// Times that a shard was lost.
    #[serde(default)]
    pub shards_lost: u64,
    /// Snapshots taken, in case something fails.
    #[serde(default)]
    pub snapshots: u64,
}

/// The version of the format of `metrics.json`.
const VERSION: u32 = 1;

impl Metrics {
    /// Makes the metrics of a finished job. `start_seconds` is the time before its submission.
    pub fn new(
        name: &str,
        synthetic: bool,
        report: &JobReport,
        start_seconds: f64,
        total_seconds: f64,
    ) -> Self {
        let last = report.epochs.last();
        let chosen =
            report.best_epoch.and_then(|best| report.epochs.iter().find(|epoch| epoch.epoch == best));
        let model = chosen.or(last);
        let seconds = report.seconds;
        Self {
            version: VERSION,
            name: name.to_owned(),
            data: if synthetic { "synthetic" } else { "folder" }.to_owned(),
            classes: report.classes.clone(),
            best_epoch: report.best_epoch,
            test: report.confusion.as_ref().and_then(|rows| {
                let confusion = Confusion::try_from(rows.clone()).ok()?;
                Some(TestMetrics {
                    accuracy: confusion.accuracy().unwrap_or_default(),
                    balanced_accuracy: confusion.balanced_accuracy().unwrap_or_default(),
                    loss: model.and_then(|epoch| epoch.test_loss).unwrap_or_default(),
                    pictures: confusion.samples(),
                    confusion: rows.clone(),
                })
            }),
            train: TrainMetrics {
                accuracy: last.map_or(0.0, |epoch| epoch.train_accuracy),
                loss: last.map_or(0.0, |epoch| epoch.train_loss),
                images_per_second: report.images_per_second,
                batches_applied: report.batches,
                parameters: report.parameters,
            },
            seconds: SecondsMetrics {
                start: start_seconds,
                list: seconds.start,
                preprocess: seconds.preprocess,
                first_step: start_seconds + seconds.first_step,
                train: seconds.train,
                total: total_seconds,
            },
            failures: FailureMetrics {
                skipped_pictures: report.skipped_pictures,
                task_retries: report.task_retries,
                executors_lost: report.executors_lost,
                shards_lost: report.shards_lost,
                snapshots: report.snapshots,
            },
            epochs: report.epochs.clone(),
            shards: report.shards.clone(),
        }
    }

    /// The classes in a line for people.
    pub fn classes_shown(&self) -> String {
        match &self.classes[..] {
            many if many.len() > 6 => format!("{} classes", many.len()),
            few => few.join(", "),
        }
    }
}

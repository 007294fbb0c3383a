use howdah_proto::{
    Epoch,
    event::{EpochReport, JobReport, Metrics, ShardReport},
    settings::DataSettings,
};
use serde::{Deserialize, Serialize};

/// The content of `metrics.json`. Every field is documented in the README; none is renamed without notice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunMetrics {
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
    pub test: Option<Metrics>,
    /// What it gives on the validation pictures; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
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

/// What training gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainMetrics {
    /// The share classified rightly in the last epoch, as pictures were trained on; absent if a run that went on at its end
    /// trained on none itself.
    pub accuracy: Option<f64>,
    /// The mean loss in the last epoch, as pictures were trained on; absent if the accuracy is.
    pub loss: Option<f64>,
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
const VERSION: u32 = 2;

impl RunMetrics {
    /// Makes the metrics of a finished job. `start_seconds` is the time before its submission.
    pub fn new(
        name: &str,
        data: &DataSettings,
        report: &JobReport,
        start_seconds: f64,
        total_seconds: f64,
    ) -> Self {
        let last = report.epochs.last();
        let seconds = report.seconds;
        Self {
            version: VERSION,
            name: name.to_owned(),
            data: match data {
                DataSettings::Synthetic { .. } => "synthetic".to_owned(),
                DataSettings::Folder { .. } => "folder".to_owned(),
            },
            classes: report.classes.clone(),
            best_epoch: report.best_epoch,
            test: report.test.clone(),
            validation: report.validation.clone(),
            train: TrainMetrics {
                accuracy: last.and_then(|epoch| epoch.train_accuracy),
                loss: last.and_then(|epoch| epoch.train_loss),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_of_version_1_are_read_and_told_from_what_they_lack() {
        let old = r#"{"version":1,"name":"old","data":"folder","classes":["cat","dog"],"test":{"accuracy":0.75,
            "balanced_accuracy":0.7,"loss":0.5,"pictures":4,"confusion":[[2,0],[1,1]]},"train":{"accuracy":1.0,
            "loss":0.1,"images_per_second":10.0,"batches_applied":2,"parameters":9},"seconds":{"start":1.0,
            "list":1.0,"preprocess":1.0,"first_step":1.0,"train":1.0,"total":5.0},"failures":{"skipped_pictures":0,
            "task_retries":0,"executors_lost":0},"epochs":[],"shards":[]}"#;
        let read: RunMetrics = serde_json::from_str(old).unwrap();
        let test = read.test.unwrap();
        assert_eq!((read.version, test.accuracy, test.pictures), (1, 0.75, 4));
        assert_eq!((read.train.accuracy, read.train.loss), (Some(1.0), Some(0.1)));
        assert_eq!((test.roc_auc, test.intervals.accuracy, test.classes.len()), (None, None, 0));
    }
}

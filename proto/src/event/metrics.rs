use serde::{Deserialize, Serialize};

/// How well a model does on pictures whose classes are known.
///
/// Shares are from 0 to 1. What can't be told, because no picture tells it, is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// The pictures.
    pub pictures: u64,
    /// The share that was classified rightly.
    pub accuracy: f64,
    /// The mean recall of the classes that have pictures.
    pub balanced_accuracy: f64,
    /// The mean precision of the classes that have pictures; that of a class which was never predicted counts as 0.
    #[serde(default)]
    pub precision: f64,
    /// The mean F1 of the classes that have pictures.
    #[serde(default)]
    pub f1: f64,
    /// The area under the ROC curve; of more than two classes the mean of each against the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roc_auc: Option<f64>,
    /// The mean loss: the cross-entropy, or log loss.
    pub loss: f64,
    /// The expected calibration error: how far confidence is from accuracy.
    #[serde(default)]
    pub calibration_error: f64,
    /// How often the class was among the most probable ones, by how many.
    #[serde(default)]
    pub top_k: Vec<TopK>,
    /// Where the values of more pictures of the same kind are expected, with 95 % confidence.
    #[serde(default)]
    pub intervals: Intervals,
    /// Every class, in the order of the labels.
    #[serde(default)]
    pub classes: Vec<ClassMetrics>,
    /// Confidence and accuracy, in 15 bins of equal width by confidence.
    #[serde(default)]
    pub calibration: Vec<CalibrationBin>,
    /// Row by true class, column by predicted class.
    pub confusion: Vec<Vec<u64>>,
    /// How many low bits of each probability `roc_auc` does without, because there were too many to keep; 0 if it is
    /// exact.
    #[serde(default)]
    pub score_bits_dropped: u32,
}

/// How well one class was told from the others.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// The pictures of the class.
    pub pictures: u64,
    /// The pictures that it was predicted for.
    pub predicted: u64,
    /// The share of its pictures that was found; absent if there are none.
    pub recall: Option<f64>,
    /// The share of its predictions that was right; absent if there are none.
    pub precision: Option<f64>,
    /// The harmonic mean of recall and precision; absent if it has no picture and no prediction.
    pub f1: Option<f64>,
    /// The area under its ROC curve against the rest; absent if all pictures are of this class, or none.
    pub roc_auc: Option<f64>,
    /// Their intervals of 95 % confidence.
    pub intervals: ClassIntervals,
}

/// How often the class of a picture was among its `k` most probable ones.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TopK {
    /// How many classes are looked at.
    pub k: u32,
    /// The share of the pictures.
    pub accuracy: f64,
    /// Its interval of 95 % confidence.
    pub interval: Interval,
}

/// The pictures whose most probable class had about the same probability, which is the confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// How many there are.
    pub pictures: u64,
    /// Their mean confidence; absent if there are none.
    pub confidence: Option<f64>,
    /// The share that was classified rightly; absent if there are none.
    pub accuracy: Option<f64>,
}

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The intervals of 95 % confidence of [`Metrics`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Intervals {
    /// That of the accuracy.
    pub accuracy: Option<Interval>,
    /// That of the balanced accuracy.
    pub balanced_accuracy: Option<Interval>,
    /// That of the area under the ROC curve, of two classes.
    pub roc_auc: Option<Interval>,
    /// That of the loss.
    pub loss: Option<Interval>,
}

/// The intervals of 95 % confidence of [`ClassMetrics`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassIntervals {
    /// That of the recall.
    pub recall: Option<Interval>,
    /// That of the precision.
    pub precision: Option<Interval>,
    /// That of F1.
    pub f1: Option<Interval>,
    /// That of the area under the ROC curve.
    pub roc_auc: Option<Interval>,
}

use serde::{Deserialize, Serialize};

use super::{Schedule, check};
use crate::WireError;

/// How much a training picture counts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// All alike.
    #[default]
    None,
    /// Each class as much as any other, however many pictures it has.
    Balanced,
    /// As said for each class, in the order of the labels.
    Given(Vec<f32>),
}

impl ClassWeights {
    /// The weight of a picture of each class, if the classes have so many training pictures; their mean over all
    /// training pictures is 1. Empty if all count alike.
    ///
    /// # Errors
    /// [`WireError::Invalid`] if there are more or fewer weights than classes.
    pub fn of_counts(&self, counts: &[u64]) -> Result<Vec<f32>, WireError> {
        let raw: Vec<f64> = match self {
            Self::None => return Ok(Vec::new()),
            Self::Balanced => counts.iter().map(|count| 1.0 / (*count).max(1) as f64).collect(),
            Self::Given(weights) if weights.len() == counts.len() => {
                weights.iter().copied().map(f64::from).collect()
            }
            Self::Given(weights) => {
                let reason = format!("{} weights for {} classes", weights.len(), counts.len());
                return Err(WireError::invalid("class_weights", reason));
            }
        };
        let pictures: u64 = counts.iter().sum();
        let sum: f64 = raw.iter().zip(counts).map(|(weight, count)| weight * *count as f64).sum();
        let to_mean = if sum > 0.0 { pictures as f64 / sum } else { 1.0 };
        Ok(raw.into_iter().map(|weight| (weight * to_mean) as f32).collect())
    }

    fn validate(&self) -> Result<(), WireError> {
        let Self::Given(weights) = self else { return Ok(()) };
        let good = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
        check(good && weights.iter().any(|weight| *weight > 0.0), "class_weights", "none below 0, one above")
    }
}

/// How replicas learn from a batch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Learning {
    /// How the learning rate goes through the training.
    pub schedule: Schedule,
    /// For how many epochs the schedule is laid out, if the training may go on beyond those of the job; by default for
    /// those.
    pub schedule_epochs: Option<u32>,
    /// The share of each target that is spread over all classes, from 0 to below 1 (Szegedy et al. 2016, section 7).
    pub label_smoothing: f32,
    /// How much the pictures of each class count.
    pub class_weights: ClassWeights,
    /// The longest that the gradient of a step may be (Pascanu et al. 2013, algorithm 1); none for any length.
    pub clip_norm: Option<f32>,
    /// What is added to the gradient for each unit of a weight; biases are left alone.
    pub l2: f32,
    /// The share of the moving average of the shards' weights that each step leaves in place, from 0 to below 1
    /// (Polyak and Juditsky 1992, with exponential weights); evaluation and the model then take the average.
    pub average: Option<f32>,
}

impl Learning {
    pub(super) fn validate(&self) -> Result<(), WireError> {
        self.schedule.validate()?;
        self.class_weights.validate()?;
        let clip = self.clip_norm.unwrap_or(1.0);
        check((0.0..1.0).contains(&self.label_smoothing), "label_smoothing", "at least 0 and below 1")?;
        check(clip.is_finite() && clip > 0.0, "clip_norm", "it must be above 0")?;
        check(self.l2.is_finite() && self.l2 >= 0.0, "l2", "it must not be below 0")?;
        check((0.0..1.0).contains(&self.average.unwrap_or(0.0)), "average", "at least 0 and below 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_classes_count_alike_and_the_mean_weight_is_1() {
        let weights = ClassWeights::Balanced.of_counts(&[350, 67]).unwrap();
        assert!((weights[0] * 350.0 - weights[1] * 67.0).abs() < 1e-3);
        assert!((weights[0] * 350.0 + weights[1] * 67.0 - 417.0).abs() < 1e-3);
        assert!(ClassWeights::None.of_counts(&[350, 67]).unwrap().is_empty());
    }

    #[test]
    fn given_weights_keep_their_proportions_and_must_fit_the_classes() {
        let given = ClassWeights::Given(vec![1.0, 3.0]);
        assert_eq!(given.of_counts(&[10, 10]).unwrap(), [0.5, 1.5]);
        assert!(given.of_counts(&[10, 10, 10]).is_err());
        for wrong in [vec![0.0, 0.0], vec![1.0, -1.0], vec![f32::NAN, 1.0]] {
            assert!(ClassWeights::Given(wrong).validate().is_err());
        }
    }

    #[test]
    fn what_is_not_said_is_as_it_was() {
        assert_eq!(serde_json::from_str::<Learning>("{}").unwrap(), Learning::default());
        assert!(Learning { label_smoothing: 1.0, ..Learning::default() }.validate().is_err());
        assert!(Learning { clip_norm: Some(0.0), ..Learning::default() }.validate().is_err());
        assert!(Learning { average: Some(1.0), ..Learning::default() }.validate().is_err());
    }
}

use super::LearnError;

/// What a replica makes small: the cross-entropy, as the settings change it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Objective {
    /// The share of each target that is spread over all classes (Szegedy et al. 2016, "Rethinking the Inception
    /// architecture for computer vision", section 7), from 0 to below 1.
    pub label_smoothing: f32,
    /// How much a sample of each class counts; empty if all count alike.
    pub class_weights: Vec<f32>,
    /// The longest that the gradient of a step may be: a longer one is scaled to it (Pascanu et al. 2013, "On the
    /// difficulty of training recurrent neural networks", algorithm 1).
    pub clip_norm: Option<f32>,
    /// What is added to the gradient for each unit of a weight that is no bias.
    pub l2: f32,
}

impl Objective {
    /// The cross-entropy alone.
    pub const PLAIN: Self =
        Self { label_smoothing: 0.0, class_weights: Vec::new(), clip_norm: None, l2: 0.0 };

    /// Checks that there is a weight for each class.
    pub(super) fn check(&self, classes: usize) -> Result<(), LearnError> {
        match self.class_weights.len() {
            0 => Ok(()),
            weights if weights == classes => Ok(()),
            weights => Err(LearnError::ClassWeights { weights, classes }),
        }
    }

    /// How much a sample of a class counts.
    pub(super) fn weight(&self, label: u32) -> f64 {
        self.class_weights.get(label as usize).map_or(1.0, |weight| f64::from(*weight))
    }

    /// The targets of the class that a sample has and of any other, of so many classes.
    pub(super) fn targets(&self, classes: usize) -> (f64, f64) {
        let spread = f64::from(self.label_smoothing) / classes as f64;
        (1.0 - f64::from(self.label_smoothing) + spread, spread)
    }
}

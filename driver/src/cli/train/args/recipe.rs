use super::learn::{OptimizerArg, ScheduleArg};

/// The defaults of the flags about learning, which go with a pipeline: what suits pixels doesn't suit features.
#[derive(Debug)]
pub(in crate::cli) struct Recipe {
    /// The width of each hidden layer.
    pub(super) hidden: &'static [u32],
    /// The fraction of hidden units that are dropped.
    pub(super) dropout: f32,
    /// The fraction of features that are dropped.
    pub(super) input_dropout: f32,
    /// Passes over the training pictures.
    pub(super) epochs: u32,
    /// Pictures in a step.
    pub(super) batch: u32,
    /// The optimizer in the replicas.
    pub(super) optimizer: OptimizerArg,
    /// The learning rate of Adam and its kin.
    pub(super) adaptive_rate: f32,
    /// The share of each weight that decays, for AdamW.
    pub(super) weight_decay: f32,
    /// How the learning rate goes through the training.
    pub(super) schedule: ScheduleArg,
    /// The share of each target that is spread over all classes.
    pub(super) label_smoothing: f32,
}

/// The preset whose features are pixels.
const PIXELS: &str = "seed";

impl Recipe {
    /// That of the pipeline of this name.
    pub(super) fn of(pipeline: &str) -> &'static Self {
        if pipeline == PIXELS { &Self::SEED } else { &Self::FEATURES }
    }

    /// That of the seed workflow, for pixels.
    pub(super) const SEED: Self = Self {
        hidden: &[256, 128],
        dropout: 0.3,
        input_dropout: 0.0,
        epochs: 5,
        batch: 32,
        optimizer: OptimizerArg::Adam,
        adaptive_rate: 5e-4,
        weight_decay: 0.01,
        schedule: ScheduleArg::Constant,
        label_smoothing: 0.0,
    };

    /// That of all other pipelines, for features that say more than pixels.
    pub(super) const FEATURES: Self = Self {
        hidden: &[256],
        dropout: 0.5,
        input_dropout: 0.5,
        epochs: 12,
        batch: 64,
        optimizer: OptimizerArg::Adamw,
        adaptive_rate: 1e-3,
        weight_decay: 0.1,
        schedule: ScheduleArg::OneCycle,
        label_smoothing: 0.1,
    };
}

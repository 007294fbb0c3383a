//! Optimizers: what turns the gradient of a step into new weights, in the replica.

mod adam;
mod adamw;
mod momentum;
mod nesterov;
mod sgd;

use std::ops::Range;

use howdah_proto::settings::Optimizer;

use super::Network;
pub use adam::Adam;
pub use adamw::AdamW;
pub use momentum::Momentum;
pub use nesterov::Nesterov;
pub use sgd::Sgd;

/// Turns gradients into new weights, in place.
pub trait ReplicaOptimizer: Send {
    /// Begins a step at the learning rate times `factor`, which the schedule gives.
    fn begin(&mut self, factor: f32);

    /// Moves the weights of a range along their gradient, in one pass over both. In a step, each weight is moved once.
    fn apply(&mut self, range: Range<usize>, weights: &mut [f32], gradient: &[f32]);

    /// Takes a whole step.
    fn step(&mut self, weights: &mut [f32], gradient: &[f32], factor: f32) {
        self.begin(factor);
        self.apply(0..weights.len(), weights, gradient);
    }
}

impl dyn ReplicaOptimizer {
    /// Makes the optimizer of the settings, fresh, for the parameters of a network.
    pub fn of(settings: &Optimizer, network: &Network) -> Box<Self> {
        let parameters = network.parameters();
        match *settings {
            Optimizer::Sgd { learning_rate } => Box::new(Sgd::new(learning_rate)),
            Optimizer::Momentum { learning_rate, momentum } => {
                Box::new(Momentum::new(learning_rate, momentum, parameters))
            }
            Optimizer::Nesterov { learning_rate, momentum } => {
                Box::new(Nesterov::new(learning_rate, momentum, parameters))
            }
            Optimizer::Adam { learning_rate } => Box::new(Adam::new(learning_rate, parameters)),
            Optimizer::AdamW { learning_rate, weight_decay } => {
                Box::new(AdamW::new(learning_rate, weight_decay, network))
            }
        }
    }
}

/// A moment or velocity below it moves no weight, and those of units that have died shrink for ever.
const TINY: f32 = 1e-30;

/// The value, or 0 if it is nearer to 0 than `tiny`; a NaN stays.
///
/// What shrinks for ever would end as denormal numbers, on which processors are a hundred times slower.
#[inline(always)]
fn flushed(value: f32, tiny: f32) -> f32 {
    if value.abs() < tiny { 0.0 } else { value }
}

//! Optimizers: what turns the gradient of a step into new weights, in the replica.

mod adam;
mod sgd;

use howdah_proto::settings::Optimizer;

pub use adam::Adam;
pub use sgd::Sgd;

/// Turns gradients into new weights, in place.
pub trait ReplicaOptimizer: Send {
    /// Moves `weights` along `gradient`, in one pass over both.
    fn apply(&mut self, weights: &mut [f32], gradient: &[f32]);
}

impl dyn ReplicaOptimizer {
    /// Makes the optimizer of the settings, fresh, for a network of `parameters` parameters.
    pub fn of(settings: &Optimizer, parameters: usize) -> Box<Self> {
        match *settings {
            Optimizer::Sgd { learning_rate } => Box::new(Sgd::new(learning_rate)),
            Optimizer::Adam { learning_rate } => Box::new(Adam::new(learning_rate, parameters)),
        }
    }
}

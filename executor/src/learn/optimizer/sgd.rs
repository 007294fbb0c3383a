use std::ops::Range;

use super::ReplicaOptimizer;

/// Stochastic gradient descent: w - learning rate x gradient.
#[derive(Debug, Clone)]
pub struct Sgd {
    learning_rate: f32,
    /// That of the step.
    rate: f32,
}

impl Sgd {
    /// Makes the optimizer.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, rate: 0.0 }
    }
}

impl ReplicaOptimizer for Sgd {
    fn begin(&mut self, factor: f32) {
        self.rate = self.learning_rate * factor;
    }

    fn apply(&mut self, _: Range<usize>, weights: &mut [f32], gradient: &[f32]) {
        let rate = self.rate;
        for (weight, gradient) in weights.iter_mut().zip(gradient) {
            *weight -= rate * gradient;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_goes_down_the_gradient() {
        let mut weights = [1.0, -2.0, 0.5];
        Sgd::new(0.5).step(&mut weights, &[2.0, -4.0, 0.0], 1.0);
        assert_eq!(weights, [0.0, 0.0, 0.5]);
    }
}

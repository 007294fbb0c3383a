use std::ops::Range;

use super::{ReplicaOptimizer, TINY, flushed};

/// Momentum that looks ahead: `v <- m v + g; w <- w - a (g + m v)` (Nesterov 1983; Sutskever et al. 2013, "On the
/// importance of initialization and momentum in deep learning", equations 3 and 4, at the point looked ahead to).
#[derive(Debug, Clone)]
pub struct Nesterov {
    learning_rate: f32,
    momentum: f32,
    velocity: Vec<f32>,
    /// The learning rate of the step.
    rate: f32,
}

impl Nesterov {
    /// Makes the optimizer with the learning rate `a` and the kept share `m`, at rest.
    pub fn new(learning_rate: f32, momentum: f32, parameters: usize) -> Self {
        Self { learning_rate, momentum, velocity: vec![0.0; parameters], rate: 0.0 }
    }
}

impl ReplicaOptimizer for Nesterov {
    fn begin(&mut self, factor: f32) {
        self.rate = self.learning_rate * factor;
    }

    fn apply(&mut self, range: Range<usize>, weights: &mut [f32], gradient: &[f32]) {
        let (rate, kept) = (self.rate, self.momentum);
        for ((weight, velocity), gradient) in weights.iter_mut().zip(&mut self.velocity[range]).zip(gradient)
        {
            *velocity = flushed(kept * *velocity + gradient, TINY);
            *weight -= rate * (gradient + kept * *velocity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_goes_along_the_gradient_and_the_velocity_after_it() {
        let (mut nesterov, mut weights) = (Nesterov::new(0.5, 0.5, 1), [0.0]);
        nesterov.step(&mut weights, &[2.0], 1.0);
        assert_eq!(weights, [-1.5]);
        nesterov.step(&mut weights, &[1.0], 0.5);
        assert_eq!((weights, nesterov.velocity[0]), ([-2.0], 2.0));
    }
}

use std::ops::Range;

use super::{ReplicaOptimizer, TINY, flushed};

/// Heavy-ball momentum: `v <- m v + g; w <- w - a v` (Polyak 1964, "Some methods of speeding up the convergence of
/// iteration methods", equation 9, with the learning rate outside the velocity).
#[derive(Debug, Clone)]
pub struct Momentum {
    learning_rate: f32,
    momentum: f32,
    velocity: Vec<f32>,
    /// The learning rate of the step.
    rate: f32,
}

impl Momentum {
    /// Makes the optimizer with the learning rate `a` and the kept share `m`, at rest.
    pub fn new(learning_rate: f32, momentum: f32, parameters: usize) -> Self {
        Self { learning_rate, momentum, velocity: vec![0.0; parameters], rate: 0.0 }
    }
}

impl ReplicaOptimizer for Momentum {
    fn begin(&mut self, factor: f32) {
        self.rate = self.learning_rate * factor;
    }

    fn apply(&mut self, range: Range<usize>, weights: &mut [f32], gradient: &[f32]) {
        let (rate, kept) = (self.rate, self.momentum);
        for ((weight, velocity), gradient) in weights.iter_mut().zip(&mut self.velocity[range]).zip(gradient)
        {
            *velocity = flushed(kept * *velocity + gradient, TINY);
            *weight -= rate * *velocity;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_velocity_keeps_its_share_and_the_schedule_scales_the_step_alone() {
        let (mut momentum, mut weights) = (Momentum::new(0.5, 0.5, 1), [1.0]);
        momentum.step(&mut weights, &[2.0], 1.0);
        assert_eq!(weights, [0.0]);
        momentum.step(&mut weights, &[-1.0], 0.5);
        assert_eq!((weights, momentum.velocity[0]), ([0.0], 0.0));
        momentum.step(&mut weights, &[4.0], 0.5);
        assert_eq!(weights, [-1.0]);
    }

    #[test]
    fn a_velocity_that_dies_down_does_not_become_denormal() {
        let (mut momentum, mut weights) = (Momentum::new(0.1, 0.5, 1), [0.0]);
        momentum.step(&mut weights, &[1.0], 1.0);
        (0..200).for_each(|_| momentum.step(&mut weights, &[0.0], 1.0));
        assert_eq!(momentum.velocity, [0.0]);
    }
}

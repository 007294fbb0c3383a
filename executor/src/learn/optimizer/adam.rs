use std::ops::Range;

use super::{ReplicaOptimizer, TINY, flushed};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-7;

/// A gradient below it has a square that is denormal or nearly so; it moves no weight either.
const TINY_GRADIENT: f32 = 1e-17;

/// Adam (Kingma and Ba 2015) with Keras's defaults: betas 0.9 and 0.999, epsilon 1e-7.
///
/// As in Keras, the bias corrections are folded into the learning rate, so epsilon is the "epsilon hat" at the
/// end of the paper's section 2: w - rate x sqrt(1 - b2^t) / (1 - b1^t) x m / (sqrt(v) + epsilon).
#[derive(Debug, Clone)]
pub struct Adam {
    learning_rate: f32,
    steps: i32,
    /// The learning rate of the step, which corrects the bias of the moments too.
    rate: f32,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    /// Makes the optimizer, with moments of 0.
    pub fn new(learning_rate: f32, parameters: usize) -> Self {
        let zeros = || vec![0.0; parameters];
        Self { learning_rate, steps: 0, rate: 0.0, first: zeros(), second: zeros() }
    }

    /// Moves the weights of a range, of which only the share `kept` is left before that.
    pub(super) fn apply_to_kept(
        &mut self,
        range: Range<usize>,
        weights: &mut [f32],
        gradient: &[f32],
        kept: f32,
    ) {
        let rate = self.rate;
        let (keep_1, keep_2) = (BETA_1 as f32, BETA_2 as f32);
        let (new_1, new_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
        let moments = self.first[range.clone()].iter_mut().zip(&mut self.second[range]);
        // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
        pulp::Arch::new().dispatch(|| {
            for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
                let gradient = flushed(*gradient, TINY_GRADIENT);
                let m = flushed(keep_1 * *first + new_1 * gradient, TINY);
                let v = flushed(keep_2 * *second + new_2 * (gradient * gradient), TINY);
                (*first, *second) = (m, v);
                *weight = kept * *weight - rate * m / (v.sqrt() + EPSILON);
            }
        });
    }
}

impl ReplicaOptimizer for Adam {
    fn begin(&mut self, factor: f32) {
        self.steps = self.steps.saturating_add(1);
        let correction = (1.0 - BETA_2.powi(self.steps)).sqrt() / (1.0 - BETA_1.powi(self.steps));
        self.rate = (f64::from(self.learning_rate * factor) * correction) as f32;
    }

    fn apply(&mut self, range: Range<usize>, weights: &mut [f32], gradient: &[f32]) {
        self.apply_to_kept(range, weights, gradient, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Algorithm 1 of the paper in f64, with epsilon hat, one weight.
    fn oracle(gradients: &[f64], rate: f64) -> f64 {
        let (mut w, mut m, mut v) = (1.0, 0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            let corrected = rate * (1.0 - 0.999f64.powi(t)).sqrt() / (1.0 - 0.9f64.powi(t));
            w -= corrected * m / (v.sqrt() + 1e-7);
        }
        w
    }

    #[test]
    fn steps_agree_with_the_paper_in_double_precision() {
        let columns: [fn(i32) -> f64; 4] =
            [|t| f64::from(t % 7) - 3.0, |t| 1e-4 * f64::from(t), |_| 0.0, |t| -5.0 / f64::from(t)];
        let mut adam = Adam::new(0.01, columns.len());
        let mut weights = vec![1.0f32; columns.len()];
        for t in 1..=100 {
            let gradient: Vec<f32> = columns.iter().map(|g| g(t) as f32).collect();
            adam.step(&mut weights, &gradient, 1.0);
        }
        for (weight, column) in weights.iter().zip(columns) {
            let expected = oracle(&(1..=100).map(column).collect::<Vec<_>>(), 0.01);
            assert!((f64::from(*weight) - expected).abs() < 1e-5, "{weight} {expected}");
        }
    }

    #[test]
    fn no_moment_becomes_denormal_when_a_unit_has_died() {
        let mut adam = Adam::new(0.01, 2);
        let mut weights = [0.0; 2];
        adam.step(&mut weights, &[1.0, 1e-20], 1.0);
        for _ in 0..2000 {
            adam.step(&mut weights, &[0.0, 1e-20], 1.0);
        }
        assert_eq!(adam.first, [0.0, 0.0]);
        assert!(adam.second.iter().all(|v| *v == 0.0 || v.is_normal()));
    }

    #[test]
    fn a_gradient_that_is_no_number_shows_in_the_weight() {
        let mut weights = [0.0];
        Adam::new(0.01, 1).step(&mut weights, &[f32::NAN], 1.0);
        assert!(weights[0].is_nan());
    }
}

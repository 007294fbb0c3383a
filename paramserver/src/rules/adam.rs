use super::{OutOfMemory, UpdateRule, Weights, zeros};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-7;

/// Adam (Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1).
///
/// `m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; w <- w - a (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + e)`
/// with `b1` = 0.9, `b2` = 0.999 and `e` = 1e-7. `g` is the mean gradient of the push, and `t` counts pushes.
#[derive(Debug)]
pub struct Adam {
    learning_rate: f32,
    first_moment: Box<[f32]>,
    second_moment: Box<[f32]>,
    // b1^t and b2^t, in f64 because b2^t stays near 1 for thousands of pushes.
    decay_1: f64,
    decay_2: f64,
}

impl Adam {
    /// Makes the rule with the learning rate `a`.
    ///
    /// # Errors
    /// The memory for the two moments can't be had.
    pub fn new(learning_rate: f32, values: usize) -> Result<Self, OutOfMemory> {
        let (first_moment, second_moment) = (zeros(values)?, zeros(values)?);
        Ok(Self { learning_rate, first_moment, second_moment, decay_1: 1.0, decay_2: 1.0 })
    }

    /// Applies a push at the learning rate times `factor`, to weights of which only the share `kept` is left before it.
    pub(super) fn step(&mut self, weights: &mut Weights, push: &[f32], steps: u64, factor: f32, kept: f32) {
        self.decay_1 *= BETA_1;
        self.decay_2 *= BETA_2;
        let to_mean = 1.0 / steps.max(1) as f32;
        let rate = (f64::from(self.learning_rate * factor) / (1.0 - self.decay_1)) as f32;
        let unbias_2 = (1.0 / (1.0 - self.decay_2)) as f32;
        let (keep_1, keep_2) = (BETA_1 as f32, BETA_2 as f32);
        let (take_1, take_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
        weights.change(|range, weights| {
            let second_moment = &mut self.second_moment[range.clone()];
            let moments = self.first_moment[range.clone()].iter_mut().zip(second_moment);
            // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
            pulp::Arch::new().dispatch(|| {
                for ((weight, (first, second)), pushed) in weights.iter_mut().zip(moments).zip(&push[range]) {
                    let gradient = pushed * to_mean;
                    *first = keep_1 * *first + take_1 * gradient;
                    *second = keep_2 * *second + take_2 * gradient * gradient;
                    *weight = kept * *weight - rate * *first / ((*second * unbias_2).sqrt() + EPSILON);
                }
            });
        });
    }
}

impl UpdateRule for Adam {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], steps: u64, factor: f32) {
        self.step(weights, push, steps, factor, 1.0);
    }

    fn arrays(&self) -> Vec<&[f32]> {
        vec![&self.first_moment, &self.second_moment]
    }

    fn arrays_mut(&mut self) -> Vec<&mut Box<[f32]>> {
        vec![&mut self.first_moment, &mut self.second_moment]
    }

    fn scalars(&self) -> Vec<f64> {
        vec![self.decay_1, self.decay_2]
    }

    fn scalars_mut(&mut self) -> Vec<&mut f64> {
        vec![&mut self.decay_1, &mut self.decay_2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::assert_follows;

    #[test]
    fn adam_follows_algorithm_1_with_the_mean_gradient() {
        let rule = Adam::new(0.01, 37).unwrap();
        let start = (0.0f64, 0.0f64, 0i32);
        assert_follows(rule, start, |(first, second, time), weight, push, steps| {
            let gradient = push / steps;
            *time += 1;
            *first = 0.9 * *first + 0.1 * gradient;
            *second = 0.999 * *second + 0.001 * gradient * gradient;
            let unbiased_1 = *first / (1.0 - 0.9f64.powi(*time));
            let unbiased_2 = *second / (1.0 - 0.999f64.powi(*time));
            weight - 0.01 * unbiased_1 / (unbiased_2.sqrt() + 1e-7)
        });
    }
}

use super::{Adam, OutOfMemory, UpdateRule, Weights};

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, "Decoupled weight decay regularization",
/// algorithm 2).
///
/// `w <- w - a d w - (the step of` [`Adam`]`)`: the decay `d` comes times the learning rate `a`, which is the
/// schedule multiplier of the paper, and once per push.
#[derive(Debug)]
pub struct AdamW {
    adam: Adam,
    decay: f32,
}

impl AdamW {
    /// Makes the rule with the learning rate `a` and the decay `d`.
    ///
    /// # Errors
    /// The memory for the two moments can't be had.
    pub fn new(learning_rate: f32, weight_decay: f32, values: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { adam: Adam::new(learning_rate, values)?, decay: learning_rate * weight_decay })
    }
}

impl UpdateRule for AdamW {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], steps: u64, factor: f32) {
        self.adam.step(weights, push, steps, factor, 1.0 - factor * self.decay);
    }

    fn arrays(&self) -> Vec<&[f32]> {
        self.adam.arrays()
    }

    fn arrays_mut(&mut self) -> Vec<&mut Box<[f32]>> {
        self.adam.arrays_mut()
    }

    fn scalars(&self) -> Vec<f64> {
        self.adam.scalars()
    }

    fn scalars_mut(&mut self) -> Vec<&mut f64> {
        self.adam.scalars_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::assert_follows;

    #[test]
    fn adamw_decays_the_weights_themselves_and_not_their_gradients() {
        let rule = AdamW::new(0.01, 0.1, 37).unwrap();
        let start = (0.0f64, 0.0f64, 0i32);
        assert_follows(rule, start, |(first, second, time), weight, push, steps| {
            let gradient = push / steps;
            *time += 1;
            *first = 0.9 * *first + 0.1 * gradient;
            *second = 0.999 * *second + 0.001 * gradient * gradient;
            let unbiased_1 = *first / (1.0 - 0.9f64.powi(*time));
            let unbiased_2 = *second / (1.0 - 0.999f64.powi(*time));
            weight - 0.01 * 0.1 * weight - 0.01 * unbiased_1 / (unbiased_2.sqrt() + 1e-7)
        });
    }
}

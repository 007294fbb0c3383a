use super::{UpdateRule, Weights};

/// Stochastic gradient descent: `w <- w - a g` (Robbins and Monro 1951).
///
/// `g` is the sum of the gradients in the push, so that pushing after every n steps moves the weights as far as
/// n pushes would.
#[derive(Debug, Clone, Copy)]
pub struct Sgd {
    learning_rate: f32,
}

impl Sgd {
    /// Makes the rule with the learning rate `a`.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate }
    }
}

impl UpdateRule for Sgd {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], _steps: u64, factor: f32) {
        let rate = self.learning_rate * factor;
        weights.change(|range, weights| {
            for (weight, gradient) in weights.iter_mut().zip(&push[range]) {
                *weight -= rate * gradient;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::assert_follows;

    #[test]
    fn sgd_goes_against_the_gradient() {
        assert_follows(Sgd::new(0.05), (), |(), weight, push, _| weight - 0.05 * push);
    }
}

use super::{UpdateRule, Weights};

/// Adds what is pushed: `w <- w + p`.
///
/// What replicas push is then the update itself, as in Downpour SGD with the optimizer in the replica (Dean et
/// al. 2012, "Large Scale Distributed Deep Networks", section 4.1).
#[derive(Debug, Clone, Copy)]
pub struct Sum;

impl UpdateRule for Sum {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], _steps: u64, _factor: f32) {
        weights.change(|range, weights| {
            for (weight, pushed) in weights.iter_mut().zip(&push[range]) {
                *weight += pushed;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::assert_follows;

    #[test]
    fn sum_adds_every_push() {
        assert_follows(Sum, (), |(), weight, push, _| weight + push);
    }
}

use super::{UpdateRule, Weights};

/// Elastic averaging: `w <- w + r (x - w)` (Zhang, Choromanska and LeCun 2015, "Deep learning with elastic averaging
/// SGD", algorithm 1, the step of the centre variable).
///
/// A push is `x`, the replica's own weights, however many steps it made; the replica moves towards the centre by the
/// same share.
#[derive(Debug, Clone, Copy)]
pub struct Elastic {
    rate: f32,
}

impl Elastic {
    /// Makes the rule with the moving rate `r`.
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }
}

impl UpdateRule for Elastic {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], _steps: u64, _factor: f32) {
        let rate = self.rate;
        weights.change(|range, weights| {
            for (centre, replica) in weights.iter_mut().zip(&push[range]) {
                *centre += rate * (replica - *centre);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::assert_follows;

    #[test]
    fn elastic_moves_the_centre_towards_the_replica() {
        assert_follows(Elastic::new(0.1), (), |(), weight, push, _| 0.9 * weight + 0.1 * push);
    }
}

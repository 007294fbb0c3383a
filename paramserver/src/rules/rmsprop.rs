use super::{OutOfMemory, UpdateRule, Weights, zeros};

const EPSILON: f32 = 1e-7;

/// RMSProp: `s <- d s + (1 - d) g^2; w <- w - a g / (sqrt(s) + e)` with `e` = 1e-7 (Tieleman and Hinton 2012, "Neural
/// networks for machine learning", lecture 6e).
///
/// `g` is the mean gradient of the push; the mean square decays once per push.
#[derive(Debug)]
pub struct RmsProp {
    learning_rate: f32,
    decay: f32,
    mean_square: Box<[f32]>,
}

impl RmsProp {
    /// Makes the rule with the learning rate `a` and the kept share `d`.
    ///
    /// # Errors
    /// The memory for the mean squares can't be had.
    pub fn new(learning_rate: f32, decay: f32, values: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { learning_rate, decay, mean_square: zeros(values)? })
    }
}

impl UpdateRule for RmsProp {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], steps: u64, factor: f32) {
        let (rate, to_mean) = (self.learning_rate * factor, 1.0 / steps.max(1) as f32);
        let (kept, taken) = (self.decay, 1.0 - self.decay);
        weights.change(|range, weights| {
            let (mean_square, push) = (&mut self.mean_square[range.clone()], &push[range]);
            // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
            pulp::Arch::new().dispatch(|| {
                for ((weight, square), pushed) in weights.iter_mut().zip(&mut *mean_square).zip(push) {
                    let gradient = pushed * to_mean;
                    *square = kept * *square + taken * gradient * gradient;
                    *weight -= rate * gradient / (square.sqrt() + EPSILON);
                }
            });
        });
    }

    fn arrays(&self) -> Vec<&[f32]> {
        vec![&self.mean_square]
    }

    fn arrays_mut(&mut self) -> Vec<&mut Box<[f32]>> {
        vec![&mut self.mean_square]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::assert_follows;

    #[test]
    fn rmsprop_divides_by_the_root_of_the_mean_square() {
        assert_follows(RmsProp::new(0.01, 0.9, 37).unwrap(), 0.0, |square: &mut f64, weight, push, steps| {
            let gradient = push / steps;
            *square = 0.9 * *square + 0.1 * gradient * gradient;
            weight - 0.01 * gradient / (square.sqrt() + 1e-7)
        });
    }
}

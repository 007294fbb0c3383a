use super::{OutOfMemory, UpdateRule, Weights, zeros};

const EPSILON: f32 = 1e-7;

/// Adagrad: `s <- s + g^2; w <- w - a g / (sqrt(s) + e)` with `e` = 1e-7 (Duchi, Hazan and Singer 2011, "Adaptive
/// subgradient methods for online learning and stochastic optimization", figure 1 with diagonal matrices).
///
/// It is the rule of the server in Downpour SGD (Dean et al. 2012, section 4.1). `g` is the mean gradient of the push.
#[derive(Debug)]
pub struct Adagrad {
    learning_rate: f32,
    squares: Box<[f32]>,
}

impl Adagrad {
    /// Makes the rule with the learning rate `a`.
    ///
    /// # Errors
    /// The memory for the sums of squares can't be had.
    pub fn new(learning_rate: f32, values: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { learning_rate, squares: zeros(values)? })
    }
}

impl UpdateRule for Adagrad {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], steps: u64, factor: f32) {
        let (rate, to_mean) = (self.learning_rate * factor, 1.0 / steps.max(1) as f32);
        weights.change(|range, weights| {
            let (squares, push) = (&mut self.squares[range.clone()], &push[range]);
            // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
            pulp::Arch::new().dispatch(|| {
                for ((weight, squares), pushed) in weights.iter_mut().zip(&mut *squares).zip(push) {
                    let gradient = pushed * to_mean;
                    *squares += gradient * gradient;
                    *weight -= rate * gradient / (squares.sqrt() + EPSILON);
                }
            });
        });
    }

    fn arrays(&self) -> Vec<&[f32]> {
        vec![&self.squares]
    }

    fn arrays_mut(&mut self) -> Vec<&mut Box<[f32]>> {
        vec![&mut self.squares]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::assert_follows;

    #[test]
    fn adagrad_divides_by_the_root_of_all_squares() {
        assert_follows(Adagrad::new(0.05, 37).unwrap(), 0.0, |squares: &mut f64, weight, push, steps| {
            let gradient = push / steps;
            *squares += gradient * gradient;
            weight - 0.05 * gradient / (squares.sqrt() + 1e-7)
        });
    }
}

use super::{OutOfMemory, UpdateRule, Weights, zeros};

/// Heavy-ball momentum: `v <- m v + g; w <- w - a v` (Polyak 1964, "Some methods of speeding up the convergence
/// of iteration methods", equation 9, with the learning rate outside the velocity).
///
/// `g` is the sum of the gradients in the push; the velocity decays once per push.
#[derive(Debug)]
pub struct Momentum {
    learning_rate: f32,
    momentum: f32,
    velocity: Box<[f32]>,
}

impl Momentum {
    /// Makes the rule with the learning rate `a` and the kept share `m`, at rest.
    ///
    /// # Errors
    /// The memory for the velocity can't be had.
    pub fn new(learning_rate: f32, momentum: f32, values: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { learning_rate, momentum, velocity: zeros(values)? })
    }
}

impl UpdateRule for Momentum {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], _steps: u64, factor: f32) {
        let (rate, kept) = (self.learning_rate * factor, self.momentum);
        weights.change(|range, weights| {
            let velocity = &mut self.velocity[range.clone()];
            for ((weight, velocity), gradient) in weights.iter_mut().zip(velocity).zip(&push[range]) {
                *velocity = kept * *velocity + gradient;
                *weight -= rate * *velocity;
            }
        });
    }

    fn arrays(&self) -> Vec<&[f32]> {
        vec![&self.velocity]
    }

    fn arrays_mut(&mut self) -> Vec<&mut Box<[f32]>> {
        vec![&mut self.velocity]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::assert_follows;

    #[test]
    fn momentum_keeps_a_share_of_the_velocity() {
        assert_follows(Momentum::new(0.05, 0.9, 37).unwrap(), 0.0, |velocity: &mut f64, weight, push, _| {
            *velocity = 0.9 * *velocity + push;
            weight - 0.05 * *velocity
        });
    }
}

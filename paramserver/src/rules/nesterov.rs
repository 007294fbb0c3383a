use super::{OutOfMemory, UpdateRule, Weights, zeros};

/// Nesterov's accelerated gradient: `v <- m v + g; w <- w - a (g + m v)` (Nesterov 1983; Sutskever et al. 2013, "On
/// the importance of initialization and momentum in deep learning", equations 3 and 4).
///
/// The weights here are the ones that the paper takes the gradient at, `theta + m v`: replicas pull the point that is
/// looked ahead to. `g` is the sum of the gradients in the push; the velocity decays once per push. DiLoCo's outer
/// step is this rule on what the replicas' own steps moved the weights by (Douillard et al. 2023, algorithm 1).
#[derive(Debug)]
pub struct Nesterov {
    learning_rate: f32,
    momentum: f32,
    velocity: Box<[f32]>,
}

impl Nesterov {
    /// Makes the rule with the learning rate `a` and the kept share `m`, at rest.
    ///
    /// # Errors
    /// The memory for the velocity can't be had.
    pub fn new(learning_rate: f32, momentum: f32, values: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { learning_rate, momentum, velocity: zeros(values)? })
    }
}

impl UpdateRule for Nesterov {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], _steps: u64, factor: f32) {
        let (rate, kept) = (self.learning_rate * factor, self.momentum);
        weights.change(|range, weights| {
            let velocity = &mut self.velocity[range.clone()];
            for ((weight, velocity), gradient) in weights.iter_mut().zip(velocity).zip(&push[range]) {
                *velocity = kept * *velocity + gradient;
                *weight -= rate * (gradient + kept * *velocity);
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
    fn nesterov_steps_from_the_point_it_looks_ahead_to() {
        // Equations 3 and 4 of Sutskever et al. as they stand: `theta` is kept, its gradient is taken at `weight`.
        let rule = Nesterov::new(0.05, 0.9, 37).unwrap();
        assert_follows(rule, 0.0, |velocity: &mut f64, weight, push, _| {
            let theta = weight - 0.9 * *velocity;
            *velocity = 0.9 * *velocity - 0.05 * push;
            theta + *velocity + 0.9 * *velocity
        });
    }
}

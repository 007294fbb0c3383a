use super::{OutOfMemory, UpdateRule, Weights, zeros};

/// Delayed Nesterov (Liu et al. 2024, "Asynchronous local-SGD training for language modeling", algorithm 3, with its
/// default `c` = 0).
///
/// Every push descends at once, by the share 1/N of its gradient; only every Nth one moves the momentum, by the mean
/// of the last N:
/// `d <- d + g; w <- w - a g / N`, and with every Nth push also
/// `m <- b m + d / N; w <- w - a b m; d <- 0`.
/// `g` is the push as it comes. So the momentum decays once per N pushes, as it would if N replicas pushed together.
#[derive(Debug)]
pub struct DelayedNesterov {
    learning_rate: f32,
    momentum: f32,
    every: u32,
    velocity: Box<[f32]>,
    buffer: Box<[f32]>,
    // How many pushes are in the buffer: a whole number below N.
    buffered: f64,
}

impl DelayedNesterov {
    /// Makes the rule with the learning rate `a`, the kept share `b` and N = `every`, at rest.
    ///
    /// # Errors
    /// The memory for the momentum and the buffer can't be had.
    pub fn new(learning_rate: f32, momentum: f32, every: u32, values: usize) -> Result<Self, OutOfMemory> {
        let (velocity, buffer) = (zeros(values)?, zeros(values)?);
        Ok(Self { learning_rate, momentum, every: every.max(1), velocity, buffer, buffered: 0.0 })
    }
}

impl UpdateRule for DelayedNesterov {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], _steps: u64, factor: f32) {
        let share = 1.0 / self.every as f32;
        let (rate, kept) = (self.learning_rate * factor, self.momentum);
        self.buffered += 1.0;
        if self.buffered < f64::from(self.every) {
            weights.change(|range, weights| {
                let buffer = &mut self.buffer[range.clone()];
                for ((weight, buffer), gradient) in weights.iter_mut().zip(buffer).zip(&push[range]) {
                    *buffer += gradient;
                    *weight -= rate * share * gradient;
                }
            });
            return;
        }
        self.buffered = 0.0;
        weights.change(|range, weights| {
            let buffer = &mut self.buffer[range.clone()];
            let state = self.velocity[range.clone()].iter_mut().zip(buffer);
            for ((weight, (velocity, buffer)), gradient) in weights.iter_mut().zip(state).zip(&push[range]) {
                *velocity = kept * *velocity + share * (*buffer + gradient);
                *buffer = 0.0;
                *weight -= rate * (kept * *velocity + share * gradient);
            }
        });
    }

    fn arrays(&self) -> Vec<&[f32]> {
        vec![&self.velocity, &self.buffer]
    }

    fn arrays_mut(&mut self) -> Vec<&mut Box<[f32]>> {
        vec![&mut self.velocity, &mut self.buffer]
    }

    fn scalars(&self) -> Vec<f64> {
        vec![self.buffered]
    }

    fn scalars_mut(&mut self) -> Vec<&mut f64> {
        vec![&mut self.buffered]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Nesterov, assert_follows};

    #[test]
    fn delayed_nesterov_moves_its_momentum_with_every_third_push() {
        let rule = DelayedNesterov::new(0.05, 0.9, 3, 37).unwrap();
        // The state is (t, m, the sum of gradients), named as in algorithm 3.
        assert_follows(rule, (0u32, 0.0f64, 0.0f64), |(t, m, sum), weight, push, _| {
            let (epsilon, beta, n) = (0.05, 0.9, 3.0);
            *sum += push;
            *t += 1;
            if t.is_multiple_of(3) {
                *m = beta * *m + *sum / n;
                *sum = 0.0;
                weight - epsilon * (beta * *m + push / n)
            } else {
                weight - epsilon * push / n
            }
        });
    }

    #[test]
    fn delayed_nesterov_that_delays_nothing_is_nesterov() {
        let (mut delayed, mut plain) =
            (DelayedNesterov::new(0.1, 0.9, 1, 2).unwrap(), Nesterov::new(0.1, 0.9, 2).unwrap());
        let mut left = Weights::of(&[1.0, -2.0]).unwrap();
        let mut right = left.clone();
        for push in [[0.5, 0.25], [-1.0, 2.0], [0.125, 0.0]] {
            delayed.apply(&mut left, &push, 1, 1.0);
            plain.apply(&mut right, &push, 1, 1.0);
        }
        left.to_vec()
            .iter()
            .zip(&right.to_vec())
            .for_each(|(left, right)| assert!((left - right).abs() < 1e-6));
    }
}

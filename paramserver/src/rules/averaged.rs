use super::{OutOfMemory, UpdateRule, Weights, zeros};

/// Any rule, with a moving average of the weights beside it (Polyak and Juditsky 1992, "Acceleration of stochastic
/// approximation by averaging", with exponential weights).
///
/// `s <- s + n; a <- a + (1 - k) (w - a)` after each push of `n` steps, where `k` is the smaller of `d^n` and
/// `(s - n) / (10 + s)`: so the average begins with the first weights and not with zeros, and early weights, which are
/// far off, are soon forgotten.
#[derive(Debug)]
pub struct Averaged {
    rule: Box<dyn UpdateRule>,
    kept: f32,
    average: Box<[f32]>,
    // A whole number.
    steps: f64,
}

impl Averaged {
    /// Makes the rule with an average of which each step leaves the share `d` in place.
    ///
    /// # Errors
    /// The memory for the average can't be had.
    pub fn new(rule: Box<dyn UpdateRule>, kept: f32, values: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { rule, kept, average: zeros(values)?, steps: 0.0 })
    }
}

impl UpdateRule for Averaged {
    fn apply(&mut self, weights: &mut Weights, push: &[f32], steps: u64, factor: f32) {
        self.rule.apply(weights, push, steps, factor);
        let before = self.steps;
        self.steps += steps as f64;
        let kept = f64::from(self.kept).powf(steps as f64).min(before / (10.0 + self.steps));
        let taken = (1.0 - kept) as f32;
        for (range, weights) in weights.pieces() {
            for (average, weight) in self.average[range].iter_mut().zip(weights.iter()) {
                *average += taken * (weight - *average);
            }
        }
    }

    fn average(&self) -> Option<&[f32]> {
        (self.steps > 0.0).then_some(&self.average)
    }

    fn arrays(&self) -> Vec<&[f32]> {
        let mut arrays = self.rule.arrays();
        arrays.push(&self.average);
        arrays
    }

    fn arrays_mut(&mut self) -> Vec<&mut Box<[f32]>> {
        let mut arrays = self.rule.arrays_mut();
        arrays.push(&mut self.average);
        arrays
    }

    fn scalars(&self) -> Vec<f64> {
        let mut scalars = self.rule.scalars();
        scalars.push(self.steps);
        scalars
    }

    fn scalars_mut(&mut self) -> Vec<&mut f64> {
        let mut scalars = self.rule.scalars_mut();
        scalars.push(&mut self.steps);
        scalars
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Sum, assert_follows};

    #[test]
    fn the_weights_are_those_of_the_rule_alone() {
        let averaged = Averaged::new(Box::new(Sum), 0.9, 37).unwrap();
        assert_follows(averaged, (), |(), weight, push, _| weight + push);
    }

    #[test]
    fn the_average_begins_with_the_first_weights_and_follows_them() {
        let mut rule = Averaged::new(Box::new(Sum), 0.5, 2).unwrap();
        let mut weights = Weights::of(&[4.0, -2.0]).unwrap();
        assert_eq!(rule.average(), None);
        rule.apply(&mut weights, &[1.0, 1.0], 3, 1.0);
        assert_eq!(rule.average().unwrap(), [5.0, -1.0]);
        let (mut expected, mut steps) = (5.0f64, 3.0f64);
        for _ in 0..40 {
            rule.apply(&mut weights, &[1.0, 0.0], 2, 1.0);
            steps += 2.0;
            let kept = 0.25f64.min((steps - 2.0) / (10.0 + steps));
            expected += (1.0 - kept) * (f64::from(weights.to_vec()[0]) - expected);
        }
        let average = rule.average().unwrap();
        assert!((f64::from(average[0]) - expected).abs() < 1e-4, "{} is not {expected}", average[0]);
        assert_eq!(average[1], -1.0);
    }
}

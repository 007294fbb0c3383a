/// A sum of numbers that is the same bits in whatever order and parts they are added: each is cut to a multiple of
/// 2^-64, and these are added as integers.
///
/// Numbers are from 0 to [`LARGEST`](Self::LARGEST), of which 2^48 fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExactSum(u128);

/// 2^64.
const UNITS: f64 = 18_446_744_073_709_551_616.0;

impl ExactSum {
    /// The largest number that is added as it is.
    pub const LARGEST: f64 = 65_535.0;

    /// Adds a number; one outside the range counts as its nearest end, and NaN as 0.
    pub fn add(&mut self, number: f64) {
        self.0 += (number.clamp(0.0, Self::LARGEST) * UNITS) as u128;
    }

    /// Adds what another sum has.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }

    /// The sum.
    pub fn value(self) -> f64 {
        self.0 as f64 / UNITS
    }

    /// The sum in units of 2^-64.
    pub fn units(self) -> u128 {
        self.0
    }

    /// The sum of so many units of 2^-64.
    pub fn from_units(units: u128) -> Self {
        Self(units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_does_not_depend_on_the_order_of_its_numbers() {
        let numbers: Vec<f64> = (1..1000).map(|n| 1.0 / f64::from(n)).collect();
        let (mut forward, mut backward) = (ExactSum::default(), ExactSum::default());
        numbers.iter().for_each(|number| forward.add(*number));
        numbers.iter().rev().for_each(|number| backward.add(*number));
        assert_eq!(forward, backward);
        assert!((forward.value() - numbers.iter().sum::<f64>()).abs() < 1e-12);
    }

    #[test]
    fn numbers_outside_the_range_count_as_its_ends() {
        let mut sum = ExactSum::default();
        [f64::NAN, -3.0, f64::INFINITY].into_iter().for_each(|number| sum.add(number));
        assert_eq!(sum.value(), ExactSum::LARGEST);
    }
}

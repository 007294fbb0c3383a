use howdah_executor::random::Random;
use serde::{Deserialize, Serialize};

/// The values that a setting can have in a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// One of these, as they stand on a command line.
    Choice(Vec<String>),
    /// Any number from the first to the second.
    Uniform(f64, f64),
    /// The same, with the logarithm evenly spread; both are above 0.
    LogUniform(f64, f64),
    /// Any whole number from the first to the second.
    Integers(i64, i64),
}

impl Range {
    /// Checks that there is a value in it; says what is wrong otherwise.
    pub(super) fn check(&self) -> Result<(), String> {
        let finite = |low: f64, high: f64| low.is_finite() && high.is_finite() && low < high;
        match self {
            Self::Choice(values) if values.is_empty() => Err("there is nothing to choose from".to_owned()),
            Self::Uniform(low, high) | Self::LogUniform(low, high) if !finite(*low, *high) => {
                Err("the first number must be below the second".to_owned())
            }
            Self::LogUniform(low, _) if *low <= 0.0 => {
                Err("numbers must be above 0 for a logarithm".to_owned())
            }
            Self::Integers(low, high) if low > high => {
                Err("the first number must not be above the second".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Draws a value, as it stands on a command line.
    pub(super) fn draw(&self, random: &mut Random) -> String {
        // 53 bits make every number from 0 to below 1 that has no more digits than an f64.
        let share = |random: &mut Random| (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        match self {
            Self::Choice(values) => {
                let place = random.below(values.len() as u64) as usize;
                values.get(place).cloned().unwrap_or_default()
            }
            Self::Uniform(low, high) => number(low + (high - low) * share(random)),
            Self::LogUniform(low, high) => {
                let (low, high) = (low.ln(), high.ln());
                number((low + (high - low) * share(random)).exp())
            }
            Self::Integers(low, high) => {
                let count = high.abs_diff(*low).saturating_add(1);
                low.saturating_add_unsigned(random.below(count)).to_string()
            }
        }
    }
}

/// Four digits are more than a learning curve can tell apart, and what people can read.
fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_in_their_range_and_are_spread_as_it_says() {
        let draws = |range: Range| -> Vec<f64> {
            (0..2_000).map(|i| range.draw(&mut Random::new(&[i])).parse().unwrap()).collect()
        };
        let below = |values: &[f64], limit: f64| values.iter().filter(|value| **value < limit).count();
        let log = draws(Range::LogUniform(1e-4, 1e-2));
        assert!(log.iter().all(|value| (1e-4..=1e-2).contains(value)));
        assert!((900..1_100).contains(&below(&log, 1e-3)));
        let uniform = draws(Range::Uniform(-1.0, 3.0));
        assert!(uniform.iter().all(|value| (-1.0..=3.0).contains(value)));
        assert!((900..1_100).contains(&below(&uniform, 1.0)));
        let integers = draws(Range::Integers(-2, 2));
        assert!((-2..=2).all(|wanted| integers.contains(&f64::from(wanted))));
        assert!(integers.iter().all(|value| (-2.0..=2.0).contains(value)));
    }

    #[test]
    fn numbers_have_four_digits() {
        assert_eq!(number(0.000_732_149), "0.0007321");
        assert_eq!(number(123_456.0), "123500");
    }

    #[test]
    fn empty_ranges_are_refused() {
        for range in [
            Range::Choice(Vec::new()),
            Range::Uniform(1.0, 1.0),
            Range::Uniform(0.0, f64::NAN),
            Range::LogUniform(0.0, 1.0),
            Range::Integers(2, 1),
        ] {
            assert!(range.check().is_err(), "{range:?}");
        }
        assert_eq!(Range::Integers(2, 2).check(), Ok(()));
    }
}

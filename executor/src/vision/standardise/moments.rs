use crate::rdd::FitError;

/// Count, mean and summed squared deviation of each feature, in f64.
///
/// Records are added one by one (Welford 1962, "Note on a method for calculating corrected sums of squares and
/// products"), partitions as wholes (Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for
/// computing sample variances", equation 1.5): nothing cancels, however far the mean is from 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Moments {
    count: u64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Adds a record; says no if it has another number of features than those before it.
    pub(super) fn add(&mut self, values: &[f32]) -> bool {
        if self.count == 0 {
            self.mean = vec![0.0; values.len()];
            self.squares = vec![0.0; values.len()];
        } else if self.mean.len() != values.len() {
            return false;
        }
        self.count += 1;
        let share = 1.0 / self.count as f64;
        for ((value, mean), squares) in values.iter().zip(&mut self.mean).zip(&mut self.squares) {
            let before = f64::from(*value) - *mean;
            *mean += before * share;
            *squares += before * (f64::from(*value) - *mean);
        }
        true
    }

    /// Adds what others have seen.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), FitError> {
        if other.count == 0 {
            return Ok(());
        }
        if self.count == 0 {
            *self = other;
            return Ok(());
        }
        if self.mean.len() != other.mean.len() {
            let (known, got) = (self.mean.len(), other.mean.len());
            return Err(FitError::Summary(format!("it is of {got} features, those before it of {known}")));
        }
        let both = self.count.saturating_add(other.count);
        let (here, there) = (self.count as f64, other.count as f64);
        let (share, product) = (there / both as f64, here * there / both as f64);
        let sums = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), (their_mean, their_squares)) in sums.zip(other.mean.iter().zip(&other.squares))
        {
            let apart = their_mean - *mean;
            *mean += apart * share;
            *squares += their_squares + apart * apart * product;
        }
        self.count = both;
        Ok(())
    }

    /// Mean and variance of each feature, over all records; none before there is one.
    pub(super) fn finish(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let count = self.count as f64;
        let variance = self.squares.iter().map(|squares| squares / count).collect();
        (self.count > 0).then(|| (self.mean.clone(), variance))
    }

    /// The count, all means and all sums of squares, little-endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let count = self.count.to_le_bytes();
        [&count, bytemuck::cast_slice(&self.mean), bytemuck::cast_slice(&self.squares)].concat()
    }

    /// Reads what [`Self::to_bytes`] gives, and checks that it can be true.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, FitError> {
        let wrong = |reason: &str| FitError::Summary(reason.to_owned());
        let (count, sums) = bytes.split_first_chunk().ok_or_else(|| wrong("it is too short"))?;
        if !sums.len().is_multiple_of(16) {
            return Err(wrong("its length is that of no number of features"));
        }
        let (mean, squares) = sums.split_at(sums.len() / 2);
        let this = Self {
            count: u64::from_le_bytes(*count),
            mean: bytemuck::pod_collect_to_vec(mean),
            squares: bytemuck::pod_collect_to_vec(squares),
        };
        if (this.count == 0) != this.mean.is_empty() {
            return Err(wrong("it has features without records, or records without features"));
        }
        if this.squares.iter().any(|squares| *squares < 0.0) {
            return Err(wrong("a sum of squares is negative"));
        }
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Records whose mean is a million times their deviation, where sums of squares would cancel.
    fn records(count: usize) -> Vec<[f32; 3]> {
        let mut random = Random::new(&[7]);
        let mut unit = || random.below(1 << 20) as f32 / (1 << 20) as f32;
        (0..count).map(|_| [unit(), 4096.0 + unit() / 256.0, -3.0]).collect()
    }

    fn of(records: &[[f32; 3]]) -> Moments {
        let mut moments = Moments::default();
        records.iter().for_each(|record| assert!(moments.add(record)));
        moments
    }

    #[test]
    fn mean_and_variance_are_those_of_two_exact_passes() {
        let records = records(5_000);
        let mut merged = Moments::default();
        for part in records.chunks(617) {
            merged.merge(Moments::from_bytes(&of(part).to_bytes()).unwrap()).unwrap();
        }
        for moments in [of(&records), merged] {
            let (mean, variance) = moments.finish().unwrap();
            for feature in 0..3 {
                let values: Vec<f64> = records.iter().map(|record| f64::from(record[feature])).collect();
                let exact = values.iter().sum::<f64>() / 5_000.0;
                let spread = values.iter().map(|value| (value - exact).powi(2)).sum::<f64>() / 5_000.0;
                assert!((mean[feature] - exact).abs() < 1e-10, "{} {exact}", mean[feature]);
                assert!(
                    (variance[feature] - spread).abs() <= 1e-9 * spread,
                    "{} {spread}",
                    variance[feature]
                );
            }
        }
    }

    #[test]
    fn partitions_without_records_change_nothing() {
        let mut moments = of(&records(10));
        moments.merge(Moments::default()).unwrap();
        assert_eq!(moments, of(&records(10)));
        let mut none = Moments::default();
        none.merge(moments.clone()).unwrap();
        assert_eq!(none, moments);
        assert_eq!(Moments::default().finish(), None);
    }

    #[test]
    fn a_summary_that_can_not_be_true_is_refused() {
        let good = of(&records(3)).to_bytes();
        assert!(Moments::from_bytes(&good).is_ok());
        assert!(Moments::from_bytes(&good[..7]).is_err());
        assert!(Moments::from_bytes(&good[..good.len() - 8]).is_err());
        assert!(Moments::from_bytes(&[&0u64.to_le_bytes(), &good[8..]].concat()).is_err());
        assert!(Moments::from_bytes(&5u64.to_le_bytes()).is_err());
        let mut negative = good.clone();
        let end = good.len() - 8;
        negative[end..].copy_from_slice(&(-1.0f64).to_le_bytes());
        assert!(Moments::from_bytes(&negative).is_err());
        let mut two = Moments::default();
        two.add(&[1.0, 2.0]);
        assert!(two.merge(of(&records(3))).is_err());
        assert!(!two.add(&[1.0]));
    }
}

use super::ExactSum;

/// The bins of [`Calibration`].
pub const CALIBRATION_BINS: usize = 15;

/// How confident a model was and how often it was right, in bins of equal width by confidence: the probability of the
/// most probable class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calibration {
    bins: [Bin; CALIBRATION_BINS],
}

/// A bin of a [`Calibration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bin {
    /// The samples in it.
    pub samples: u64,
    /// How many of them were classified right.
    pub correct: u64,
    /// Their confidences, summed.
    pub confidence: ExactSum,
}

impl Calibration {
    /// The calibration with these bins.
    pub fn of(bins: [Bin; CALIBRATION_BINS]) -> Self {
        Self { bins }
    }

    /// Counts a sample. Bin m of M has the confidences above (m - 1) / M, up to m / M.
    pub fn add(&mut self, confidence: f32, is_correct: bool) {
        let confidence = f64::from(confidence);
        let place = (confidence * CALIBRATION_BINS as f64).ceil() as usize;
        let bin = &mut self.bins[place.clamp(1, CALIBRATION_BINS) - 1];
        bin.samples += 1;
        bin.correct += u64::from(is_correct);
        bin.confidence.add(confidence);
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.samples += more.samples;
            bin.correct += more.correct;
            bin.confidence.merge(more.confidence);
        }
    }

    /// The bins, by confidence.
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// The expected calibration error: the mean over samples of how far the confidence of their bin is from its accuracy
    /// (Guo et al. 2017, "On calibration of modern neural networks", equation 3); none if there are no samples.
    pub fn error(&self) -> Option<f64> {
        let samples: u64 = self.bins.iter().map(|bin| bin.samples).sum();
        let off: f64 = self.bins.iter().map(|bin| (bin.correct as f64 - bin.confidence.value()).abs()).sum();
        (samples > 0).then(|| off / samples as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_right_as_often_as_it_is_confident_has_no_error() {
        let mut calibration = Calibration::default();
        assert_eq!(calibration.error(), None);
        (0..4).for_each(|sample| calibration.add(0.75, sample < 3));
        assert_eq!(calibration.error(), Some(0.0));
        (0..4).for_each(|_| calibration.add(1.0, false));
        assert_eq!(calibration.error(), Some(0.5));
    }

    #[test]
    fn a_bin_has_its_upper_end_and_not_its_lower_one() {
        let mut calibration = Calibration::default();
        [0.0, 0.2, 0.2000001, 1.0].into_iter().for_each(|confidence| calibration.add(confidence, true));
        let filled: Vec<usize> = (0..15).filter(|bin| calibration.bins()[*bin].samples > 0).collect();
        // 0.2 as f32 is a little more than a fifth.
        assert_eq!(filled, [0, 3, 14]);
    }
}

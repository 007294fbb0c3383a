use super::{Calibration, Confusion, ConfusionError, ExactSum, Scores};

/// What is known of an evaluation: enough for all metrics, and bounded however many samples there were.
///
/// It is counts and exact sums, so summaries of the parts of a set add up to the same bits as that of the whole, in
/// whatever order and parts. Everything in it comes from the class of each sample and the probabilities that the model
/// gave: anyone who has these can compute the metrics again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub(super) confusion: Confusion,
    /// How often the class of a sample was the most probable one, the second, and so on.
    pub(super) ranks: Vec<u64>,
    pub(super) loss: ExactSum,
    /// The squares of the losses.
    pub(super) squared_loss: ExactSum,
    pub(super) calibration: Calibration,
    pub(super) scores: Scores,
}

/// A sample or a summary that can't be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// Its classes don't fit.
    #[error(transparent)]
    Confusion(#[from] ConfusionError),
    /// There is not one probability for each class.
    #[error("a sample with {got} probabilities can't be counted among those of {classes} classes")]
    Probabilities {
        /// The classes.
        classes: usize,
        /// The probabilities.
        got: usize,
    },
    /// A probability is none.
    #[error("the probability of class {class} is not from 0 to 1")]
    NoProbability {
        /// The class.
        class: usize,
    },
    /// There are too many samples.
    #[error("a summary can't count more than {} samples", u32::MAX)]
    Full,
    /// What came from elsewhere contradicts itself.
    #[error("a summary that contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl Summary {
    /// Makes the summary of an evaluation of so many classes, without samples.
    pub fn new(classes: usize) -> Self {
        Self {
            confusion: Confusion::new(classes),
            ranks: vec![0; classes],
            loss: ExactSum::default(),
            squared_loss: ExactSum::default(),
            calibration: Calibration::default(),
            scores: Scores::new(classes),
        }
    }

    /// Adds a sample of class `truth`, to which the model gave these probabilities, one for each class.
    ///
    /// The loss is -ln p of its class, where p counts as at least the smallest normal f32: it is at most 87.4.
    ///
    /// # Errors
    /// [`SummaryError`] if the class is unknown, or that are no probabilities of the classes; nothing is added then.
    pub fn add(&mut self, truth: u32, probabilities: &[f32]) -> Result<(), SummaryError> {
        let classes = self.classes();
        if probabilities.len() != classes {
            return Err(SummaryError::Probabilities { classes, got: probabilities.len() });
        }
        if let Some(class) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(SummaryError::NoProbability { class });
        }
        if self.samples() >= u64::from(u32::MAX) {
            return Err(SummaryError::Full);
        }
        let class = predicted(probabilities);
        self.confusion.add(truth, class as u32)?;
        let own = probabilities.get(truth as usize).copied().unwrap_or_default();
        if let Some(count) = self.ranks.get_mut(rank(truth as usize, own, probabilities)) {
            *count += 1;
        }
        let loss = -f64::from(own.max(f32::MIN_POSITIVE)).ln();
        self.loss.add(loss);
        self.squared_loss.add(loss * loss);
        let confidence = probabilities.get(class).copied().unwrap_or_default();
        self.calibration.add(confidence, class == truth as usize);
        self.scores.add(truth, probabilities);
        Ok(())
    }

    /// Adds what another summary has.
    ///
    /// # Errors
    /// [`SummaryError`] if it has other classes, or there are too many samples together; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), SummaryError> {
        if self.samples().saturating_add(other.samples()) > u64::from(u32::MAX) {
            return Err(SummaryError::Full);
        }
        self.confusion.merge(&other.confusion)?;
        self.ranks.iter_mut().zip(&other.ranks).for_each(|(count, more)| *count += more);
        self.loss.merge(other.loss);
        self.squared_loss.merge(other.squared_loss);
        self.calibration.merge(&other.calibration);
        self.scores.merge(&other.scores);
        Ok(())
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.ranks.len()
    }

    /// The samples.
    pub fn samples(&self) -> u64 {
        self.ranks.iter().sum()
    }

    /// The confusion matrix.
    pub fn confusion(&self) -> &Confusion {
        &self.confusion
    }

    /// The mean loss; none if there are no samples.
    pub fn loss(&self) -> Option<f64> {
        let samples = self.samples();
        (samples > 0).then(|| self.loss.value() / samples as f64)
    }

    /// The samples whose class was among the `k` most probable ones.
    pub fn top(&self, k: usize) -> u64 {
        self.ranks.iter().take(k).sum()
    }
}

/// The most probable class, the first of equals.
pub fn predicted(probabilities: &[f32]) -> usize {
    let better = |best: usize, class: usize| {
        if probabilities[class] > probabilities[best] { class } else { best }
    };
    (0..probabilities.len()).fold(0, better)
}

/// How many classes are named before this one, which has the probability `own`.
fn rank(class: usize, own: f32, probabilities: &[f32]) -> usize {
    let before = |(other, p): &(usize, &f32)| **p > own || (**p == own && *other < class);
    probabilities.iter().enumerate().filter(before).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(samples: &[(u32, Vec<f32>)], classes: usize) -> Summary {
        let mut summary = Summary::new(classes);
        samples.iter().for_each(|(truth, probabilities)| summary.add(*truth, probabilities).unwrap());
        summary
    }

    fn samples() -> impl Strategy<Value = (usize, Vec<(u32, Vec<f32>)>)> {
        (2usize..6).prop_flat_map(|classes| {
            let shares = prop::collection::vec(0u8..20, classes).prop_map(|shares| {
                let sum = shares.iter().map(|share| f32::from(*share)).sum::<f32>().max(1.0);
                shares.into_iter().map(|share| f32::from(share) / sum).collect()
            });
            (Just(classes), prop::collection::vec((0..classes as u32, shares), 0..50))
        })
    }

    proptest! {
        #[test]
        fn any_split_and_order_adds_up_to_the_same_bits(
            ((classes, samples), order) in samples().prop_flat_map(|s| (Just(s.clone()), Just(s.1).prop_shuffle())),
            parts in 1usize..7,
        ) {
            let whole = of(&samples, classes);
            let mut summaries: Vec<Summary> =
                order.chunks(order.len().div_ceil(parts).max(1)).map(|part| of(part, classes)).collect();
            summaries.push(Summary::new(classes));
            let mut sum = Summary::new(classes);
            summaries.iter().for_each(|summary| sum.merge(summary).unwrap());
            prop_assert_eq!(&sum, &whole);
            prop_assert_eq!(sum.metrics(), whole.metrics());
            prop_assert_eq!(sum.samples(), samples.len() as u64);
            prop_assert_eq!(sum.top(1), (0..classes).map(|c| sum.confusion().rows()[c][c]).sum::<u64>());
        }
    }

    #[test]
    fn the_first_of_equally_probable_classes_is_named() {
        assert_eq!((predicted(&[0.5, 0.5]), predicted(&[0.2, 0.4, 0.4]), predicted(&[])), (0, 1, 0));
        let summary = of(&[(2, vec![0.2, 0.4, 0.4]), (1, vec![0.2, 0.4, 0.4])], 3);
        assert_eq!([1, 2, 3].map(|k| summary.top(k)), [1, 2, 2]);
    }

    #[test]
    fn a_class_of_probability_0_has_a_large_loss_that_is_no_infinity() {
        let summary = of(&[(1, vec![1.0, 0.0]), (0, vec![1.0, -0.0])], 2);
        assert!((summary.loss().unwrap() - 87.336_544_75 / 2.0).abs() < 1e-6);
        assert_eq!(Summary::new(2).loss(), None);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut summary = of(&[(0, vec![0.75, 0.25])], 2);
        let before = summary.clone();
        for (truth, probabilities) in
            [(0, vec![1.0]), (2, vec![0.5, 0.5]), (0, vec![f32::NAN, 0.5]), (0, vec![0.5, 1.5])]
        {
            assert!(summary.add(truth, &probabilities).is_err(), "{probabilities:?}");
        }
        assert!(summary.merge(&Summary::new(3)).is_err());
        assert_eq!(summary, before);
    }
}

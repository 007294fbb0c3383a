use serde::{Deserialize, Serialize};

/// How the answers of several models become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The mean of their probabilities.
    #[default]
    Average,
    /// The share of them that takes a picture for a class; of equal shares, the class with the higher mean probability. For
    /// that, the mean is a hundredth of the answer at most.
    Vote,
}

impl Combine {
    /// Makes one list of a probability for each class of those of several models.
    pub fn combine(self, answers: &[Vec<f32>]) -> Vec<f32> {
        let classes = answers.first().map_or(0, Vec::len);
        let count = answers.len().max(1) as f32;
        let mut mean = vec![0.0; classes];
        let mut votes = vec![0.0; classes];
        for answer in answers {
            for (sum, probability) in mean.iter_mut().zip(answer) {
                *sum += probability / count;
            }
            if let Some(vote) = most_probable(answer).and_then(|class| votes.get_mut(class)) {
                *vote += 1.0 / count;
            }
        }
        // Parts of one add up to a little more than one, as they are rounded.
        let at_most_one = |share: f32| share.min(1.0);
        match self {
            Self::Average => mean.into_iter().map(at_most_one).collect(),
            Self::Vote => {
                let tie = Self::tie_weight(answers.len());
                let broken = votes.iter().zip(&mean).map(|(vote, mean)| vote * (1.0 - tie) + mean * tie);
                broken.map(at_most_one).collect()
            }
        }
    }

    /// What the mean probability weighs beside the shares: less than what one vote is worth, so that it decides between
    /// equal shares alone.
    pub(super) fn tie_weight(models: usize) -> f32 {
        let count = models.max(1) as f32;
        (0.5 / (count * count)).min(0.01)
    }
}

/// Finds the most probable class; none if there is none.
pub fn most_probable(probabilities: &[f32]) -> Option<usize> {
    probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f32], wanted: &[f32]) -> bool {
        got.len() == wanted.len() && got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-6)
    }

    #[test]
    fn answers_are_averaged() {
        let answers = [vec![0.9, 0.1], vec![0.4, 0.6], vec![0.2, 0.8]];
        assert!(close(&Combine::Average.combine(&answers), &[0.5, 0.5]));
        assert!(close(&Combine::Average.combine(&answers[..1]), &answers[0]));
    }

    #[test]
    fn any_number_of_models_that_are_all_sure_are_sure_together_and_no_more_than_that() {
        for models in 1..=100 {
            let answers = vec![vec![0.0, 1.0]; models];
            for combine in [Combine::Average, Combine::Vote] {
                let together = combine.combine(&answers);
                assert!(close(&together, &[0.0, 1.0]), "{models}: {together:?}");
                assert!(together.iter().all(|share| (0.0..=1.0).contains(share)), "{models}: {together:?}");
            }
        }
    }

    #[test]
    fn votes_are_counted_and_the_mean_decides_between_equal_ones() {
        let answers = [vec![0.9, 0.1], vec![0.4, 0.6], vec![0.2, 0.8]];
        let votes = Combine::Vote.combine(&answers);
        assert_eq!(most_probable(&votes), Some(1));
        assert!(
            (votes.iter().sum::<f32>() - 1.0).abs() < 1e-6 && (votes[1] - 2.0 / 3.0).abs() < 0.01,
            "{votes:?}"
        );
        let tied = [vec![0.9, 0.1], vec![0.4, 0.6]];
        assert_eq!(most_probable(&Combine::Vote.combine(&tied)), Some(0));
        // Ten that are nearly undecided are not outvoted by nine that are sure.
        let many: Vec<Vec<f32>> =
            (0..19).map(|place| if place < 10 { vec![0.49, 0.51] } else { vec![1.0, 0.0] }).collect();
        assert_eq!(most_probable(&Combine::Vote.combine(&many)), Some(1));
    }
}

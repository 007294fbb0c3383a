use super::{Replica, error::LearnError, loss};

/// The logits of a batch, averaged over the views of its samples.
#[derive(Debug, Clone, Default)]
pub struct Average {
    sums: Vec<f32>,
    views: u16,
}

impl Average {
    /// Adds the logits of the first `rows` samples of the replica: another view of the samples that were there before.
    ///
    /// # Errors
    /// As [`Replica::logits`].
    pub fn add(&mut self, replica: &mut Replica, rows: usize) -> Result<(), LearnError> {
        let logits = replica.logits(rows)?;
        if self.views == 0 {
            self.sums = logits;
        } else {
            self.sums.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += logit);
        }
        self.views += 1;
        Ok(())
    }

    /// The averaged logits.
    fn logits(mut self) -> Vec<f32> {
        let views = f32::from(self.views.max(1));
        self.sums.iter_mut().for_each(|sum| *sum /= views);
        self.sums
    }

    /// The probabilities of every class, for each of `rows` samples.
    pub fn probabilities(self, rows: usize) -> Vec<Vec<f32>> {
        let logits = self.logits();
        let outputs = (logits.len() / rows.max(1)).max(1);
        logits.chunks_exact(outputs).map(loss::class_probabilities).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(views: &[&[f32]]) -> Average {
        let sum = |at: usize| views.iter().map(|view| view[at]).sum();
        Average { sums: (0..views[0].len()).map(sum).collect(), views: views.len() as u16 }
    }

    #[test]
    fn logits_are_averaged_before_anything_is_made_of_them() {
        // Two samples of one logit, and two of three logits.
        let binary = of(&[&[3.0, -1.0], &[-1.0, -3.0]]);
        let probabilities = binary.probabilities(2);
        let expected = [1.0, -2.0].map(|logit: f64| 1.0 / (1.0 + (-logit).exp()));
        for (got, expected) in probabilities.iter().zip(expected) {
            assert!((f64::from(got[1]) - expected).abs() < 1e-6, "{got:?}");
        }
        let three = of(&[&[1.0, 2.0, 0.0, 5.0, 0.0, 0.0]]);
        let probabilities = three.probabilities(2);
        assert!(probabilities[0][1] > 0.6 && probabilities[1][0] > 0.9, "{probabilities:?}");
        assert_eq!(Average::default().probabilities(0), Vec::<Vec<f32>>::new());
    }
}

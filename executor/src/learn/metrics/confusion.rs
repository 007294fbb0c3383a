use serde::{Deserialize, Serialize};

/// A confusion matrix: a row per true class, a column per predicted class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u64>>", into = "Vec<Vec<u64>>")]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

/// A count that has no place in a confusion matrix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfusionError {
    /// A class that the matrix doesn't have.
    #[error("class {class} can't be counted in a confusion matrix of {classes} classes")]
    UnknownClass {
        /// The class.
        class: u32,
        /// The classes of the matrix.
        classes: usize,
    },
    /// Two matrices of different classes.
    #[error("a confusion matrix of {theirs} classes can't be added to one of {ours}")]
    Size {
        /// The classes of the one that is added to.
        ours: usize,
        /// The classes of the other.
        theirs: usize,
    },
    /// Rows of different lengths.
    #[error("a confusion matrix of {0} classes needs as many counts in every row")]
    NotSquare(usize),
}

impl Confusion {
    /// Makes the matrix of `classes` classes, with nothing counted.
    pub fn new(classes: usize) -> Self {
        Self { counts: vec![vec![0; classes]; classes] }
    }

    /// Counts a sample.
    ///
    /// # Errors
    /// [`ConfusionError::UnknownClass`] if the matrix doesn't have one of the classes; nothing is counted then.
    pub fn add(&mut self, truth: u32, predicted: u32) -> Result<(), ConfusionError> {
        let classes = self.counts.len();
        let unknown = |class| ConfusionError::UnknownClass { class, classes };
        let row = self.counts.get_mut(truth as usize).ok_or(unknown(truth))?;
        *row.get_mut(predicted as usize).ok_or(unknown(predicted))? += 1;
        Ok(())
    }

    /// Adds what another matrix counted.
    ///
    /// # Errors
    /// [`ConfusionError::Size`] if it has more or fewer classes.
    pub fn merge(&mut self, other: &Self) -> Result<(), ConfusionError> {
        let (ours, theirs) = (self.counts.len(), other.counts.len());
        if ours != theirs {
            return Err(ConfusionError::Size { ours, theirs });
        }
        for (count, more) in self.counts.iter_mut().flatten().zip(other.counts.iter().flatten()) {
            *count += more;
        }
        Ok(())
    }

    /// The rows of the matrix: `rows()[truth][predicted]` samples.
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// The samples counted.
    pub fn samples(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }
}

impl TryFrom<Vec<Vec<u64>>> for Confusion {
    type Error = ConfusionError;

    fn try_from(counts: Vec<Vec<u64>>) -> Result<Self, ConfusionError> {
        match counts.iter().all(|row| row.len() == counts.len()) {
            true => Ok(Self { counts }),
            false => Err(ConfusionError::NotSquare(counts.len())),
        }
    }
}

impl From<Confusion> for Vec<Vec<u64>> {
    fn from(confusion: Confusion) -> Self {
        confusion.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Confusion {
        let mut matrix = Confusion::new(3);
        for (truth, predicted, times) in [(0, 0, 8), (0, 1, 2), (1, 1, 1), (1, 0, 1)] {
            (0..times).for_each(|_| matrix.add(truth, predicted).unwrap());
        }
        matrix
    }

    #[test]
    fn merging_counts_every_sample_once() {
        let (mut all, one) = (Confusion::new(3), matrix());
        all.merge(&one).unwrap();
        all.merge(&one).unwrap();
        assert_eq!((all.samples(), all.rows()[0][0]), (24, 16));
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Confusion>(&json).unwrap(), all);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut matrix = matrix();
        assert_eq!(matrix.add(0, 3), Err(ConfusionError::UnknownClass { class: 3, classes: 3 }));
        assert_eq!(matrix.merge(&Confusion::new(2)), Err(ConfusionError::Size { ours: 3, theirs: 2 }));
        assert!(serde_json::from_str::<Confusion>("[[1,2],[3]]").is_err());
    }
}

use howdah_proto::settings::TrainSettings;

use super::cut::Layout;
use crate::dataset::{Dataset, PictureFile, folds, shuffled, split_validation};

/// The pictures of a job in the order in which they are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) files: Vec<PictureFile>,
    pub(super) layout: Layout,
}

/// How many pictures of each class there are of each use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) train: Vec<u64>,
    pub(super) validation: Vec<u64>,
    pub(super) test: Vec<u64>,
}

impl Listing {
    /// Orders the pictures of a data set. They are shuffled before they are cut, so that no partition is one class.
    pub(super) fn new(dataset: &Dataset, settings: &TrainSettings) -> Self {
        let seed = settings.selection_seed();
        let Some(fold) = settings.selection.fold else {
            let (train, validation) = match &settings.validation {
                Some(validation) => split_validation(dataset.train.clone(), validation.fraction),
                None => (dataset.train.clone(), Vec::new()),
            };
            let mut files = shuffled(train, seed);
            let (train, test) = (files.len(), dataset.test.len());
            let layout = Layout::Split { train, validation: validation.len(), test };
            files.extend(validation);
            files.extend(dataset.test.iter().cloned());
            return Self { files, layout };
        };
        let folds: Vec<Vec<PictureFile>> = folds(dataset.train.clone(), fold.of)
            .into_iter()
            .map(|pictures| shuffled(pictures, seed))
            .collect();
        let sizes = folds.iter().map(Vec::len).collect();
        let layout = Layout::Folds { sizes, held_out: fold.number.saturating_sub(1) as usize };
        Self { files: folds.concat(), layout }
    }

    /// Counts the pictures of each use, of each of `classes` classes.
    pub(super) fn counts(&self, classes: usize) -> Counts {
        let (validation, test) = match &self.layout {
            Layout::Split { train, validation, .. } => {
                (*train..train + validation, train + validation..self.files.len())
            }
            Layout::Folds { .. } => (0..0, self.layout.held_out_fold()),
        };
        let none = || vec![0; classes];
        let mut all = Counts { train: none(), validation: none(), test: none() };
        for (place, file) in self.files.iter().enumerate() {
            let counts = if test.contains(&place) {
                &mut all.test
            } else if validation.contains(&place) {
                &mut all.validation
            } else {
                &mut all.train
            };
            if let Some(count) = counts.get_mut(file.label as usize) {
                *count += 1;
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::settings::{Fold, Selection};

    use super::*;
    use crate::train::fixture::{dataset, settings};

    fn listing(fold: Option<Fold>, seed: Option<u64>, job_seed: u64) -> Listing {
        let selection = Selection { fold, seed };
        Listing::new(&dataset(40, 8), &TrainSettings { selection, seed: job_seed, ..settings(1) })
    }

    #[test]
    fn all_folds_have_the_same_pictures_in_the_same_order() {
        let fold = |number| listing(Some(Fold { number, of: 4 }), None, 1);
        assert_eq!(fold(1).files, fold(4).files);
        assert_eq!(fold(1).files.len(), 40);
        for number in 1..=4 {
            let counts = Counts { train: vec![15, 15], validation: vec![0, 0], test: vec![5, 5] };
            assert_eq!(fold(number).counts(2), counts);
        }
    }

    #[test]
    fn jobs_of_other_seeds_have_the_same_order_if_the_selection_has_a_seed() {
        assert_ne!(listing(None, None, 1), listing(None, None, 2));
        assert_eq!(listing(None, Some(7), 1), listing(None, Some(7), 2));
        assert_eq!(listing(None, None, 7), listing(None, Some(7), 2));
        let counts = Counts { train: vec![20, 20], validation: vec![0, 0], test: vec![4, 4] };
        assert_eq!(listing(None, None, 1).counts(2), counts);
    }
}

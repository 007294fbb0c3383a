use howdah_executor::learn::Combine;
use howdah_proto::settings::{Fold, MAX_FOLDS};
use serde::{Deserialize, Serialize};

use super::{Asha, Every, Flags, Hyperband, Space, Strategy, TrialId};

/// The most trials of a study.
pub const MAX_TRIALS: u32 = 100_000;

/// The most models of an ensemble.
pub const MAX_MEMBERS: u32 = 100;

/// Several trainings that share a cluster and what is prepared of their pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "study", rename_all = "snake_case", deny_unknown_fields)]
pub enum Study {
    /// A search for good settings, which are judged by training pictures that are held out, never by the test set.
    Search {
        /// How trials are chosen.
        algorithm: Algorithm,
        /// How many sets of settings are tried.
        trials: u32,
        /// How far the best are trained.
        max_epochs: u32,
        /// Of how many trials one goes on, that many times as far.
        reduction: u32,
        /// What is sought.
        objective: Objective,
        /// The part of the training pictures that is held out: one of so many.
        folds: u32,
        /// Decides what is drawn.
        seed: u64,
        /// What it is drawn from.
        space: Space,
        /// Whether the best are trained once more in the end, on all training pictures.
        #[serde(default)]
        refit: bool,
    },
    /// As many trainings as there are folds, each of which is held out once.
    CrossValidation {
        /// How many folds.
        folds: u32,
        /// The epochs of each training.
        epochs: u32,
    },
    /// Trainings that differ in their seeds alone, for models that answer together.
    Ensemble {
        /// How many.
        members: u32,
        /// The epochs of each training.
        epochs: u32,
        /// The seed of the first; the others follow it.
        seed: u64,
        /// Decides the order of the pictures, for all of them.
        data_seed: u64,
        /// How their answers become one.
        #[serde(default)]
        combine: Combine,
    },
}

/// How a search chooses its trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// At random, and all are trained to the end.
    Random,
    /// Asynchronous successive halving.
    Asha,
    /// Brackets of successive halving.
    Hyperband,
}

/// What a search seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The highest accuracy.
    Accuracy,
    /// The lowest loss.
    Loss,
}

impl Study {
    /// Checks that its numbers make sense; says which doesn't.
    ///
    /// # Errors
    /// The flag, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let within = |good: bool, flag, reason| if good { Ok(()) } else { Err((flag, reason)) };
        let folds_are_right = |folds: &u32| (2..=MAX_FOLDS).contains(folds);
        match self {
            Self::Search { trials, max_epochs, reduction, folds, .. } => {
                within((1..=MAX_TRIALS).contains(trials), "--trials", "from 1 to 100000")?;
                within(*max_epochs >= 1, "--max-epochs", "at least 1 is needed")?;
                within((2..=100).contains(reduction), "--reduction", "from 2 to 100")?;
                within(folds_are_right(folds), "--hold-out", "one of 2 to one of 100 parts")
            }
            Self::CrossValidation { folds, .. } => {
                within(folds_are_right(folds), "--folds", "from 2 to 100 folds")
            }
            Self::Ensemble { members, .. } => {
                within((1..=MAX_MEMBERS).contains(members), "--members", "from 1 to 100 models")
            }
        }
    }

    /// How its trials are chosen.
    pub fn strategy(&self) -> Box<dyn Strategy> {
        match *self {
            Self::Search { algorithm: Algorithm::Random, trials, max_epochs, .. } => {
                Box::new(Every::new(trials, max_epochs))
            }
            Self::Search { algorithm: Algorithm::Asha, trials, max_epochs, reduction, .. } => {
                Box::new(Asha::new(trials, max_epochs, reduction))
            }
            Self::Search { algorithm: Algorithm::Hyperband, trials, max_epochs, reduction, .. } => {
                Box::new(Hyperband::new(trials, max_epochs, reduction))
            }
            Self::CrossValidation { folds: trainings, epochs }
            | Self::Ensemble { members: trainings, epochs, .. } => Box::new(Every::new(trainings, epochs)),
        }
    }

    /// What is sought.
    pub fn objective(&self) -> Objective {
        match self {
            Self::Search { objective, .. } => *objective,
            Self::CrossValidation { .. } | Self::Ensemble { .. } => Objective::Accuracy,
        }
    }

    /// How the answers of its models become one, if they answer together.
    pub fn combine(&self) -> Combine {
        match self {
            Self::Ensemble { combine, .. } => *combine,
            Self::Search { .. } | Self::CrossValidation { .. } => Combine::Average,
        }
    }

    /// Whether the best settings are trained once more in the end.
    pub fn refits(&self) -> bool {
        matches!(self, Self::Search { refit: true, .. })
    }

    /// The flags in which a trial differs from the others.
    pub fn drawn(&self, trial: TrialId) -> Flags {
        let one = |name: &str, value: String| Flags::from([(name.to_owned(), value)]);
        match self {
            Self::Search { seed, space, .. } => space.draw(*seed, trial),
            Self::CrossValidation { folds, .. } => {
                one("fold", Fold { number: trial.0 + 1, of: *folds }.to_string())
            }
            Self::Ensemble { seed, .. } => one("seed", seed.wrapping_add(u64::from(trial.0)).to_string()),
        }
    }

    /// The flags that the study gives all its trials, so that they share what is prepared and are judged alike.
    pub fn shared(&self) -> Flags {
        match self {
            Self::Search { folds, max_epochs, .. } => Flags::from([
                ("fold".to_owned(), Fold { number: 1, of: *folds }.to_string()),
                // A trial that is promoted goes on as if it had been meant to be trained to the end.
                ("schedule-epochs".to_owned(), max_epochs.to_string()),
            ]),
            Self::CrossValidation { .. } => Flags::new(),
            Self::Ensemble { data_seed, .. } => {
                Flags::from([("data-seed".to_owned(), data_seed.to_string())])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_an_ensemble_answers_is_kept_and_those_that_do_not_say_it_average() {
        let ensemble =
            Study::Ensemble { members: 3, epochs: 2, seed: 1, data_seed: 1, combine: Combine::Vote };
        let text = serde_json::to_string(&ensemble).unwrap();
        assert_eq!(serde_json::from_str::<Study>(&text).unwrap().combine(), Combine::Vote);
        let older = r#"{"study":"ensemble","members":3,"epochs":2,"seed":1,"data_seed":1}"#;
        assert_eq!(serde_json::from_str::<Study>(older).unwrap().combine(), Combine::Average);
    }

    #[test]
    fn a_search_of_an_older_journal_does_not_refit() {
        let search = Study::Search {
            algorithm: Algorithm::Asha,
            trials: 4,
            max_epochs: 2,
            reduction: 2,
            objective: Objective::Loss,
            folds: 5,
            seed: 1,
            space: Space::standard(),
            refit: true,
        };
        let mut written = serde_json::to_value(&search).unwrap();
        let read = |value: &serde_json::Value| serde_json::from_value::<Study>(value.clone()).unwrap();
        assert!(read(&written) == search && search.refits());
        written.as_object_mut().unwrap().remove("refit");
        assert!(!read(&written).refits());
    }
}

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Assignment, Entry, Next, Objective, Score, Strategy, Study, TrialId};

/// What became of an assignment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was trained, and the pictures that were held out gave this.
    Trained(Measured),
    /// It could not be trained.
    Failed {
        /// Why.
        error: String,
    },
}

/// What the pictures that were held out gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The share that was classified rightly; none if nothing was held out.
    pub accuracy: Option<f64>,
    /// The mean loss; none if nothing was held out, or it was no number.
    pub loss: Option<f64>,
    /// Wall seconds of the training job.
    pub seconds: f64,
}

/// An assignment that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What was to be done.
    pub assignment: Assignment,
    /// What became of it.
    pub outcome: Outcome,
}

impl Judged {
    /// How good it is.
    pub fn score(&self, objective: Objective) -> Score {
        let Outcome::Trained(measured) = &self.outcome else { return Score::FAILED };
        let value = match objective {
            Objective::Accuracy => measured.accuracy,
            Objective::Loss => measured.loss.map(|loss| -loss),
        };
        value.map_or(Score::FAILED, Score::new)
    }
}

/// A journal that is not that of the study as this program would lead it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Another assignment was started than this program would have.
    #[error("line {line}: trial {got} was started where this version of the program would start another")]
    Assignment {
        /// The line.
        line: usize,
        /// The trial that was started.
        got: TrialId,
    },
    /// A trial has ended that was not running.
    #[error("line {line}: trial {trial} has ended, and was not running")]
    NotRunning {
        /// The line.
        line: usize,
        /// The trial.
        trial: TrialId,
    },
    /// There are two studies in it.
    #[error("line {0}: another study begins")]
    Study(usize),
}

/// A study that is under way.
#[derive(Debug)]
pub struct Trials {
    study: Study,
    strategy: Box<dyn Strategy>,
    running: BTreeMap<TrialId, Assignment>,
    judged: Vec<Judged>,
    done: bool,
}

impl Trials {
    /// Begins a study.
    pub fn new(study: Study) -> Self {
        let strategy = study.strategy();
        Self { study, strategy, running: BTreeMap::new(), judged: Vec::new(), done: false }
    }

    /// Brings a study to where it was, from what is in its journal after the line that names it.
    ///
    /// # Errors
    /// [`ReplayError`], naming the line.
    pub fn replay(study: Study, entries: &[Entry]) -> Result<Self, ReplayError> {
        let mut this = Self::new(study);
        for (entry, line) in entries.iter().zip(2..) {
            match entry {
                Entry::Study { .. } => return Err(ReplayError::Study(line)),
                Entry::Started { assignment, .. } => {
                    if this.next_trial() != Some(*assignment) {
                        return Err(ReplayError::Assignment { line, got: assignment.trial });
                    }
                }
                Entry::Ended { trial, outcome } => {
                    this.on_ended(*trial, outcome.clone())
                        .ok_or(ReplayError::NotRunning { line, trial: *trial })?;
                }
            }
        }
        Ok(this)
    }

    /// What to train next, if there is anything before another trial has ended.
    pub fn next_trial(&mut self) -> Option<Assignment> {
        match self.strategy.next() {
            Next::Run(assignment) => {
                self.running.insert(assignment.trial, assignment);
                Some(assignment)
            }
            Next::Wait => None,
            Next::Done => {
                self.done = true;
                None
            }
        }
    }

    /// A trial that ran has ended; none if it did not run.
    pub fn on_ended(&mut self, trial: TrialId, outcome: Outcome) -> Option<&Judged> {
        let assignment = self.running.remove(&trial)?;
        let judged = Judged { assignment, outcome };
        self.strategy.on_score(trial, judged.score(self.study.objective()));
        self.judged.push(judged);
        self.judged.last()
    }

    /// Whether all has been done.
    pub fn is_over(&self) -> bool {
        self.done && self.running.is_empty()
    }

    /// The study.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// What runs.
    pub fn running(&self) -> impl Iterator<Item = Assignment> {
        self.running.values().copied()
    }

    /// What has ended, in the order in which it did.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// Whether this would be the best of what has ended.
    pub fn would_be_best(&self, next: &Judged) -> bool {
        let objective = self.study.objective();
        let is_good = !next.score(objective).is_failed();
        is_good && self.best().is_none_or(|best| is_better(next, best, objective))
    }

    /// The best that has ended; of equal ones the one that was trained furthest, then the first.
    pub fn best(&self) -> Option<&Judged> {
        let objective = self.study.objective();
        let good = self.judged.iter().filter(|judged| !judged.score(objective).is_failed());
        good.reduce(|best, next| if is_better(next, best, objective) { next } else { best })
    }

    /// Why nothing can come of it: the error of the last trial, if the first `enough` have all failed.
    pub fn hopeless(&self, enough: usize) -> Option<&str> {
        let errors = self.judged.iter().map(|judged| match &judged.outcome {
            Outcome::Failed { error } => Some(error.as_str()),
            Outcome::Trained(_) => None,
        });
        let errors: Option<Vec<&str>> = errors.collect();
        errors.filter(|errors| errors.len() >= enough.max(1))?.last().copied()
    }
}

fn is_better(next: &Judged, best: &Judged, objective: Objective) -> bool {
    let order = next.score(objective).compare(best.score(objective));
    order.then(next.assignment.epochs.cmp(&best.assignment.epochs)).is_gt()
}

#[cfg(test)]
mod tests {
    use howdah_executor::random::Random;

    use super::*;
    use crate::search::{Algorithm, Flags, Space};

    fn study(algorithm: Algorithm) -> Study {
        Study::Search {
            algorithm,
            trials: 20,
            max_epochs: 9,
            reduction: 3,
            objective: Objective::Accuracy,
            folds: 5,
            seed: 1,
            space: Space::standard(),
            refit: false,
        }
    }

    fn trained(accuracy: f64) -> Outcome {
        Outcome::Trained(Measured { accuracy: Some(accuracy), loss: Some(1.0 - accuracy), seconds: 1.0 })
    }

    /// Leads a study with `workers` to its end, from where it is; gives what a journal would have of it.
    fn lead(trials: &mut Trials, workers: usize, random: &mut Random, most: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        while entries.len() < most {
            if trials.running().count() < workers
                && let Some(assignment) = trials.next_trial()
            {
                entries.push(Entry::Started { assignment, flags: Flags::new() });
                continue;
            }
            let running: Vec<Assignment> = trials.running().collect();
            if running.is_empty() {
                break;
            }
            let trial = running[random.below(running.len() as u64) as usize].trial;
            let outcome = trained(f64::from(trial.0) / 100.0);
            trials.on_ended(trial, outcome.clone()).unwrap();
            entries.push(Entry::Ended { trial, outcome });
        }
        entries
    }

    #[test]
    fn a_study_that_is_stopped_anywhere_and_played_back_is_where_it_was() {
        for algorithm in [Algorithm::Random, Algorithm::Asha, Algorithm::Hyperband] {
            let study = study(algorithm);
            let whole = lead(&mut Trials::new(study.clone()), 3, &mut Random::new(&[7]), usize::MAX);
            for stop in 0..=whole.len() {
                let mut again = Trials::replay(study.clone(), &whole[..stop]).unwrap();
                let mut there = Trials::new(study.clone());
                let mut random = Random::new(&[7]);
                lead(&mut there, 3, &mut random, stop);
                assert_eq!(again.judged(), there.judged());
                assert!(again.running().eq(there.running()), "{algorithm:?} {stop}");
                let rest = lead(&mut again, 3, &mut random, usize::MAX);
                assert_eq!(rest, whole[stop..], "{algorithm:?} {stop}");
                assert!(again.is_over());
            }
        }
    }

    #[test]
    fn a_journal_of_something_else_is_refused_by_its_line() {
        let study = study(Algorithm::Asha);
        let whole = lead(&mut Trials::new(study.clone()), 2, &mut Random::new(&[7]), 8);
        let replay = |entries: &[Entry]| Trials::replay(study.clone(), entries).unwrap_err().to_string();
        assert!(replay(&whole[1..]).starts_with("line 2: trial 1 was started"));
        let ended = Entry::Ended { trial: TrialId(9), outcome: trained(0.5) };
        assert_eq!(replay(&[ended]), "line 2: trial 9 has ended, and was not running");
    }

    #[test]
    fn the_best_is_found_by_the_objective_and_failures_do_not_count() {
        let mut trials = Trials::new(study(Algorithm::Random));
        for outcome in [
            trained(0.4),
            Outcome::Failed { error: "x".to_owned() },
            trained(0.9),
            trained(f64::NAN),
            trained(0.9),
        ] {
            let trial = trials.next_trial().unwrap().trial;
            trials.on_ended(trial, outcome);
        }
        assert_eq!(trials.best().unwrap().assignment.trial, TrialId(2));
        assert_eq!(trials.hopeless(1), None);
    }

    #[test]
    fn a_study_of_which_everything_fails_is_hopeless() {
        let mut trials = Trials::new(study(Algorithm::Random));
        for error in ["one", "two"] {
            let trial = trials.next_trial().unwrap().trial;
            trials.on_ended(trial, Outcome::Failed { error: error.to_owned() });
        }
        assert_eq!((trials.hopeless(3), trials.hopeless(2)), (None, Some("two")));
        assert_eq!(trials.best(), None);
    }
}

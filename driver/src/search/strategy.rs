use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

/// A trial: one set of settings that is tried, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub u32);

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Train a trial up to so many epochs, in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The trial.
    pub trial: TrialId,
    /// How often it was promoted before.
    pub rung: u32,
    /// The epoch after which it is judged.
    pub epochs: u32,
}

/// What is to be done when there is room for one more trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Train this.
    Run(Assignment),
    /// Nothing, before a trial that runs is judged.
    Wait,
    /// Nothing: all that runs is the last.
    Done,
}

/// How good a trial is; larger is better. One that failed is worse than any other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score(Option<f64>);

impl Score {
    /// Of a trial that failed.
    pub const FAILED: Self = Self(None);

    /// Makes a score; one that is no number counts as failed.
    pub fn new(value: f64) -> Self {
        Self(value.is_finite().then_some(value))
    }

    /// Whether the trial failed.
    pub fn is_failed(self) -> bool {
        self.0.is_none()
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        let value = |score: Self| score.0.unwrap_or(f64::NEG_INFINITY);
        value(self).total_cmp(&value(other))
    }
}

/// Decides which trials are trained how far.
///
/// It is pure: the same calls in the same order give the same assignments, which is how a search that was killed is
/// played back from its journal.
pub trait Strategy: fmt::Debug + Send {
    /// Says what to do when there is room for one more trial.
    fn next(&mut self) -> Next;

    /// Takes the score of a trial that was assigned and has not been judged yet.
    fn on_score(&mut self, trial: TrialId, score: Score);
}

/// The best `count` of the trials that did not fail; of equal ones, those that came first in the search.
pub(super) fn best(judged: &[(TrialId, Score)], count: usize) -> Vec<TrialId> {
    let mut order: Vec<(TrialId, Score)> =
        judged.iter().filter(|(_, score)| !score.is_failed()).copied().collect();
    order.sort_by(|(a, x), (b, y)| y.compare(*x).then(a.cmp(b)));
    order.into_iter().take(count).map(|(trial, _)| trial).collect()
}

/// The epochs after which trials are judged: `max_epochs` divided by the powers of `reduction`, the smallest first.
///
/// At least 1 epoch, so there are ⌊log_η R⌋ + 1 of them (Li et al. 2018, "Hyperband", algorithm 1).
pub(super) fn rungs(max_epochs: u32, reduction: u32) -> Vec<u32> {
    let (most, by) = (u64::from(max_epochs.max(1)), u64::from(reduction.max(2)));
    let powers = std::iter::successors(Some(1u64), |power| power.checked_mul(by));
    let mut epochs: Vec<u32> = powers
        .take_while(|power| *power <= most)
        // Rounded to the nearest.
        .map(|power| ((2 * most + power) / (2 * power)) as u32)
        .collect();
    epochs.reverse();
    epochs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_end_with_the_most_epochs_and_begin_with_one_at_least() {
        assert_eq!(rungs(27, 3), [1, 3, 9, 27]);
        assert_eq!(rungs(10, 3), [1, 3, 10]);
        assert_eq!(rungs(5, 3), [2, 5]);
        assert_eq!(rungs(1, 3), [1]);
        assert_eq!(rungs(u32::MAX, 2).len(), 32);
    }

    #[test]
    fn the_best_are_found_and_what_failed_never_is() {
        let judged = [0.5, f64::NAN, 0.7, 0.7, 0.1].map(Score::new);
        let judged: Vec<_> = (0..).map(TrialId).zip(judged).collect();
        assert_eq!(best(&judged, 3), [TrialId(2), TrialId(3), TrialId(0)]);
        assert_eq!(best(&judged, 9).len(), 4);
    }
}

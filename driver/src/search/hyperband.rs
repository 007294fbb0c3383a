use std::collections::BTreeMap;

use super::strategy::{Assignment, Next, Score, Strategy, TrialId, best, rungs};

/// Hyperband: brackets of successive halving, from many trials that are judged early to few that are trained to the
/// end at once (Li et al. 2018, "Hyperband: a novel bandit-based approach", algorithm 1).
///
/// The brackets come again and again until so many trials have been drawn; the last one may be cut short. While the
/// trials of one bracket are waited for, those of the next are trained: brackets know nothing of each other.
#[derive(Debug)]
pub struct Hyperband {
    reduction: usize,
    trials: u32,
    drawn: u32,
    epochs: Vec<u32>,
    /// How many times the reduction is applied in the next bracket.
    halvings: usize,
    open: Vec<Bracket>,
    /// The first trial of the bracket that each running trial is in.
    running: BTreeMap<TrialId, TrialId>,
}

#[derive(Debug)]
struct Bracket {
    first: TrialId,
    /// How many trials it began with.
    size: usize,
    /// The rungs that this bracket doesn't have.
    skipped: usize,
    rung: usize,
    waiting: Vec<TrialId>,
    running: usize,
    judged: Vec<(TrialId, Score)>,
}

impl Hyperband {
    /// Makes a search over so many trials, the best of which are trained for `max_epochs`.
    pub fn new(trials: u32, max_epochs: u32, reduction: u32) -> Self {
        let epochs = rungs(max_epochs, reduction);
        let halvings = epochs.len().saturating_sub(1);
        let reduction = reduction.max(2) as usize;
        Self { reduction, trials, drawn: 0, epochs, halvings, open: Vec::new(), running: BTreeMap::new() }
    }

    /// Opens the next bracket, if there are trials left for it.
    fn open_next(&mut self) -> bool {
        let left = self.trials.saturating_sub(self.drawn) as usize;
        let most = self.epochs.len().saturating_sub(1);
        let power = self.reduction.saturating_pow(self.halvings as u32);
        let size = ((most + 1).saturating_mul(power)).div_ceil(self.halvings + 1).min(left);
        if size == 0 {
            return false;
        }
        let first = TrialId(self.drawn);
        self.drawn += size as u32;
        self.open.push(Bracket {
            first,
            size,
            skipped: most - self.halvings,
            rung: 0,
            waiting: (first.0..self.drawn).rev().map(TrialId).collect(),
            running: 0,
            judged: Vec::new(),
        });
        self.halvings = if self.halvings == 0 { most } else { self.halvings - 1 };
        true
    }

    fn start(&mut self) -> Option<Assignment> {
        let bracket = self.open.iter_mut().find(|bracket| !bracket.waiting.is_empty())?;
        let trial = bracket.waiting.pop()?;
        bracket.running += 1;
        let epochs = self.epochs.get(bracket.skipped + bracket.rung).copied().unwrap_or(1);
        self.running.insert(trial, bracket.first);
        Some(Assignment { trial, rung: bracket.rung as u32, epochs })
    }
}

impl Strategy for Hyperband {
    fn next(&mut self) -> Next {
        loop {
            if let Some(assignment) = self.start() {
                return Next::Run(assignment);
            }
            if !self.open_next() {
                return if self.running.is_empty() { Next::Done } else { Next::Wait };
            }
        }
    }

    fn on_score(&mut self, trial: TrialId, score: Score) {
        let Some(first) = self.running.remove(&trial) else { return };
        let (reduction, last) = (self.reduction, self.epochs.len().saturating_sub(1));
        let Some(bracket) = self.open.iter_mut().find(|bracket| bracket.first == first) else { return };
        bracket.running -= 1;
        bracket.judged.push((trial, score));
        if bracket.running > 0 || !bracket.waiting.is_empty() {
            return;
        }
        // ⌊n η^-i / η⌋ of those that are judged, where n is what the bracket began with.
        let divisor = reduction.saturating_pow(bracket.rung as u32 + 1);
        bracket.waiting = best(&bracket.judged, bracket.size / divisor);
        bracket.waiting.reverse();
        bracket.judged.clear();
        bracket.rung += 1;
        if bracket.skipped + bracket.rung > last || bracket.waiting.is_empty() {
            self.open.retain(|bracket| bracket.first != first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a search with a worker that judges a trial by its number; gives how many were trained how far, bracket by
    /// bracket in the order in which they were begun.
    fn trained(trials: u32, max_epochs: u32, reduction: u32) -> Vec<(u32, u32)> {
        let mut hyperband = Hyperband::new(trials, max_epochs, reduction);
        let mut counts: Vec<(u32, u32)> = Vec::new();
        while let Next::Run(assignment) = hyperband.next() {
            match counts.last_mut() {
                Some((epochs, count)) if *epochs == assignment.epochs => *count += 1,
                _ => counts.push((assignment.epochs, 1)),
            }
            hyperband.on_score(assignment.trial, Score::new(f64::from(assignment.trial.0)));
        }
        counts
    }

    #[test]
    fn the_brackets_are_those_of_the_paper() {
        // Table 1 of Li et al. 2018, for R = 81 and η = 3: n_i and r_i of each bracket.
        let paper = [
            (1, 81),
            (3, 27),
            (9, 9),
            (27, 3),
            (81, 1), //
            (3, 34),
            (9, 11),
            (27, 3),
            (81, 1), //
            (9, 15),
            (27, 5),
            (81, 1), //
            // The last two both end with R.
            (27, 8),
            (81, 2 + 5),
        ];
        assert_eq!(trained(81 + 34 + 15 + 8 + 5, 81, 3), paper);
    }

    #[test]
    fn brackets_come_again_and_the_last_is_cut_short() {
        // A bracket of 3 that is halved once, and one of 2 that isn't; then one of the 2 that are left.
        assert_eq!(trained(7, 3, 3), [(1, 3), (3, 1 + 2), (1, 2)]);
    }

    #[test]
    fn a_bracket_goes_on_with_its_best_when_all_are_judged_and_the_next_one_fills_the_gap() {
        let mut hyperband = Hyperband::new(5, 3, 3);
        let run = |hyperband: &mut Hyperband| match hyperband.next() {
            Next::Run(assignment) => (assignment.trial.0, assignment.epochs),
            other => panic!("{other:?}"),
        };
        let begun = [(); 4].map(|()| run(&mut hyperband));
        assert_eq!(begun, [(0, 1), (1, 1), (2, 1), (3, 3)]);
        for (trial, score) in [(1, 0.9), (0, 0.1)] {
            hyperband.on_score(TrialId(trial), Score::new(score));
        }
        assert_eq!(run(&mut hyperband), (4, 3));
        assert_eq!(hyperband.next(), Next::Wait);
        hyperband.on_score(TrialId(2), Score::FAILED);
        assert_eq!(run(&mut hyperband), (1, 3));
        for trial in [1, 3, 4] {
            hyperband.on_score(TrialId(trial), Score::new(0.5));
        }
        assert_eq!(hyperband.next(), Next::Done);
    }
}

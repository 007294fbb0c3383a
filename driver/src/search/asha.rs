use std::collections::{BTreeMap, BTreeSet};

use super::strategy::{Assignment, Next, Score, Strategy, TrialId, best, rungs};

/// Asynchronous successive halving: whenever there is room, the best trial of the highest rung that belongs to the best
/// 1/η of its rung and was not promoted yet is trained η times as far, and a new one is begun if there is none
/// (Li et al. 2020, "A system for massively parallel hyperparameter tuning", algorithm 2).
#[derive(Debug)]
pub struct Asha {
    reduction: u32,
    trials: u32,
    drawn: u32,
    rungs: Vec<Rung>,
    /// The rung that each running trial is on.
    running: BTreeMap<TrialId, usize>,
}

#[derive(Debug)]
struct Rung {
    epochs: u32,
    judged: Vec<(TrialId, Score)>,
    promoted: BTreeSet<TrialId>,
}

impl Asha {
    /// Makes a search over so many trials, the best of which are trained for `max_epochs`.
    pub fn new(trials: u32, max_epochs: u32, reduction: u32) -> Self {
        let rung = |epochs| Rung { epochs, judged: Vec::new(), promoted: BTreeSet::new() };
        let rungs = rungs(max_epochs, reduction).into_iter().map(rung).collect();
        Self { reduction: reduction.max(2), trials, drawn: 0, rungs, running: BTreeMap::new() }
    }

    fn run(&mut self, trial: TrialId, rung: usize) -> Next {
        self.running.insert(trial, rung);
        let epochs = self.rungs.get(rung).map_or(1, |rung| rung.epochs);
        Next::Run(Assignment { trial, rung: rung as u32, epochs })
    }

    /// The trial to promote, and the rung that it leaves.
    fn promotable(&self) -> Option<(TrialId, usize)> {
        let below_the_top = self.rungs.len().saturating_sub(1);
        self.rungs.iter().enumerate().take(below_the_top).rev().find_map(|(place, rung)| {
            let count = rung.judged.len() / self.reduction as usize;
            let candidates = best(&rung.judged, count);
            Some((candidates.into_iter().find(|trial| !rung.promoted.contains(trial))?, place))
        })
    }
}

impl Strategy for Asha {
    fn next(&mut self) -> Next {
        if let Some((trial, rung)) = self.promotable() {
            if let Some(rung) = self.rungs.get_mut(rung) {
                rung.promoted.insert(trial);
            }
            return self.run(trial, rung + 1);
        }
        if self.drawn < self.trials {
            let trial = TrialId(self.drawn);
            self.drawn += 1;
            return self.run(trial, 0);
        }
        if self.running.is_empty() { Next::Done } else { Next::Wait }
    }

    fn on_score(&mut self, trial: TrialId, score: Score) {
        let rung = self.running.remove(&trial).and_then(|rung| self.rungs.get_mut(rung));
        if let Some(rung) = rung {
            rung.judged.push((trial, score));
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_executor::random::Random;

    use super::*;

    /// What algorithm 2 says, written down from the paper with nothing kept between two calls but the results.
    fn oracle(
        results: &[(TrialId, usize, f64)],
        started: &[(TrialId, usize)],
        tops: usize,
        trials: u32,
        reduction: usize,
    ) -> Option<(TrialId, usize)> {
        for rung in (0..tops).rev() {
            let mut here: Vec<_> = results.iter().filter(|(_, at, _)| *at == rung).collect();
            here.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
            for (trial, ..) in here.iter().take(here.len() / reduction) {
                if !started.contains(&(*trial, rung + 1)) {
                    return Some((*trial, rung + 1));
                }
            }
        }
        let drawn = started.iter().filter(|(_, rung)| *rung == 0).count() as u32;
        (drawn < trials).then_some((TrialId(drawn), 0))
    }

    #[test]
    fn it_decides_as_the_paper_s_algorithm_does_in_any_order_of_results() {
        for seed in 0..200 {
            let mut random = Random::new(&[seed]);
            let (trials, max_epochs) = (1 + random.below(40) as u32, 1 + random.below(81) as u32);
            let reduction = 2 + random.below(3) as u32;
            let workers = 1 + random.below(6) as usize;
            let mut asha = Asha::new(trials, max_epochs, reduction);
            let epochs = rungs(max_epochs, reduction);
            let (mut results, mut started) = (Vec::new(), Vec::new());
            let mut running: Vec<(TrialId, usize)> = Vec::new();
            loop {
                while running.len() < workers {
                    let expected = oracle(&results, &started, epochs.len() - 1, trials, reduction as usize);
                    match (asha.next(), expected) {
                        (Next::Run(got), Some((trial, rung))) => {
                            assert_eq!((got.trial, got.rung), (trial, rung as u32), "seed {seed}");
                            assert_eq!(got.epochs, epochs[rung]);
                            started.push((trial, rung));
                            running.push((trial, rung));
                        }
                        (Next::Wait, None) => break,
                        (Next::Done, None) if running.is_empty() => break,
                        other => panic!("seed {seed}: {other:?}"),
                    }
                }
                if running.is_empty() {
                    break;
                }
                let (trial, rung) = running.swap_remove(random.below(running.len() as u64) as usize);
                // Few different scores, so that there are ties.
                let score = random.below(12) as f64;
                results.push((trial, rung, score));
                asha.on_score(trial, Score::new(score));
            }
            assert_eq!(started.iter().filter(|(_, rung)| *rung == 0).count() as u32, trials);
        }
    }

    #[test]
    fn one_worker_gives_a_third_of_the_trials_three_times_the_epochs() {
        let mut asha = Asha::new(27, 9, 3);
        let mut count = [0; 3];
        while let Next::Run(assignment) = asha.next() {
            count[assignment.rung as usize] += 1;
            asha.on_score(assignment.trial, Score::new(f64::from(assignment.trial.0)));
        }
        assert_eq!(count[0], 27);
        assert!((9..=27).contains(&count[1]) && count[2] >= 3, "{count:?}");
    }

    #[test]
    fn a_trial_that_failed_is_not_promoted() {
        let mut asha = Asha::new(4, 4, 2);
        while let Next::Run(assignment) = asha.next() {
            assert_eq!(assignment.rung, 0);
            asha.on_score(assignment.trial, Score::FAILED);
        }
        assert_eq!(asha.next(), Next::Done);
    }
}

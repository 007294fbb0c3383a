use super::strategy::{Assignment, Next, Score, Strategy, TrialId};

/// Trains every trial to the end: random search, and the folds of a cross-validation.
#[derive(Debug)]
pub struct Every {
    trials: u32,
    epochs: u32,
    drawn: u32,
}

impl Every {
    /// Makes a strategy for so many trials of so many epochs.
    pub fn new(trials: u32, epochs: u32) -> Self {
        Self { trials, epochs, drawn: 0 }
    }
}

impl Strategy for Every {
    fn next(&mut self) -> Next {
        if self.drawn == self.trials {
            return Next::Done;
        }
        let trial = TrialId(self.drawn);
        self.drawn += 1;
        Next::Run(Assignment { trial, rung: 0, epochs: self.epochs })
    }

    fn on_score(&mut self, _trial: TrialId, _score: Score) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trial_is_trained_once_to_the_end() {
        let mut every = Every::new(3, 7);
        for trial in 0..3 {
            let assignment = Assignment { trial: TrialId(trial), rung: 0, epochs: 7 };
            assert_eq!(every.next(), Next::Run(assignment));
        }
        assert_eq!(every.next(), Next::Done);
    }
}

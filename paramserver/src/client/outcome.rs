use howdah_proto::{Attempt, Step, Version};

use crate::shard::{PushOutcome, Seen};

/// Which weights are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest ones.
    Latest,
    /// Those kept under a tag.
    Tag(u64),
    /// Those of exactly this version: what the rounds up to it have made.
    At(Version),
}

/// What became of a push at all shards together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combined {
    /// Every shard has it.
    Accepted,
    /// A newer attempt has taken over: stop.
    Superseded {
        /// The highest attempt seen.
        highest: Attempt,
    },
    /// A shard lacks earlier steps: go on after this mark.
    Gap {
        /// The lowest mark of the shards that refused.
        mark: Step,
    },
}

impl Combined {
    /// Puts the shards' outcomes together: being superseded outweighs a gap, a gap outweighs acceptance.
    pub fn of(outcomes: &[PushOutcome]) -> Self {
        outcomes.iter().fold(Self::Accepted, |all, outcome| match (all, *outcome) {
            (Self::Superseded { highest: one }, PushOutcome::Superseded { highest: other }) => {
                Self::Superseded { highest: one.max(other) }
            }
            (Self::Superseded { .. }, _) => all,
            (_, PushOutcome::Superseded { highest }) => Self::Superseded { highest },
            (Self::Gap { mark: one }, PushOutcome::Gap { mark: other }) => Self::Gap { mark: one.min(other) },
            (Self::Accepted, PushOutcome::Gap { mark }) => Self::Gap { mark },
            (all, PushOutcome::Applied { .. } | PushOutcome::AlreadyApplied { .. } | PushOutcome::Late) => {
                all
            }
        })
    }
}

/// What all shards together know of a training task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// The lowest mark: the step after it is the first to compute.
    pub lowest: Step,
    /// The higher attempt that has taken over, if there is one.
    pub superseded_by: Option<Attempt>,
}

impl Marks {
    /// Puts together what the shards told `attempt`.
    pub fn of(seen: &[Seen], attempt: Attempt) -> Self {
        let lowest = seen.iter().map(|seen| seen.mark).min().unwrap_or_default();
        let highest = seen.iter().map(|seen| seen.highest).max();
        Self { lowest, superseded_by: highest.filter(|highest| *highest > attempt) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_outcome_speaks_for_all_shards() {
        let applied = PushOutcome::Applied { mark: Step(4) };
        let gap = |mark| PushOutcome::Gap { mark: Step(mark) };
        let superseded = |highest| PushOutcome::Superseded { highest: Attempt(highest) };
        assert_eq!(Combined::of(&[applied, applied]), Combined::Accepted);
        assert_eq!(Combined::of(&[gap(3), applied, gap(2)]), Combined::Gap { mark: Step(2) });
        let highest = Combined::Superseded { highest: Attempt(5) };
        assert_eq!(Combined::of(&[gap(3), superseded(5), superseded(4), applied]), highest);
    }

    #[test]
    fn the_lowest_mark_and_the_highest_attempt_count() {
        let seen = |mark, highest| Seen { mark: Step(mark), highest: Attempt(highest) };
        let marks = Marks::of(&[seen(6, 2), seen(4, 3)], Attempt(2));
        assert_eq!(marks, Marks { lowest: Step(4), superseded_by: Some(Attempt(3)) });
        assert_eq!(Marks::of(&[seen(6, 2)], Attempt(2)).superseded_by, None);
    }
}

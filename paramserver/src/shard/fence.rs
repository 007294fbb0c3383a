use std::collections::HashMap;

use howdah_proto::{
    Attempt, Step,
    fence::{Fence, TrainTask},
};

/// What a shard knows of one training task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// The highest step applied; 0 is none.
    pub mark: Step,
    /// The highest attempt that pushed or asked for the mark; 0 is none.
    pub highest: Attempt,
}

/// What is to be done with a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Its first step is the mark + 1: apply it, and the mark becomes its last step.
    Apply,
    /// All its steps are in the weights: acknowledge it.
    AlreadyApplied {
        /// The highest step applied.
        mark: Step,
    },
    /// A higher attempt has been seen: refuse it.
    Superseded {
        /// The highest attempt seen.
        highest: Attempt,
    },
    /// Steps before it are missing, or it reaches across the mark: refuse it.
    Gap {
        /// The highest step applied, after which the attempt must go on.
        mark: Step,
    },
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// It is in the weights now.
    Applied {
        /// The highest step applied.
        mark: Step,
    },
    /// It was in the weights before.
    AlreadyApplied {
        /// The highest step applied.
        mark: Step,
    },
    /// A higher attempt of the task has been seen; nothing was changed.
    Superseded {
        /// The highest attempt seen.
        highest: Attempt,
    },
    /// The push doesn't follow the mark; nothing was changed.
    Gap {
        /// The highest step applied, after which the attempt must go on.
        mark: Step,
    },
}

/// Per training task, the highest step applied and the highest attempt seen.
#[derive(Debug, Clone, Default)]
pub struct Fences {
    seen: HashMap<TrainTask, Seen>,
}

impl Fences {
    /// Decides what is to be done with a push, and changes nothing.
    pub fn decide(&self, fence: &Fence) -> Decision {
        let Seen { mark, highest } = self.seen(fence.task());
        if fence.attempt() < highest {
            Decision::Superseded { highest }
        } else if fence.last() <= mark {
            Decision::AlreadyApplied { mark }
        } else if fence.first().0 == mark.0 + 1 {
            Decision::Apply
        } else {
            Decision::Gap { mark }
        }
    }

    /// Notes that an attempt exists, and tells what is known of its task.
    ///
    /// An attempt that has been superseded learns it from [`Seen::highest`].
    pub fn see(&mut self, task: TrainTask, attempt: Attempt) -> Seen {
        let seen = self.seen.entry(task).or_default();
        seen.highest = seen.highest.max(attempt);
        *seen
    }

    /// Sets the mark of a task to the last step of a push that has been applied.
    pub fn advance(&mut self, fence: &Fence) {
        let seen = self.seen.entry(fence.task()).or_default();
        seen.highest = seen.highest.max(fence.attempt());
        seen.mark = fence.last();
    }

    /// Tells what is known of a task.
    pub fn seen(&self, task: TrainTask) -> Seen {
        self.seen.get(&task).copied().unwrap_or_default()
    }

    /// Tells whether anything is known of a task.
    pub fn knows(&self, task: TrainTask) -> bool {
        self.seen.contains_key(&task)
    }

    /// Counts the tasks that something is known of.
    pub fn tasks(&self) -> usize {
        self.seen.len()
    }

    /// Sums the marks of all tasks: the steps that are in the weights.
    pub fn steps_applied(&self) -> u64 {
        self.seen.values().fold(0, |steps, seen| steps.saturating_add(seen.mark.0))
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Epoch, Partition};

    use super::*;

    const TASK: TrainTask = TrainTask { epoch: Epoch(1), partition: Partition(7) };

    fn fence(attempt: u32, first: u64, last: u64) -> Fence {
        Fence::new(TASK, Attempt(attempt), Step(first), Step(last)).unwrap()
    }

    fn after(attempt: u32, mark: u64) -> Fences {
        let mut fences = Fences::default();
        fences.advance(&fence(attempt, 1, mark));
        fences
    }

    #[test]
    fn a_push_that_follows_the_mark_is_applied() {
        assert_eq!(Fences::default().decide(&fence(1, 1, 3)), Decision::Apply);
        assert_eq!(after(1, 3).decide(&fence(1, 4, 4)), Decision::Apply);
    }

    #[test]
    fn a_push_at_or_below_the_mark_is_acknowledged_only() {
        let acknowledged = Decision::AlreadyApplied { mark: Step(6) };
        assert_eq!(after(1, 6).decide(&fence(1, 4, 6)), acknowledged);
        assert_eq!(after(1, 6).decide(&fence(1, 1, 3)), acknowledged);
    }

    #[test]
    fn a_push_beyond_the_next_step_or_across_the_mark_is_a_gap() {
        assert_eq!(Fences::default().decide(&fence(1, 2, 3)), Decision::Gap { mark: Step(0) });
        assert_eq!(after(1, 3).decide(&fence(1, 3, 4)), Decision::Gap { mark: Step(3) });
    }

    #[test]
    fn asking_for_the_mark_supersedes_older_attempts() {
        let mut fences = after(1, 3);
        assert_eq!(fences.see(TASK, Attempt(2)), Seen { mark: Step(3), highest: Attempt(2) });
        assert_eq!(fences.decide(&fence(1, 4, 6)), Decision::Superseded { highest: Attempt(2) });
        assert_eq!(fences.decide(&fence(1, 1, 3)), Decision::Superseded { highest: Attempt(2) });
        assert_eq!(fences.decide(&fence(2, 4, 6)), Decision::Apply);
    }

    #[test]
    fn an_older_attempt_that_asks_learns_that_it_is_superseded() {
        let mut fences = after(5, 2);
        assert_eq!(fences.see(TASK, Attempt(4)), Seen { mark: Step(2), highest: Attempt(5) });
    }

    #[test]
    fn the_end_of_the_number_range_is_a_gap_and_no_overflow() {
        assert_eq!(
            after(1, u64::MAX).decide(&fence(1, 1, 1)),
            Decision::AlreadyApplied { mark: Step(u64::MAX) }
        );
    }
}

use std::collections::HashMap;

use howdah_proto::{
    Attempt, Epoch, Step,
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

impl Seen {
    /// Decides what is to be done with a push of the task.
    pub(super) fn decide(self, fence: &Fence) -> Decision {
        if fence.attempt() < self.highest {
            Decision::Superseded { highest: self.highest }
        } else {
            self.decide_steps(fence)
        }
    }

    fn decide_steps(self, fence: &Fence) -> Decision {
        let Self { mark, .. } = self;
        if fence.last() <= mark {
            Decision::AlreadyApplied { mark }
        } else if fence.first().0 == mark.0 + 1 {
            Decision::Apply
        } else {
            Decision::Gap { mark }
        }
    }
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
    /// Others have completed its round; nothing was changed.
    Late,
}

/// The mark of every task in a retired epoch: beyond all its steps, and still with a step after it.
pub(super) const RETIRED_MARK: Step = Step(u64::MAX - 1);

/// Per training task, the highest step applied and the highest attempt seen.
///
/// The marks of epochs that are over can be [retired](Self::retire): their steps stay counted, and every push of
/// them is one that was applied before.
#[derive(Debug, Clone, Default)]
pub struct Fences {
    seen: HashMap<TrainTask, Seen>,
    retired: Option<Retired>,
}

/// The epochs whose marks are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// They and all before.
    pub epoch: Epoch,
    /// The steps that were in them.
    pub steps: u64,
}

impl Fences {
    /// Makes the fences of a shard that has gone so far.
    pub fn new(seen: impl IntoIterator<Item = (TrainTask, Seen)>, retired: Option<Retired>) -> Self {
        Self { seen: seen.into_iter().collect(), retired }
    }

    /// Decides what is to be done with a push, and changes nothing.
    pub fn decide(&self, fence: &Fence) -> Decision {
        if self.is_retired(fence.task()) {
            self.decide_steps(fence)
        } else {
            self.seen(fence.task()).decide(fence)
        }
    }

    /// Decides by the steps alone, as if no higher attempt had been seen.
    pub fn decide_steps(&self, fence: &Fence) -> Decision {
        if self.is_retired(fence.task()) {
            return Decision::AlreadyApplied { mark: fence.last() };
        }
        self.seen(fence.task()).decide_steps(fence)
    }

    /// Notes that an attempt pushes or asks, and tells what is known of its task.
    ///
    /// An attempt that has been superseded learns it from [`Seen::highest`].
    pub fn see(&mut self, task: TrainTask, attempt: Attempt) -> Seen {
        if self.is_retired(task) {
            return Seen { highest: attempt, ..self.seen(task) };
        }
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

    /// Tells what is known of a task: of one in a retired epoch, that nothing is missing.
    pub fn seen(&self, task: TrainTask) -> Seen {
        if self.is_retired(task) {
            return Seen { mark: RETIRED_MARK, highest: Attempt(0) };
        }
        self.seen.get(&task).copied().unwrap_or_default()
    }

    /// Tells whether anything is known of a task.
    pub fn knows(&self, task: TrainTask) -> bool {
        self.is_retired(task) || self.seen.contains_key(&task)
    }

    /// Counts the tasks that something is known of, without the retired ones.
    pub fn tasks(&self) -> usize {
        self.seen.len()
    }

    /// Gives all that is known, in no order, without the retired tasks.
    pub fn iter(&self) -> impl Iterator<Item = (TrainTask, Seen)> {
        self.seen.iter().map(|(task, seen)| (*task, *seen))
    }

    /// Forgets the marks of an epoch and of all before it.
    pub fn retire(&mut self, epoch: Epoch) {
        let before = self.retired.map_or(0, |retired| retired.steps);
        let is_over = |task: &TrainTask| task.epoch <= epoch;
        let over = self.seen.iter().filter(|(task, _)| is_over(task));
        let steps = over.fold(before, |steps, (_, seen)| steps.saturating_add(seen.mark.0));
        self.seen.retain(|task, _| !is_over(task));
        let epoch = self.retired.map_or(epoch, |retired| retired.epoch.max(epoch));
        self.retired = Some(Retired { epoch, steps });
    }

    /// The epochs whose marks are forgotten.
    pub fn retired(&self) -> Option<Retired> {
        self.retired
    }

    /// Sums the marks of all tasks: the steps that are in the weights.
    pub fn steps_applied(&self) -> u64 {
        let retired = self.retired.map_or(0, |retired| retired.steps);
        self.seen.values().fold(retired, |steps, seen| steps.saturating_add(seen.mark.0))
    }

    fn is_retired(&self, task: TrainTask) -> bool {
        self.retired.is_some_and(|retired| task.epoch <= retired.epoch)
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

    #[test]
    fn pushes_of_a_retired_epoch_were_applied_before_and_stay_counted() {
        let mut fences = after(2, 5);
        let other = TrainTask { epoch: Epoch(2), partition: Partition(7) };
        fences.advance(&Fence::new(other, Attempt(1), Step(1), Step(3)).unwrap());
        fences.retire(Epoch(1));
        assert_eq!(fences.decide(&fence(1, 6, 7)), Decision::AlreadyApplied { mark: Step(7) });
        assert_eq!(fences.see(TASK, Attempt(9)), Seen { mark: RETIRED_MARK, highest: Attempt(9) });
        assert_eq!((fences.tasks(), fences.steps_applied()), (1, 8));
        fences.retire(Epoch(1));
        assert_eq!(fences.retired(), Some(Retired { epoch: Epoch(1), steps: 5 }));
        fences.retire(Epoch(2));
        assert_eq!((fences.tasks(), fences.steps_applied()), (0, 8));
    }
}

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use howdah_proto::{AttemptId, MemberId};

/// An executor as the scheduler knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executor {
    /// The machine it runs on.
    pub host: String,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Whether it takes nothing new and goes when it has finished.
    pub draining: bool,
    /// The attempts that fill its slots; a cancelled attempt stays until the executor confirms that it ended.
    pub attempts: BTreeSet<AttemptId>,
}

impl Executor {
    /// Returns how many more attempts it takes now.
    pub fn free_slots(&self) -> u32 {
        if self.draining {
            return 0;
        }
        self.slots.saturating_sub(u32::try_from(self.attempts.len()).unwrap_or(u32::MAX))
    }

    fn accepts(&self) -> bool {
        !self.draining && self.slots > 0
    }
}

/// All executors, in an order that finds a free slot in O(log n).
#[derive(Debug, Default)]
pub(super) struct Executors {
    members: BTreeMap<MemberId, Executor>,
    free: BTreeSet<(Reverse<u32>, MemberId)>,
    accepting: usize,
}

impl Executors {
    pub(super) fn insert(&mut self, id: MemberId, host: String, slots: u32) {
        self.remove(id);
        let executor = Executor { host, slots, draining: false, attempts: BTreeSet::new() };
        self.accepting += usize::from(executor.accepts());
        if slots > 0 {
            self.free.insert((Reverse(slots), id));
        }
        self.members.insert(id, executor);
    }

    pub(super) fn remove(&mut self, id: MemberId) -> Option<Executor> {
        let executor = self.members.remove(&id)?;
        self.free.remove(&(Reverse(executor.free_slots()), id));
        self.accepting -= usize::from(executor.accepts());
        Some(executor)
    }

    /// Takes the executor out of the choice for new attempts; returns whether that changed anything.
    pub(super) fn drain(&mut self, id: MemberId) -> bool {
        let accepted = self.accepts(id);
        self.change(id, |executor| executor.draining = true);
        accepted
    }

    pub(super) fn occupy(&mut self, id: MemberId, attempt: AttemptId) {
        self.change(id, |executor| {
            executor.attempts.insert(attempt);
        });
    }

    /// Frees the slot of an attempt; returns whether the attempt had one.
    pub(super) fn release(&mut self, id: MemberId, attempt: AttemptId) -> bool {
        let mut held = false;
        self.change(id, |executor| held = executor.attempts.remove(&attempt));
        held
    }

    pub(super) fn get(&self, id: MemberId) -> Option<&Executor> {
        self.members.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (MemberId, &Executor)> {
        self.members.iter().map(|(id, executor)| (*id, executor))
    }

    pub(super) fn runs(&self, id: MemberId, attempt: AttemptId) -> bool {
        self.get(id).is_some_and(|executor| executor.attempts.contains(&attempt))
    }

    pub(super) fn accepts(&self, id: MemberId) -> bool {
        self.get(id).is_some_and(Executor::accepts)
    }

    pub(super) fn free_slots(&self, id: MemberId) -> u32 {
        self.get(id).map_or(0, Executor::free_slots)
    }

    /// Counts the executors that have slots and are not draining, busy or not.
    pub(super) fn accepting(&self) -> usize {
        self.accepting
    }

    /// Finds the executor with the most free slots, the lowest id first, other than one to avoid.
    pub(super) fn most_free(&self, avoid: Option<MemberId>) -> Option<MemberId> {
        self.free.iter().map(|(_, id)| *id).find(|id| Some(*id) != avoid)
    }

    fn change(&mut self, id: MemberId, change: impl FnOnce(&mut Executor)) {
        let Some(executor) = self.members.get_mut(&id) else { return };
        let (free, accepted) = (executor.free_slots(), executor.accepts());
        change(executor);
        if executor.free_slots() != free {
            self.free.remove(&(Reverse(free), id));
            if executor.free_slots() > 0 {
                self.free.insert((Reverse(executor.free_slots()), id));
            }
        }
        if accepted && !executor.accepts() {
            self.accepting -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Attempt, JobId, StageId, TaskIndex};

    use super::*;

    fn attempt(task: u32) -> AttemptId {
        AttemptId { job: JobId(1), stage: StageId(1), task: TaskIndex(task), attempt: Attempt(1) }
    }

    #[test]
    fn the_executor_with_the_most_free_slots_is_found_and_ties_go_to_the_lowest_id() {
        let mut executors = Executors::default();
        executors.insert(MemberId(1), "a".into(), 1);
        executors.insert(MemberId(2), "b".into(), 2);
        executors.insert(MemberId(3), "c".into(), 2);
        assert_eq!(executors.most_free(None), Some(MemberId(2)));
        assert_eq!(executors.most_free(Some(MemberId(2))), Some(MemberId(3)));
        executors.occupy(MemberId(2), attempt(0));
        executors.occupy(MemberId(3), attempt(1));
        assert_eq!(executors.most_free(None), Some(MemberId(1)));
    }

    #[test]
    fn a_draining_or_lost_executor_has_no_free_slots() {
        let mut executors = Executors::default();
        executors.insert(MemberId(1), "a".into(), 2);
        executors.insert(MemberId(2), "b".into(), 2);
        executors.occupy(MemberId(1), attempt(0));
        assert!(executors.drain(MemberId(1)));
        assert!(!executors.drain(MemberId(1)));
        assert!(executors.release(MemberId(1), attempt(0)));
        assert_eq!((executors.most_free(None), executors.accepting()), (Some(MemberId(2)), 1));
        executors.remove(MemberId(2));
        assert_eq!((executors.most_free(None), executors.accepting()), (None, 0));
    }
}

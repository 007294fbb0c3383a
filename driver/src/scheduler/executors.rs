use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use howdah_proto::{AttemptId, MemberId};

use super::{
    Millis,
    hosts::{HostId, Hosts},
};

/// An executor as the scheduler knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executor {
    /// The machine it runs on.
    pub host: String,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Whether it takes nothing new and goes when it has finished.
    pub draining: bool,
    /// Until when it gets nothing new because too much failed on it.
    pub excluded_until: Option<Millis>,
    /// The attempts that fill its slots; a cancelled attempt stays until the executor confirms that it ended.
    pub attempts: BTreeSet<AttemptId>,
    pub(super) host_id: HostId,
    /// Whether it was last seen with a free slot.
    seen_free: bool,
}

impl Executor {
    /// Returns how many more attempts it takes now.
    pub fn free_slots(&self) -> u32 {
        if self.draining || self.excluded_until.is_some() {
            return 0;
        }
        self.slots.saturating_sub(u32::try_from(self.attempts.len()).unwrap_or(u32::MAX))
    }

    fn accepts(&self) -> bool {
        !self.draining && self.slots > 0
    }

    fn is_usable(&self) -> bool {
        self.accepts() && self.excluded_until.is_none()
    }
}

/// All executors, in an order that finds a free slot in O(log n).
#[derive(Debug, Default)]
pub(super) struct Executors {
    members: BTreeMap<MemberId, Executor>,
    free: BTreeSet<(Reverse<u32>, MemberId)>,
    pub(super) hosts: Hosts,
    excluded: BTreeSet<MemberId>,
    accepting: usize,
    usable: usize,
}

impl Executors {
    pub(super) fn insert(&mut self, id: MemberId, host: String, slots: u32) {
        self.remove(id);
        let host_id = self.hosts.join(&host);
        let executor = Executor {
            host,
            slots,
            draining: false,
            excluded_until: None,
            attempts: BTreeSet::new(),
            host_id,
            seen_free: false,
        };
        self.accepting += usize::from(executor.accepts());
        self.usable += usize::from(executor.is_usable());
        if slots > 0 {
            self.free.insert((Reverse(slots), id));
            self.hosts.set_free(host_id, id, 0, slots);
        }
        self.members.insert(id, executor);
    }

    pub(super) fn remove(&mut self, id: MemberId) -> Option<Executor> {
        let executor = self.members.remove(&id)?;
        let free = executor.free_slots();
        self.free.remove(&(Reverse(free), id));
        self.hosts.set_free(executor.host_id, id, free, 0);
        self.hosts.part(&executor.host, executor.host_id);
        self.excluded.remove(&id);
        self.accepting -= usize::from(executor.accepts());
        self.usable -= usize::from(executor.is_usable());
        Some(executor)
    }

    /// Takes the executor out of the choice for new attempts; returns whether that changed anything.
    pub(super) fn drain(&mut self, id: MemberId) -> bool {
        let accepted = self.accepts(id);
        self.change(id, |executor| executor.draining = true);
        accepted
    }

    /// Excludes an executor for everything, or includes it again.
    pub(super) fn set_excluded(&mut self, id: MemberId, until: Option<Millis>) {
        if until.is_some() && self.members.contains_key(&id) {
            self.excluded.insert(id);
        } else {
            self.excluded.remove(&id);
        }
        self.change(id, |executor| executor.excluded_until = until);
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

    /// Returns the executors that are excluded for everything.
    pub(super) fn excluded(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.excluded.iter().copied()
    }

    pub(super) fn runs(&self, id: MemberId, attempt: AttemptId) -> bool {
        self.get(id).is_some_and(|executor| executor.attempts.contains(&attempt))
    }

    pub(super) fn accepts(&self, id: MemberId) -> bool {
        self.get(id).is_some_and(Executor::accepts)
    }

    /// Whether an executor takes new attempts when it has a free slot.
    pub(super) fn is_usable(&self, id: MemberId) -> bool {
        self.get(id).is_some_and(Executor::is_usable)
    }

    pub(super) fn free_slots(&self, id: MemberId) -> u32 {
        self.get(id).map_or(0, Executor::free_slots)
    }

    pub(super) fn any_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Counts the executors that have slots and are not draining, busy or not, excluded or not.
    pub(super) fn accepting(&self) -> usize {
        self.accepting
    }

    /// Counts the accepting executors that are not excluded for everything.
    pub(super) fn usable(&self) -> usize {
        self.usable
    }

    /// Finds the executor with the most free slots, the lowest id first, among those that suit.
    ///
    /// It looks at one more executor than there are that don't suit.
    pub(super) fn most_free(&self, suits: impl Fn(MemberId) -> bool) -> Option<MemberId> {
        self.free.iter().map(|(_, id)| *id).find(|id| suits(*id))
    }

    /// Returns whether the executor has a free slot, if that is not what was seen the last time.
    pub(super) fn see_whether_free(&mut self, id: MemberId) -> Option<bool> {
        let executor = self.members.get_mut(&id)?;
        let free = executor.free_slots() > 0;
        (std::mem::replace(&mut executor.seen_free, free) != free).then_some(free)
    }

    fn change(&mut self, id: MemberId, change: impl FnOnce(&mut Executor)) {
        let Some(executor) = self.members.get_mut(&id) else { return };
        let (free, accepted, was_usable) = (executor.free_slots(), executor.accepts(), executor.is_usable());
        change(executor);
        let now_free = executor.free_slots();
        if now_free != free {
            self.free.remove(&(Reverse(free), id));
            if now_free > 0 {
                self.free.insert((Reverse(now_free), id));
            }
            self.hosts.set_free(executor.host_id, id, free, now_free);
        }
        self.accepting = self.accepting + usize::from(executor.accepts()) - usize::from(accepted);
        self.usable = self.usable + usize::from(executor.is_usable()) - usize::from(was_usable);
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
        assert_eq!(executors.most_free(|_| true), Some(MemberId(2)));
        assert_eq!(executors.most_free(|id| id != MemberId(2)), Some(MemberId(3)));
        executors.occupy(MemberId(2), attempt(0));
        executors.occupy(MemberId(3), attempt(1));
        assert_eq!(executors.most_free(|_| true), Some(MemberId(1)));
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
        assert_eq!((executors.most_free(|_| true), executors.accepting()), (Some(MemberId(2)), 1));
        executors.remove(MemberId(2));
        assert_eq!((executors.most_free(|_| true), executors.accepting()), (None, 0));
    }

    #[test]
    fn an_excluded_executor_accepts_and_is_not_usable() {
        let mut executors = Executors::default();
        executors.insert(MemberId(1), "a".into(), 2);
        executors.set_excluded(MemberId(1), Some(Millis(5)));
        assert_eq!((executors.accepting(), executors.usable(), executors.any_free()), (1, 0, false));
        executors.set_excluded(MemberId(1), None);
        assert_eq!((executors.accepting(), executors.usable(), executors.any_free()), (1, 1, true));
    }
}

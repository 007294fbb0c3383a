use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{MemberId, TaskIndex};

/// Executors on which a task may not run, lowest id first.
pub(super) type Avoid = Vec<MemberId>;

/// Ordered queues of the tasks of a stage, one per lane, that know the first task of each open lane.
///
/// Every operation costs O(log n).
#[derive(Debug)]
pub(super) struct Lanes<L> {
    lanes: BTreeMap<L, Lane>,
    heads: BTreeSet<(TaskIndex, L)>,
}

#[derive(Debug, Default)]
struct Lane {
    tasks: BTreeSet<TaskIndex>,
    closed: bool,
}

impl Lane {
    fn head(&self) -> Option<TaskIndex> {
        if self.closed { None } else { self.tasks.first().copied() }
    }
}

impl<L> Default for Lanes<L> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), heads: BTreeSet::new() }
    }
}

impl<L: Clone + Ord> Lanes<L> {
    /// Adds a task to a lane, which is open or closed from now on; returns whether the lane is new.
    pub(super) fn insert(&mut self, lane: &L, task: TaskIndex, open: bool) -> bool {
        let new = !self.lanes.contains_key(lane);
        self.change(lane, |lane| {
            lane.tasks.insert(task);
            lane.closed = !open;
        });
        new
    }

    /// Takes a task out of a lane; returns whether the lane is gone with it.
    pub(super) fn remove(&mut self, lane: &L, task: TaskIndex) -> bool {
        if !self.lanes.contains_key(lane) {
            return false;
        }
        self.change(lane, |lane| {
            lane.tasks.remove(&task);
        });
        !self.lanes.contains_key(lane)
    }

    /// Opens or closes a lane: the tasks of a closed lane stay, and are not offered.
    pub(super) fn set_open(&mut self, lane: &L, open: bool) {
        if self.lanes.contains_key(lane) {
            self.change(lane, |lane| lane.closed = !open);
        }
    }

    /// Returns the tasks of a lane.
    pub(super) fn tasks(&self, lane: &L) -> impl Iterator<Item = TaskIndex> + '_ {
        self.lanes.get(lane).into_iter().flat_map(|lane| lane.tasks.iter().copied())
    }

    /// Returns the first task of each open lane, in the order of the tasks.
    pub(super) fn heads(&self) -> impl Iterator<Item = &(TaskIndex, L)> + '_ {
        self.heads.iter()
    }

    fn change(&mut self, id: &L, change: impl FnOnce(&mut Lane)) {
        let lane = self.lanes.entry(id.clone()).or_default();
        let before = lane.head();
        change(lane);
        let after = lane.head();
        if lane.tasks.is_empty() {
            self.lanes.remove(id);
        }
        if before != after {
            before.map(|head| self.heads.remove(&(head, id.clone())));
            after.map(|head| self.heads.insert((head, id.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(lanes: &Lanes<u8>) -> Vec<(u32, u8)> {
        lanes.heads().map(|(task, lane)| (task.0, *lane)).collect()
    }

    #[test]
    fn the_first_task_of_each_open_lane_is_offered_in_order() {
        let mut lanes = Lanes::default();
        for (lane, index) in [(1, 5), (1, 4), (2, 3), (2, 9), (3, 1)] {
            lanes.insert(&lane, TaskIndex(index), true);
        }
        assert_eq!(heads(&lanes), [(1, 3), (3, 2), (4, 1)]);
        lanes.set_open(&3, false);
        lanes.remove(&2, TaskIndex(3));
        assert_eq!(heads(&lanes), [(4, 1), (9, 2)]);
        lanes.set_open(&3, true);
        assert_eq!(heads(&lanes), [(1, 3), (4, 1), (9, 2)]);
    }

    #[test]
    fn an_emptied_lane_leaves_nothing_behind() {
        let mut lanes = Lanes::default();
        assert!(lanes.insert(&1, TaskIndex(1), true));
        assert!(lanes.insert(&2, TaskIndex(1), false));
        assert!(!lanes.insert(&2, TaskIndex(2), false));
        assert!(lanes.remove(&1, TaskIndex(1)));
        assert!(!lanes.remove(&2, TaskIndex(1)));
        assert!(lanes.remove(&2, TaskIndex(2)));
        assert!(!lanes.remove(&2, TaskIndex(2)));
        assert!(lanes.lanes.is_empty() && lanes.heads.is_empty());
    }
}

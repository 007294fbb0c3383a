use std::collections::{BTreeMap, BTreeSet};

use super::stages::TaskKey;

/// Ordered queues of tasks, one per lane, that know the first task over all open lanes.
///
/// Every operation costs O(log n). A lane is open unless it was closed.
#[derive(Debug)]
pub(super) struct Lanes<L> {
    lanes: BTreeMap<L, Lane>,
    heads: BTreeSet<(TaskKey, L)>,
}

#[derive(Debug, Default)]
struct Lane {
    tasks: BTreeSet<TaskKey>,
    closed: bool,
}

impl Lane {
    fn head(&self) -> Option<TaskKey> {
        if self.closed { None } else { self.tasks.first().copied() }
    }
}

impl<L> Default for Lanes<L> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), heads: BTreeSet::new() }
    }
}

impl<L: Copy + Ord> Lanes<L> {
    pub(super) fn insert(&mut self, lane: L, task: TaskKey) {
        self.change(lane, |lane| {
            lane.tasks.insert(task);
        });
    }

    pub(super) fn remove(&mut self, lane: L, task: TaskKey) {
        self.change(lane, |lane| {
            lane.tasks.remove(&task);
        });
    }

    /// Opens or closes a lane: the tasks of a closed lane stay, and are not offered.
    pub(super) fn set_open(&mut self, lane: L, open: bool) {
        self.change(lane, |lane| lane.closed = !open);
    }

    /// Empties a lane, opens it, and returns the tasks that were in it.
    pub(super) fn take(&mut self, lane: L) -> BTreeSet<TaskKey> {
        let mut tasks = BTreeSet::new();
        self.change(lane, |lane| tasks = std::mem::take(lane).tasks);
        tasks
    }

    /// Returns the first task of each open lane, in the order of the tasks.
    pub(super) fn heads(&self) -> impl Iterator<Item = (TaskKey, L)> + '_ {
        self.heads.iter().copied()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.values().all(|lane| lane.tasks.is_empty())
    }

    fn change(&mut self, id: L, change: impl FnOnce(&mut Lane)) {
        let lane = self.lanes.entry(id).or_default();
        let before = lane.head();
        change(lane);
        let after = lane.head();
        if lane.tasks.is_empty() && !lane.closed {
            self.lanes.remove(&id);
        }
        if before != after {
            before.map(|head| self.heads.remove(&(head, id)));
            after.map(|head| self.heads.insert((head, id)));
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{JobId, StageId, TaskIndex};

    use super::*;

    fn task(index: u32) -> TaskKey {
        TaskKey { job: JobId(1), stage: StageId(1), task: TaskIndex(index) }
    }

    fn heads(lanes: &Lanes<u8>) -> Vec<(u32, u8)> {
        lanes.heads().map(|(key, lane)| (key.task.0, lane)).collect()
    }

    #[test]
    fn the_first_task_of_each_open_lane_is_offered_in_order() {
        let mut lanes = Lanes::default();
        for (lane, index) in [(1, 5), (1, 4), (2, 3), (2, 9), (3, 1)] {
            lanes.insert(lane, task(index));
        }
        assert_eq!(heads(&lanes), [(1, 3), (3, 2), (4, 1)]);
        lanes.set_open(3, false);
        lanes.remove(2, task(3));
        assert_eq!(heads(&lanes), [(4, 1), (9, 2)]);
        lanes.set_open(3, true);
        assert_eq!(heads(&lanes), [(1, 3), (4, 1), (9, 2)]);
    }

    #[test]
    fn an_emptied_lane_leaves_nothing_behind() {
        let mut lanes = Lanes::default();
        lanes.insert(1, task(1));
        lanes.insert(2, task(1));
        lanes.set_open(2, false);
        lanes.remove(1, task(1));
        assert_eq!(lanes.take(2), BTreeSet::from([task(1)]));
        assert!(lanes.lanes.is_empty() && lanes.heads.is_empty());
    }
}

use std::{collections::VecDeque, sync::Arc};

use howdah_proto::{
    Epoch, Version,
    fence::{Fence, RoundPart},
};

use crate::{server::staging::Staged, shard::Clocks};

/// Something that a primary did and its standby must do too.
#[derive(Debug, Clone)]
pub(in crate::server) enum Change {
    /// It applied a push.
    Push {
        /// Its place among the pushes accepted.
        sequence: u64,
        fence: Fence,
        round: Option<RoundPart>,
        base: Version,
        /// What the rule was given.
        values: Arc<Staged>,
    },
    Tag(u64),
    Untag(u64),
    Retire(Epoch),
    /// Replicas have moved in bounded staleness.
    Clocks(Arc<Clocks>),
    /// It did something that only a new image can tell.
    Anew,
}

impl Change {
    /// Whether it may wait for a standby that catches up; another image tells it otherwise.
    pub(super) fn may_wait(&self) -> bool {
        match self {
            Self::Push { values, .. } => values.may_wait(),
            Self::Anew => false,
            Self::Tag(_) | Self::Untag(_) | Self::Retire(_) | Self::Clocks(_) => true,
        }
    }
}

/// What a standby has not acknowledged yet. Changes are numbered by their positions, from the first one on.
#[derive(Debug, Default)]
pub(super) struct Queue {
    changes: VecDeque<Change>,
    /// How many changes have been acknowledged: the position of the first one that is kept.
    acknowledged: u64,
    /// How many of those that are kept only an image can tell.
    untold: usize,
}

impl Queue {
    /// The position after the last change.
    pub(super) fn end(&self) -> u64 {
        self.acknowledged + self.changes.len() as u64
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Adds a change, and gives the position after it.
    pub(super) fn push(&mut self, change: Change) -> u64 {
        self.untold += usize::from(matches!(change, Change::Anew));
        self.changes.push_back(change);
        self.end()
    }

    /// The change at a position, if it is there yet.
    pub(super) fn get(&self, position: u64) -> Option<&Change> {
        self.changes.get(usize::try_from(position.checked_sub(self.acknowledged)?).ok()?)
    }

    /// The standby has everything before a position.
    pub(super) fn acknowledge_before(&mut self, position: u64) {
        let position = position.min(self.end());
        while self.acknowledged < position {
            self.untold -= usize::from(matches!(self.changes.pop_front(), Some(Change::Anew)));
            self.acknowledged += 1;
        }
    }

    /// The standby has the pushes up to one, and hence what was queued before them.
    pub(super) fn acknowledge_pushes(&mut self, up_to: u64) {
        let has = |change: &Change| matches!(change, Change::Push { sequence, .. } if *sequence <= up_to);
        if let Some(last) = self.changes.iter().rposition(has) {
            self.acknowledge_before(self.acknowledged + last as u64 + 1);
        }
    }

    /// Forgets all that waits, as if it were acknowledged.
    pub(super) fn clear(&mut self) {
        self.acknowledge_before(self.end());
    }

    /// Whether an image is needed, because a change can't be told otherwise.
    pub(super) fn needs_image(&self) -> bool {
        self.untold > 0
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Attempt, Partition, Step, fence::TrainTask};

    use super::*;
    use crate::server::staging::Staging;

    async fn push(sequence: u64) -> Change {
        let task = TrainTask { epoch: Epoch(1), partition: Partition(0) };
        let fence = Fence::new(task, Attempt(1), Step(sequence), Step(sequence)).unwrap();
        let values = Arc::new(Staging::new(1 << 20).take(1).await.unwrap());
        Change::Push { sequence, fence, round: None, base: Version(0), values }
    }

    #[tokio::test]
    async fn a_standby_that_comes_back_gets_what_it_lacks() {
        let mut queue = Queue::default();
        for sequence in 5..=7 {
            queue.push(push(sequence).await);
            queue.push(Change::Tag(sequence));
        }
        queue.acknowledge_pushes(6);
        assert_eq!(queue.acknowledged(), 3);
        assert!(matches!(queue.get(3), Some(Change::Tag(6))));
        assert!(queue.get(2).is_none());
        queue.acknowledge_pushes(4);
        assert_eq!(queue.acknowledged(), 3);
        queue.acknowledge_pushes(99);
        assert_eq!((queue.acknowledged(), queue.end()), (5, 6));
        assert!(matches!(queue.get(5), Some(Change::Tag(7))));
        assert!(queue.get(6).is_none());
    }

    #[test]
    fn positions_go_on_after_a_queue_was_cleared() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(Change::Tag(1)), 1);
        assert_eq!(queue.push(Change::Anew), 2);
        assert!(queue.needs_image());
        queue.clear();
        assert!(!queue.needs_image());
        assert_eq!(queue.push(Change::Tag(2)), 3);
        assert!(matches!(queue.get(2), Some(Change::Tag(2))));
    }
}

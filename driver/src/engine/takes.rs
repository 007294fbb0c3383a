//! The places of snapshots: nobody looks at one while a snapshot is being taken there.
//!
//! What a job began goes on when the job has ended: its manifest may still come, and it drops older folders then. The next
//! job in that place must find that done, or both would give their snapshots the same numbers.

use std::collections::BTreeMap;

use howdah_proto::{JobId, SnapshotId, event::Event};

use super::{Effect, Engine, IoRequest};
use crate::snapshot::same_place;

/// The snapshots that are being taken, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Takes {
    /// Where each of them is taken. Their jobs may have ended, or have gone back and begun another.
    under_way: BTreeMap<(JobId, SnapshotId), String>,
    /// What jobs do when nothing is taken in a place any more.
    waiting: BTreeMap<JobId, (String, IoRequest)>,
}

impl Takes {
    /// A job begins to take a snapshot.
    pub(super) fn begin(&mut self, job: JobId, snapshot: SnapshotId, place: &str) {
        self.under_way.insert((job, snapshot), place.to_owned());
    }

    /// A job waits for nothing any more.
    pub(super) fn forget_waiting(&mut self, job: JobId) {
        self.waiting.remove(&job);
    }

    /// Whether nothing is taken, and nobody waits.
    #[cfg(test)]
    pub(super) fn is_clean(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty()
    }

    /// The job that takes a snapshot in a place.
    fn taker(&self, place: &str) -> Option<JobId> {
        let mut takers = self.under_way.iter();
        takers.find(|(_, theirs)| same_place(theirs, place)).map(|((job, _), _)| *job)
    }

    /// What needs to wait no longer.
    fn ready(&mut self) -> Vec<(JobId, IoRequest)> {
        let waiting = std::mem::take(&mut self.waiting);
        let (waits, ready): (BTreeMap<_, _>, BTreeMap<_, _>) =
            waiting.into_iter().partition(|(_, (place, _))| self.taker(place).is_some());
        self.waiting = waits;
        ready.into_iter().map(|(job, (_, request))| (job, request)).collect()
    }
}

impl Engine {
    /// Looks at a place of snapshots for a job, when no snapshot is being taken there.
    pub(super) fn look(&mut self, job: JobId, place: String, request: IoRequest) {
        let Some(taker) = self.takes.taker(&place) else {
            self.effects.push(Effect::Io { job, request });
            return;
        };
        let reason = format!("job {taker} is still writing a snapshot in {place}");
        self.emit(job, Event::Waiting { reason });
        self.takes.waiting.insert(job, (place, request));
    }

    /// A snapshot that a job began is taken, or came to nothing. Servers may still write files of it then, which have names
    /// of their own.
    pub(super) fn take_ended(&mut self, job: JobId, snapshot: SnapshotId) {
        self.takes.under_way.remove(&(job, snapshot));
        for (job, request) in self.takes.ready() {
            self.emit(job, Event::GoesOn);
            self.effects.push(Effect::Io { job, request });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_when_the_last_snapshot_there_is_done() {
        let (mut takes, job) = (Takes::default(), JobId(1));
        takes.begin(job, SnapshotId(1), "/runs/a");
        takes.begin(job, SnapshotId(2), "file:///runs/a/");
        for last in [1, 2] {
            assert_eq!((takes.taker("/runs/a"), takes.taker("/runs/b")), (Some(job), None));
            takes.under_way.remove(&(job, SnapshotId(last)));
        }
        assert_eq!(takes.taker("/runs/a"), None);
    }
}

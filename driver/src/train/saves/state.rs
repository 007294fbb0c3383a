use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{Epoch, Partition, Round, SnapshotId, fence::TrainTask, pb};

use crate::{
    scheduler::Millis,
    snapshot::{AheadOf, Lacking, Manifest, Progress},
};

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The epoch that is trained, or has just been.
    pub epoch: Epoch,
    /// The rounds that are complete, in the modes that train in rounds.
    pub round: Round,
}

impl Default for Position {
    fn default() -> Self {
        Self { epoch: Epoch(1), round: Round(0) }
    }
}

/// A snapshot that shards can be made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Durable {
    /// Which.
    pub snapshot: SnapshotId,
    /// Its folder, as a URL.
    pub folder: String,
    /// Its files.
    pub saved: Vec<pb::SavedShard>,
    /// Where the job was.
    pub position: Position,
    /// What the epochs had given.
    pub progress: Progress,
}

/// A snapshot that is to be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotRequest {
    /// Where the run's snapshots are.
    pub location: String,
    /// The shards.
    pub places: Vec<pb::ShardPlace>,
    /// Which pushes are in it.
    pub cut: CutKind,
    /// The steps of each training partition.
    pub steps: BTreeMap<Partition, u64>,
    /// The tasks that are under way.
    pub running: BTreeSet<TrainTask>,
    /// What is known of it already: all but the files and the marks.
    pub manifest: Manifest,
    /// The one before it, which stays; all others go.
    pub keep: Option<SnapshotId>,
    /// Those that came to nothing since, of which files may be left.
    pub failed: BTreeSet<SnapshotId>,
}

/// Why a snapshot isn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    /// None can be before the end of the epoch.
    #[error("{0}")]
    Lacking(#[from] Lacking),
    /// Nothing of it was written: what is in its place is not the job's.
    #[error("{0}")]
    NotBegun(String),
    /// Another try may do it.
    #[error("{0}")]
    Passing(String),
}

impl From<String> for SnapshotFault {
    fn from(reason: String) -> Self {
        Self::Passing(reason)
    }
}

/// Which pushes are in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutKind {
    /// All: nobody pushes now.
    Quiet,
    /// Those up to some pushes from now.
    Ahead(AheadOf),
}

/// The snapshots of a job.
#[derive(Debug, Default)]
pub(in crate::train) struct Saves {
    /// The newest one.
    pub(in crate::train) durable: Option<Durable>,
    pub(super) taking: Option<Taking>,
    /// The number of the last one that was begun.
    pub(in crate::train) last: SnapshotId,
    /// Those that came to nothing after the newest one.
    pub(super) failed: BTreeSet<SnapshotId>,
    /// When the next one is due.
    pub(in crate::train) due: Option<Millis>,
    /// Until when none is taken that nobody waits for.
    pub(super) rests_until: Millis,
    /// The number of shards to spread the parameters over, from the next one.
    pub(in crate::train) reshard: Option<u32>,
    /// Whether one was begun after the last epoch.
    pub(super) last_taken: bool,
    /// The epochs up to this one are in it whole: the next one begins with the shards forgetting their marks, if each of
    /// them has them whole, too.
    pub(in crate::train) retired: Epoch,
}

#[derive(Debug)]
pub(super) struct Taking {
    pub(super) snapshot: SnapshotId,
    pub(super) since: Millis,
    pub(super) position: Position,
    pub(super) progress: Progress,
    /// Whether training waits until it is planned.
    pub(super) holds: bool,
    /// Whether it is decided what is in it.
    pub(super) planned: bool,
}

/// How many snapshots that came to nothing are remembered: by then, no server writes to an older one any more.
const FAILED: usize = 16;

impl Saves {
    /// One came to nothing, and its servers may still write to its files.
    pub(super) fn note_failed(&mut self, snapshot: SnapshotId) {
        self.failed.insert(snapshot);
        if self.failed.len() > FAILED {
            self.failed.pop_first();
        }
    }

    pub(in crate::train) fn is_taking(&self) -> bool {
        self.taking.is_some()
    }

    /// Whether the next epoch waits for a snapshot to be planned, which must have nothing of it: where it is from is the
    /// epoch that it was begun in.
    pub(in crate::train) fn hold_next_epoch(&mut self) -> bool {
        let Some(taking) = self.taking.as_mut().filter(|taking| !taking.planned) else { return false };
        taking.holds = true;
        true
    }

    /// Forgets the one that is being taken; what becomes of it is of no use any more.
    pub(in crate::train) fn forget(&mut self) {
        (self.taking, self.last_taken) = (None, false);
    }
}

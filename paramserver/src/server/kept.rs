use std::{collections::BTreeMap, ops::Range};

use howdah_proto::{
    Attempt, Epoch, MemberId, Step, Version,
    fence::TrainTask,
    settings::{Mode, ShardSpec},
};

use crate::{
    rules::Part,
    shard::{CutId, Fences, HogwildShard, Image, PlanError, Seen, Shard, ShardError, Tagged},
};

/// A shard, with or without a lock of its own.
#[derive(Debug)]
pub(super) enum Kept {
    /// It is changed by one at a time.
    Locked(Box<Shard>),
    /// It takes pushes at the same time; what needs a quiet time has it to itself.
    Free(Box<HogwildShard>),
}

impl From<Shard> for Kept {
    fn from(shard: Shard) -> Self {
        Self::Locked(Box::new(shard))
    }
}

impl Kept {
    pub(super) fn new(values: u64, spec: &ShardSpec) -> Result<Self, ShardError> {
        Ok(match spec.mode {
            Mode::Hogwild { .. } => Self::Free(Box::new(HogwildShard::new(values, spec)?)),
            _ => Self::Locked(Box::new(Shard::new(values, spec)?)),
        })
    }

    pub(super) fn from_image(image: Image, spec: &ShardSpec) -> Result<Self, ShardError> {
        Ok(match spec.mode {
            Mode::Hogwild { .. } => Self::Free(Box::new(HogwildShard::from_image(image, spec)?)),
            _ => Self::Locked(Box::new(Shard::from_image(image, spec)?)),
        })
    }

    pub(super) fn version(&self) -> Version {
        match self {
            Self::Locked(shard) => shard.version(),
            Self::Free(shard) => shard.version(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Locked(shard) => shard.bytes(),
            Self::Free(shard) => shard.bytes(),
        }
    }

    /// Tells whether the weights of a version can be had.
    pub(super) fn has(&self, version: Version) -> bool {
        match self {
            Self::Locked(shard) => shard.weights_at(version).is_some(),
            Self::Free(shard) => shard.version() == version,
        }
    }

    /// Gives some of the weights of a version, or of the newest, which don't change any more; none if that version can't
    /// be had. The range lies within a piece.
    pub(super) fn part(&self, at: Option<Version>, range: Range<usize>) -> Option<Part> {
        if at.is_some_and(|at| !self.has(at)) {
            return None;
        }
        match self {
            Self::Locked(shard) => at.map_or(Some(shard.weights()), |at| shard.weights_at(at))?.part(range),
            Self::Free(shard) => {
                let mut copy = vec![0.0; range.len()].into_boxed_slice();
                shard.read(range.start, &mut copy);
                Some(copy.into())
            }
        }
    }

    pub(super) fn tagged(&self, tag: u64) -> Option<Tagged> {
        match self {
            Self::Locked(shard) => shard.tagged(tag).cloned(),
            Self::Free(shard) => shard.tagged(tag),
        }
    }

    /// Gives what is known of all tasks to `look`.
    pub(super) fn with_fences<T>(&self, look: impl FnOnce(&Fences) -> T) -> T {
        match self {
            Self::Locked(shard) => look(shard.fences()),
            Self::Free(shard) => look(&shard.fences()),
        }
    }

    pub(super) fn write(&mut self, values: &[f32]) -> Result<(), ShardError> {
        match self {
            Self::Locked(shard) => shard.write(values),
            Self::Free(shard) => shard.write(values),
        }
    }

    pub(super) fn mark(&mut self, task: TrainTask, attempt: Attempt) -> Result<Seen, ShardError> {
        match self {
            Self::Locked(shard) => shard.mark(task, attempt),
            Self::Free(shard) => shard.mark(task, attempt),
        }
    }

    pub(super) fn tag(&mut self, tag: u64) -> Result<(), ShardError> {
        match self {
            Self::Locked(shard) => shard.tag(tag),
            Self::Free(shard) => shard.tag(tag),
        }
    }

    pub(super) fn untag(&mut self, tag: u64) {
        match self {
            Self::Locked(shard) => shard.untag(tag),
            Self::Free(shard) => shard.untag(tag),
        }
    }

    pub(super) fn retire(&mut self, epoch: Epoch) {
        match self {
            Self::Locked(shard) => shard.retire(epoch),
            Self::Free(shard) => shard.retire(epoch),
        }
    }

    pub(super) fn forget_replicas(&mut self, member: MemberId) {
        match self {
            Self::Locked(shard) => shard.forget_replicas(member),
            // A shard without a lock keeps nothing of replicas.
            Self::Free(_) => {}
        }
    }

    pub(super) fn image(&self, start: u64) -> Result<Image, ShardError> {
        match self {
            Self::Locked(shard) => shard.image(start),
            Self::Free(shard) => shard.image(start),
        }
    }

    pub(super) fn plan_cut(
        &mut self,
        id: CutId,
        marks: BTreeMap<TrainTask, Step>,
    ) -> Result<Result<(), PlanError>, ShardError> {
        match self {
            Self::Locked(shard) => shard.plan_cut(id, marks),
            Self::Free(shard) => shard.plan_cut(id, marks),
        }
    }

    pub(super) fn is_cut_complete(&self, id: CutId) -> Option<bool> {
        match self {
            Self::Locked(shard) => shard.is_cut_complete(id),
            Self::Free(shard) => shard.is_cut_complete(id),
        }
    }

    pub(super) fn take_cut(&mut self, id: CutId, start: u64) -> Result<Option<Image>, ShardError> {
        match self {
            Self::Locked(shard) => shard.take_cut(id, start),
            Self::Free(shard) => shard.take_cut(id, start),
        }
    }

    pub(super) fn drop_cut(&mut self, id: CutId) {
        match self {
            Self::Locked(shard) => shard.drop_cut(id),
            Self::Free(shard) => shard.drop_cut(id),
        }
    }
}

//! What the tests of the shard have in common.

use howdah_proto::{
    Attempt, Epoch, Partition, ReplicaId, Step, Version,
    fence::{Fence, RoundPart, TrainTask},
    settings::{Combine, Correction, Mode, Pace, PushEvery, ShardSpec, StalenessScale, UpdateRule},
};

use super::{Finite, Push, PushOutcome, Shard, ShardError};

pub(crate) const SPEC: ShardSpec = ShardSpec {
    rule: UpdateRule::Sum,
    correction: Correction { scale: StalenessScale::None, delay_compensation: None },
    mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
    combine: Combine::Mean,
    pace: Pace::CONSTANT,
    average: None,
};

pub(crate) const ROUNDS: ShardSpec = ShardSpec { mode: Mode::Synchronous { backups: 0 }, ..SPEC };

pub(crate) fn task(partition: u32) -> TrainTask {
    TrainTask { epoch: Epoch(1), partition: Partition(partition) }
}

/// The first attempt of a partition in the first epoch.
pub(crate) fn fence(partition: u32, first: u64, last: u64) -> Fence {
    Fence::new(task(partition), Attempt(1), Step(first), Step(last)).unwrap()
}

/// Any attempt of partition 0 in the first epoch.
pub(crate) fn attempt(attempt: u32, first: u64, last: u64) -> Fence {
    Fence::new(task(0), Attempt(attempt), Step(first), Step(last)).unwrap()
}

/// Pushes without a round, from nobody in particular.
pub(crate) fn push(shard: &mut Shard, fence: &Fence, values: &[f32]) -> Result<PushOutcome, ShardError> {
    let (round, base, replica) = (None, Version(0), ReplicaId::default());
    shard.apply(Push { fence, round, base, replica, values: &mut values.to_vec(), finite: Finite::Unknown })
}

/// Contributes to a round.
pub(crate) fn contribute(
    shard: &mut Shard,
    fence: &Fence,
    part: RoundPart,
    values: &[f32],
) -> Result<PushOutcome, ShardError> {
    let (base, replica) = (Version(part.round.0 - 1), ReplicaId::default());
    shard.apply(Push {
        fence,
        round: Some(part),
        base,
        replica,
        values: &mut values.to_vec(),
        finite: Finite::Unknown,
    })
}

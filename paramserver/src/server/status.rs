use howdah_proto::{fence::TrainTask, pb};

use super::kept::Kept;
use crate::shard::{Fences, Seen};

/// What a shard has been asked to do so far.
pub(super) fn status(kept: &Kept) -> pb::ShardStatus {
    let (values, counters, staleness) = match kept {
        Kept::Locked(shard) => (shard.weights().len(), shard.counters(), shard.staleness().to_vec()),
        Kept::Free(shard) => (shard.values(), shard.counters(), Vec::new()),
    };
    pb::ShardStatus {
        values: values as u64,
        pushes_applied: counters.applied,
        steps_applied: kept.with_fences(Fences::steps_applied),
        pushes_repeated: counters.repeated,
        pushes_superseded: counters.superseded,
        pushes_out_of_order: counters.out_of_order,
        pushes_late: counters.late,
        staleness,
        version: kept.version().0,
    }
}

/// The marks of all tasks that a shard knows of.
pub(super) fn marks(kept: &Kept) -> pb::MarksReply {
    let mark = |(task, seen): (TrainTask, Seen)| pb::TaskMark { task: Some(task.into()), mark: seen.mark.0 };
    let (marks, retired) = kept.with_fences(|fences| (fences.iter().map(mark).collect(), fences.retired()));
    pb::MarksReply {
        marks,
        retired_epoch: retired.map_or(0, |retired| retired.epoch.0),
        version: kept.version().0,
    }
}

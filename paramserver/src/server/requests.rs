use std::ops::Range;

use howdah_proto::{
    JobId, ShardIndex, SnapshotId, Step, Term,
    fence::TrainTask,
    pb, required,
    settings::{Encoding, ShardSpec},
};
use tonic::Status;

use super::{
    Paramserver,
    cell::{Access, ShardKey},
    terms::{Claim, Role},
};
use crate::shard::{CutId, MAX_VALUES};

impl Paramserver {
    /// Finds the shard that a request speaks of, which this server must be the primary of.
    pub(super) fn primary(&self, shard: Option<pb::ShardRef>) -> Result<Access, Status> {
        let (key, term) = shard_in_term(shard)?;
        let cell = self.shards.find(key)?;
        Ok(Access::new(cell, Claim { term, role: Role::Primary }))
    }
}

/// Which shard a request speaks of, and in which term.
pub(super) fn shard_in_term(shard: Option<pb::ShardRef>) -> Result<(ShardKey, Term), Status> {
    let pb::ShardRef { job_id, shard, term } = required(shard, "shard")?;
    Ok((ShardKey { job: JobId(job_id), shard: ShardIndex(shard) }, Term(term)))
}

/// Which of the parameters a shard is to have.
pub(super) fn range(key: ShardKey, start: u64, len: u64) -> Result<Range<u64>, Status> {
    if !(1..=MAX_VALUES).contains(&len) {
        let reason = format!("{key}: a shard has from 1 to {MAX_VALUES} values, not {len}");
        return Err(Status::invalid_argument(reason));
    }
    let end = start.checked_add(len);
    let beyond =
        || Status::invalid_argument(format!("{key}: the range of its values ends beyond all numbers"));
    Ok(start..end.ok_or_else(beyond)?)
}

/// What a shard is to do with pushes.
pub(super) fn shard_spec(key: ShardKey, json: &str) -> Result<ShardSpec, Status> {
    serde_json::from_str(json).map_err(|error| {
        Status::invalid_argument(format!("{key}: what the shard does can't be read: {error}"))
    })
}

/// How values travel; plain if nothing is said.
pub(super) fn encoding(key: ShardKey, json: &str) -> Result<Encoding, Status> {
    if json.is_empty() {
        return Ok(Encoding::default());
    }
    serde_json::from_str(json)
        .map_err(|error| Status::invalid_argument(format!("{key}: the encoding can't be read: {error}")))
}

/// Which plan of a snapshot a request speaks of.
pub(super) fn cut_id(snapshot: u64, attempt: u32) -> CutId {
    CutId { snapshot: SnapshotId(snapshot), attempt }
}

/// The mark of a task.
pub(super) fn task_mark(mark: pb::TaskMark) -> Result<(TrainTask, Step), Status> {
    Ok((TrainTask::try_from(mark.task)?, Step(mark.mark)))
}

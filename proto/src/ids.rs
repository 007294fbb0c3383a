use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{WireError, pb, required};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// An executor or a parameter server that has joined the driver.
    MemberId(u64);
    /// One registration of a member; drawn anew each time.
    SessionId(u64);
    /// A job, unique for the life of a driver.
    JobId(u64);
    /// The owner of a lineage, of its blocks and its map outputs: a training job, or the context of a program.
    ContextId(u64);
    /// A stage, unique for the life of a driver.
    StageId(u64);
    /// The place of a task in its stage.
    TaskIndex(u32);
    /// The number of a task's attempt, counted from 1.
    Attempt(u32);
    /// A node of a lineage.
    NodeId(u32);
    /// Something that a program gave to the driver for its executors: a slice of a collection, or a broadcast value.
    ObjectId(u64);
    /// An accumulator, unique in its context.
    AccumulatorId(u64);
    /// A partition of a node, counted from 0.
    Partition(u32);
    /// A pass over the training pictures, counted from 1.
    Epoch(u32);
    /// A mini-batch of a training task, counted from 1; as a mark, 0 is none yet.
    Step(u64);
    /// A shard of the parameters, counted from 0.
    ShardIndex(u32);
    /// How often the driver has given a shard to another server or another range, counted from 1.
    Term(u64);
    /// How often the weights of a shard have changed: by a push, or by a round.
    Version(u64);
    /// A round of synchronous training, counted from 1 over all epochs.
    Round(u64);
    /// A snapshot of all shards of a job, counted from 1.
    SnapshotId(u64);
}

impl From<JobId> for ContextId {
    /// A training job owns the context with its number.
    fn from(job: JobId) -> Self {
        Self(job.0)
    }
}

/// One attempt of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The job of the task.
    pub job: JobId,
    /// The stage of the task.
    pub stage: StageId,
    /// The task's place in the stage.
    pub task: TaskIndex,
    /// Which attempt.
    pub attempt: Attempt,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} of stage {} (job {}, attempt {})", self.task, self.stage, self.job, self.attempt)
    }
}

impl From<AttemptId> for pb::AttemptRef {
    fn from(id: AttemptId) -> Self {
        Self { job_id: id.job.0, stage_id: id.stage.0, task_index: id.task.0, attempt: id.attempt.0 }
    }
}

impl TryFrom<Option<pb::AttemptRef>> for AttemptId {
    type Error = WireError;

    fn try_from(message: Option<pb::AttemptRef>) -> Result<Self, WireError> {
        let message = required(message, "attempt")?;
        if message.attempt == 0 {
            return Err(WireError::invalid("attempt", "attempts are counted from 1"));
        }
        Ok(Self {
            job: JobId(message.job_id),
            stage: StageId(message.stage_id),
            task: TaskIndex(message.task_index),
            attempt: Attempt(message.attempt),
        })
    }
}

/// A block: the computed data of one partition of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId {
    /// The context whose lineage has the node.
    pub context: ContextId,
    /// The node that was computed.
    pub node: NodeId,
    /// The partition of the node.
    pub partition: Partition,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}.{}.{}", self.context, self.node, self.partition)
    }
}

impl From<BlockId> for pb::BlockId {
    fn from(id: BlockId) -> Self {
        Self { context_id: id.context.0, node: id.node.0, partition: id.partition.0 }
    }
}

impl From<pb::BlockId> for BlockId {
    fn from(id: pb::BlockId) -> Self {
        Self { context: ContextId(id.context_id), node: NodeId(id.node), partition: Partition(id.partition) }
    }
}

/// A replica of the model: a task slot of an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ReplicaId {
    /// The executor.
    pub member: MemberId,
    /// Its slot, counted from 0.
    pub slot: u32,
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} of executor {}", self.slot, self.member)
    }
}

impl From<ReplicaId> for pb::ReplicaId {
    fn from(id: ReplicaId) -> Self {
        Self { member_id: id.member.0, slot: id.slot }
    }
}

impl From<pb::ReplicaId> for ReplicaId {
    fn from(id: pb::ReplicaId) -> Self {
        Self { member: MemberId(id.member_id), slot: id.slot }
    }
}

use howdah_proto::{BlockId, MemberId, Partition, StageId, TaskIndex};

/// A stage, as it is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageDescription {
    /// Its id; ids rise in the order of submission.
    pub stage: StageId,
    /// The stages of the same job whose outputs it needs; they have been submitted.
    pub parents: Vec<StageId>,
    /// Its tasks, in the order of their partitions.
    pub tasks: Vec<TaskDescription>,
    /// What becomes of the output of its tasks.
    pub output: Output,
}

/// What becomes of the output of a stage's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// It came with the report of success, and can't be lost.
    Returned,
    /// It stays on the executor, where child stages fetch it: the stage is the map side of a shuffle.
    Kept,
}

/// A task of a stage, as it is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDescription {
    /// The partition it computes.
    pub partition: Partition,
    /// Blocks that it reads; it runs where any of them is, if it can.
    pub prefers: Vec<BlockId>,
    /// The executor that has its output already, from an earlier job; only outputs that are kept have one.
    pub kept_at: Option<MemberId>,
}

/// A map output that an attempt could not fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostOutput {
    /// The map stage.
    pub stage: StageId,
    /// The task whose output it is.
    pub task: TaskIndex,
    /// The executor that should have had it.
    pub at: MemberId,
}

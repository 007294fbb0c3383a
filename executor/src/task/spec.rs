use howdah_proto::{
    AttemptId, ContextId, Epoch, NodeId, Partition, Step, WireError, fence::RoundPart, pb, required,
};

use crate::{
    prepared::{PreparedBlock, SetId},
    rdd::Views,
};

/// One attempt of a task, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Which attempt of which task.
    pub attempt: AttemptId,
    /// The partition it works on.
    pub partition: Partition,
    /// The pictures of the partition, or the shards that have them.
    pub files: Vec<pb::FileEntry>,
    /// What is in the files, if they are shards of a prepared set.
    pub prepared: Option<PreparedBlock>,
    /// Executors that hold the partition's blocks.
    pub places: Vec<pb::BlockPlace>,
    /// Which views of each picture its block has.
    pub views: Views,
    /// What to do.
    pub work: Work,
}

/// What a task does with its partition.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Compute the block of a node and keep it.
    Compute {
        /// The node.
        node: NodeId,
    },
    /// Train for one epoch on the features that a node gives.
    Train {
        /// The node.
        node: NodeId,
        /// The epoch.
        epoch: Epoch,
        /// How many samples the partition has.
        samples: u64,
    },
    /// Compute the part of a partition in one round of training.
    Round {
        /// The node whose rows are the network's input.
        node: NodeId,
        /// The epoch.
        epoch: Epoch,
        /// How many samples the partition has.
        samples: u64,
        /// The round.
        part: RoundPart,
        /// Its first step in the epoch.
        first: Step,
        /// Its last step.
        last: Step,
    },
    /// Classify the features that a node gives.
    Evaluate {
        /// The node.
        node: NodeId,
        /// The tag under which the shards keep the weights.
        tag: u64,
    },
    /// Gather what an operator needs to be fitted.
    Fit(FitWork),
    /// Write the block as shards of a prepared set.
    Save(SaveWork),
    /// Compute the partition of a node of a context.
    Rdd(RddWork),
}

/// What an operator that lacks parameters is fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitWork {
    /// The node whose rows are the network's input.
    pub node: NodeId,
    /// The place of the operator on the way to it.
    pub operator: u32,
    /// How many pictures of the partition are looked at, its first ones.
    pub pictures: u64,
    /// About how many records all partitions give together.
    pub records: u64,
    /// Decides what is drawn.
    pub seed: u64,
}

/// Where the block of a partition is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveWork {
    /// The node whose rows are the network's input.
    pub node: NodeId,
    /// The folder, as an absolute path or a URL.
    pub location: String,
    /// Which set the shards are of.
    pub set: SetId,
}

/// What a task does with a partition of an RDD.
#[derive(Debug, Clone, PartialEq)]
pub struct RddWork {
    /// Whose RDD it is.
    pub context: ContextId,
    /// Its node.
    pub node: NodeId,
    /// What becomes of the records.
    pub output: RddOutput,
    /// The executor that second copies of kept blocks go to, if there is another.
    pub second_copy: Option<String>,
    /// The most bytes that the result may take.
    pub result_limit_bytes: u64,
}

/// What becomes of the records of a partition.
#[derive(Debug, Clone, PartialEq)]
pub enum RddOutput {
    /// They become a map output of this shuffle.
    Shuffle(NodeId),
    /// They are given to an action.
    Action(pb::Action),
}

impl TryFrom<pb::RddTask> for RddWork {
    type Error = WireError;

    fn try_from(task: pb::RddTask) -> Result<Self, WireError> {
        let output = match required(task.output, "rdd.output")? {
            pb::rdd_task::Output::Shuffle(shuffle) => RddOutput::Shuffle(NodeId(shuffle)),
            pb::rdd_task::Output::Action(action) => RddOutput::Action(action),
        };
        let second_copy = (!task.second_copy.is_empty()).then_some(task.second_copy);
        Ok(Self {
            context: ContextId(task.context_id),
            node: NodeId(task.node),
            output,
            second_copy,
            result_limit_bytes: task.result_limit_bytes,
        })
    }
}

impl TryFrom<pb::TaskSpec> for Task {
    type Error = WireError;

    fn try_from(spec: pb::TaskSpec) -> Result<Self, WireError> {
        use pb::task_spec::Work as Wire;
        let work = match required(spec.work, "work")? {
            Wire::Compute(work) => Work::Compute { node: NodeId(work.node) },
            Wire::Train(work) => {
                Work::Train { node: NodeId(work.node), epoch: Epoch(work.epoch), samples: work.samples }
            }
            Wire::Round(work) => Work::Round {
                node: NodeId(work.node),
                epoch: Epoch(work.epoch),
                samples: work.samples,
                part: required(work.round, "round")?.try_into()?,
                first: Step(work.first_step),
                last: Step(work.last_step),
            },
            Wire::Rdd(work) => Work::Rdd(work.try_into()?),
            Wire::Fit(work) => Work::Fit(FitWork {
                node: NodeId(work.node),
                operator: work.operator,
                pictures: work.pictures,
                records: work.records,
                seed: work.seed,
            }),
            Wire::Save(work) => Work::Save(SaveWork {
                node: NodeId(work.node),
                location: work.location,
                set: SetId::try_from(&work.set[..])?,
            }),
            Wire::Evaluate(work) => Work::Evaluate { node: NodeId(work.node), tag: work.tag },
        };
        let prepared = spec.prepared.map(|block| PreparedBlock::from_wire(block, spec.files.len()));
        Ok(Self {
            attempt: spec.attempt.try_into()?,
            partition: Partition(spec.partition),
            prepared: prepared.transpose()?,
            files: spec.files,
            places: spec.places,
            views: spec.views.map_or(Ok(Views::PLAIN), Views::try_from)?,
            work,
        })
    }
}

use howdah_proto::{AttemptId, Epoch, NodeId, Partition, WireError, pb, required};

/// One attempt of a task, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Which attempt of which task.
    pub attempt: AttemptId,
    /// The partition it works on.
    pub partition: Partition,
    /// The pictures of the partition.
    pub files: Vec<pb::FileEntry>,
    /// Executors that hold the partition's blocks.
    pub places: Vec<pb::BlockPlace>,
    /// What to do.
    pub work: Work,
}

/// What a task does with its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Classify the features that a node gives.
    Evaluate {
        /// The node.
        node: NodeId,
        /// The tag under which the shards keep the weights.
        tag: u64,
    },
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
            Wire::Evaluate(work) => Work::Evaluate { node: NodeId(work.node), tag: work.tag },
        };
        Ok(Self {
            attempt: spec.attempt.try_into()?,
            partition: Partition(spec.partition),
            files: spec.files,
            places: spec.places,
            work,
        })
    }
}

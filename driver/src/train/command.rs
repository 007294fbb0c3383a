use std::sync::Arc;

use howdah_executor::learn::Network;
use howdah_proto::{
    MemberId, NodeId, Partition,
    event::{Event, JobReport, ShardReport, StageKind},
    pb,
    settings::UpdateRule,
};

use crate::dataset::PictureFile;

/// What a training job wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum JobCommand {
    /// List the pictures, drawing them first if they are synthetic.
    ListDataset,
    /// Let executors read these files from the driver.
    ServeFiles(Arc<Vec<PictureFile>>),
    /// Tell executors this about the job before its next task.
    Share(Box<pb::PutJob>),
    /// Run a stage.
    Stage {
        /// What it does.
        kind: StageKind,
        /// Its tasks.
        tasks: Vec<StageTask>,
    },
    /// Create the shards and write the initial weights to them.
    CreateShards {
        /// Where they go.
        places: Vec<pb::ShardPlace>,
        /// What they do with a push.
        rule: UpdateRule,
        /// What the weights are initialised for; none if they start at zero.
        network: Option<Network>,
        /// What the initial weights depend on.
        seed: u64,
    },
    /// Keep the weights as they are now under this tag.
    Tag(u64),
    /// Forget the weights kept under this tag.
    Untag(u64),
    /// Fetch the weights kept under this tag and what the shards have counted.
    Collect {
        /// The tag.
        tag: u64,
        /// Whether the weights count batches.
        counting: bool,
    },
    /// Tell whoever watches.
    Emit(Event),
    /// The job is over.
    End(Box<Ending>),
}

impl JobCommand {
    /// Whether the job is over and gave a model.
    pub fn finishes(&self) -> bool {
        matches!(self, Self::End(ending) if matches!(**ending, Ending::Finished(_)))
    }
}

/// A task of a stage that a job wants run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTask {
    /// Its partition.
    pub partition: Partition,
    /// The node whose block it would like to find where it runs.
    pub prefers: Option<NodeId>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// It gave a model.
    Finished(JobReport),
    /// It failed.
    Failed {
        /// Why.
        error: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// It was cancelled.
    Cancelled {
        /// Why.
        reason: String,
    },
}

/// What a job sees of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterView {
    /// Task slots of all executors together.
    pub slots: u32,
    /// The parameter servers and where they listen.
    pub paramservers: Vec<(MemberId, String)>,
}

/// What the shards hold at the end of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// What each shard says.
    pub shards: Vec<ShardReport>,
}

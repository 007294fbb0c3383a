use std::sync::Arc;

use howdah_executor::learn::Network;
use howdah_proto::{
    Epoch, MemberId, NodeId, Partition,
    event::{Event, JobReport, PrepareReport, ShardReport, StageKind},
    pb,
    settings::ShardSpec,
};

use super::{FitRequest, OpId, Question, ShardIo, SnapshotRequest, Ticket};
use crate::{dataset::PictureFile, prepared::Manifest};

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
    /// Find the parameters of an operator.
    Fit(Box<FitRequest>),
    /// Run the part of an epoch in one round.
    Round {
        /// The epoch.
        epoch: Epoch,
        /// Its tasks.
        tasks: Vec<StageTask>,
    },
    /// Forget the stages of this kind, and cancel their tasks.
    DropStage(StageKind),
    /// All rounds of an epoch are done.
    RoundsDone(Epoch),
    /// Make shards.
    MakeShards(Box<MakeShards>),
    /// Ask something of a shard.
    Shard(ShardIo),
    /// Tell executors that know the job where the shards are.
    PutPlaces(Vec<pb::ShardPlace>),
    /// Ask all shards something.
    Ask(Ticket, Question),
    /// Forget the weights kept under this tag.
    Untag(u64),
    /// Take a snapshot.
    Snapshot(Box<SnapshotRequest>),
    /// Look what there is at a location before snapshots are taken there.
    FindSnapshots(String),
    /// Read the newest whole snapshot at a location.
    ReadSnapshot(String),
    /// Make a prepared set whole.
    CommitPrepared {
        /// Its folder, as a path or a URL.
        location: String,
        /// What is in it.
        manifest: Box<Manifest>,
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

/// Shards that are to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct MakeShards {
    /// Where.
    pub shards: Vec<(OpId, pb::ShardPlace)>,
    /// What they do with a push.
    pub spec: ShardSpec,
    /// Where their weights come from.
    pub origin: Origin,
}

/// Where the weights of a shard come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// They are initialised.
    Initial {
        /// For which network; they start at zero without one.
        network: Option<Network>,
        /// What they depend on.
        seed: u64,
    },
    /// They are read from a snapshot.
    Snapshot {
        /// Its folder, as a URL.
        folder: String,
        /// Its files.
        saved: Vec<pb::SavedShard>,
    },
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
    Finished(Box<JobReport>),
    /// It wrote a prepared set.
    Prepared(PrepareReport),
    /// It failed.
    Failed {
        /// Why.
        error: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// It did not begin, because of what is where it goes on from or takes its snapshots.
    Refused {
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
    /// The parameter servers that want to leave.
    pub leaving: Vec<(MemberId, String)>,
}

/// What the shards hold at the end of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// What each shard says.
    pub shards: Vec<ShardReport>,
}

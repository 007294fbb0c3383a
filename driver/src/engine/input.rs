use bytes::Bytes;
use howdah_proto::{
    ContextId, JobId, MemberId, NodeId, SessionId, ShardIndex, SnapshotId, WireError, lineage::OperatorSpec,
    pb, settings::TrainSettings,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    dataset::Dataset,
    membership::Registration,
    prepared::PreparedSet,
    snapshot::{Found, Manifest, Newest, SnapshotError},
    train::{Answer, OpId, ShardFault, SnapshotFault, Ticket},
};

/// What reaches the engine from outside.
#[derive(Debug)]
pub enum Input {
    /// A member wants to join; it has been checked.
    Register {
        /// What it says of itself.
        registration: Registration,
        /// Where its id and session go.
        reply: oneshot::Sender<(MemberId, SessionId)>,
    },
    /// A member lives.
    Beat {
        /// Its beat.
        beat: pb::Beat,
        /// Whether its registration is known.
        reply: oneshot::Sender<bool>,
    },
    /// A member's connection is gone.
    Disconnected {
        /// Who.
        member: MemberId,
        /// In which registration.
        session: SessionId,
        /// How that was noticed.
        reason: String,
    },
    /// An executor is ready for tasks.
    Attach {
        /// Who.
        member: MemberId,
        /// In which registration.
        session: SessionId,
        /// Where its commands go.
        commands: mpsc::UnboundedSender<pb::TaskCommand>,
        /// Whether its registration is known.
        reply: oneshot::Sender<bool>,
    },
    /// An executor reports on a task.
    Update {
        /// Who.
        member: MemberId,
        /// In which registration.
        session: SessionId,
        /// What.
        update: pb::task_update::Update,
    },
    /// A client submits a job, whose settings have been validated.
    Submit {
        /// Its name.
        name: String,
        /// Its settings.
        settings: Box<TrainSettings>,
        /// Where its id goes.
        reply: oneshot::Sender<JobId>,
    },
    /// A client cancels a job.
    Cancel {
        /// Which.
        job: JobId,
        /// Why.
        reason: String,
    },
    /// A client wants the parameters of a job spread over another number of shards.
    Reshard {
        /// Which job.
        job: JobId,
        /// Over how many.
        shards: u32,
        /// Whether that can be.
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// A client asks who is there.
    Members {
        /// Where the answer goes.
        reply: oneshot::Sender<Vec<pb::Member>>,
    },
    /// A client asks which training jobs there are.
    Running {
        /// Where the answer goes.
        reply: oneshot::Sender<Vec<pb::RunningJob>>,
    },
    /// A program opens a context.
    OpenContext {
        /// What it is called.
        name: String,
        /// Where its id goes.
        reply: oneshot::Sender<ContextId>,
    },
    /// A program is gone, or needs its context no longer.
    CloseContext {
        /// Which.
        context: ContextId,
    },
    /// A program defines nodes of its lineage.
    Define {
        /// In which context.
        context: ContextId,
        /// The nodes.
        nodes: Vec<pb::Node>,
        /// Whether they make sense.
        reply: oneshot::Sender<Result<(), WireError>>,
    },
    /// A program runs an action.
    Run {
        /// Which.
        request: Box<pb::RunRequest>,
        /// Where what comes of it goes.
        replies: mpsc::UnboundedSender<pb::RunReply>,
        /// Where the id of its job goes.
        reply: oneshot::Sender<Result<JobId, WireError>>,
    },
    /// A program needs the kept partitions of a node no longer.
    Unpersist {
        /// In which context.
        context: ContextId,
        /// Which.
        node: NodeId,
        /// Whether there is such a node.
        reply: oneshot::Sender<Result<(), WireError>>,
    },
    /// Somebody asks what contexts are made of.
    Describe {
        /// Which one; all if absent.
        context: Option<ContextId>,
        /// Where the answer goes.
        reply: oneshot::Sender<pb::Description>,
    },
    /// Something that took time is done.
    Io {
        /// For which job.
        job: JobId,
        /// What came of it.
        result: IoResult,
    },
}

/// What came of an [`super::IoRequest`].
#[derive(Debug)]
pub enum IoResult {
    /// The pictures.
    Dataset(Result<Dataset, String>),
    /// The pictures are there as they were prepared before.
    PreparedSet(Box<Result<PreparedSet, String>>),
    /// A prepared set is whole, or can't be made so.
    Committed(Result<(), String>),
    /// An operator has its parameters, or can't have them.
    Fitted {
        /// Its place in the pipeline.
        place: u32,
        /// The operator with them.
        fitted: Result<OperatorSpec, String>,
    },
    /// What there is where snapshots are to be taken, or that it can't be told.
    SnapshotsFound(Result<Found, SnapshotError>),
    /// The newest whole snapshot of an earlier run, and its folder.
    SnapshotRead(Box<Result<Newest, SnapshotError>>),
    /// Something that was asked of one shard is done.
    ShardDone {
        /// The shard.
        shard: ShardIndex,
        /// Which request.
        op: OpId,
        /// How it ended.
        result: Result<(), ShardFault>,
    },
    /// All shards have answered; with the model file, if its weights were asked for.
    Answer(Ticket, Result<(Answer, Option<Bytes>), String>),
    /// It is decided what is in a snapshot.
    SnapshotPlanned(SnapshotId),
    /// A snapshot is durable, or isn't taken.
    SnapshotTaken(SnapshotId, Box<Result<Manifest, SnapshotFault>>),
}

/// How services talk to the engine.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) members: watch::Receiver<MemberCounts>,
}

/// How many members there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemberCounts {
    /// Executors that are ready for tasks.
    pub executors: u32,
    /// Parameter servers.
    pub paramservers: u32,
}

/// The engine has stopped: the driver is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the driver is shutting down")]
pub struct EngineClosed;

impl EngineHandle {
    /// Hands an input to the engine.
    ///
    /// # Errors
    /// [`EngineClosed`].
    pub async fn send(&self, input: Input) -> Result<(), EngineClosed> {
        self.inputs.send(input).await.map_err(|_| EngineClosed)
    }

    /// Hands an input to the engine and waits for its answer.
    ///
    /// # Errors
    /// [`EngineClosed`].
    pub async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, EngineClosed> {
        let (reply, answer) = oneshot::channel();
        self.send(input(reply)).await?;
        answer.await.map_err(|_| EngineClosed)
    }

    /// Waits until so many members have joined.
    ///
    /// # Errors
    /// [`EngineClosed`].
    pub async fn wait_for_members(&self, executors: u32, paramservers: u32) -> Result<(), EngineClosed> {
        let mut members = self.members.clone();
        members
            .wait_for(|counts| counts.executors >= executors && counts.paramservers >= paramservers)
            .await
            .map(|_| ())
            .map_err(|_| EngineClosed)
    }
}

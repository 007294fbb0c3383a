use std::sync::Arc;

use bytes::Bytes;
use howdah_proto::{
    ContextId, JobId, MemberId,
    event::Event,
    pb,
    settings::{Pipeline, TrainSettings},
};

use crate::{
    dataset::PictureFile,
    prepared::Manifest,
    train::{FitRequest, MakeShards, ShardIo, SnapshotRequest, Ticket},
};

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send a command to an executor.
    Send {
        /// Whom.
        executor: MemberId,
        /// What.
        command: pb::task_command::Command,
    },
    /// Close the connection to an executor.
    Hangup {
        /// Whose.
        executor: MemberId,
    },
    /// Tell those who watch a job.
    Emit {
        /// Which job.
        job: JobId,
        /// What happened.
        event: Event,
    },
    /// Let executors read a job's pictures.
    ServeFiles {
        /// Which job.
        job: JobId,
        /// The pictures.
        files: Arc<Vec<PictureFile>>,
    },
    /// Let clients fetch the model of a job.
    KeepModel {
        /// Which job.
        job: JobId,
        /// The model file.
        model: Bytes,
    },
    /// Tell the program that runs a job.
    Reply {
        /// Which job.
        job: JobId,
        /// What.
        reply: pb::RunReply,
    },
    /// The program that runs a job has been told everything.
    EndReplies {
        /// Which job.
        job: JobId,
    },
    /// Drop the objects of a context.
    DropObjects {
        /// Whose.
        context: ContextId,
    },
    /// Do something that takes time, and report back.
    Io {
        /// For which job.
        job: JobId,
        /// What.
        request: IoRequest,
    },
}

/// Something that takes time.
#[derive(Debug, Clone, PartialEq)]
pub enum IoRequest {
    /// List the pictures.
    ListDataset {
        /// What was set for the job.
        settings: Arc<TrainSettings>,
    },
    /// Find the parameters of an operator.
    Fit(Box<FitRequest>),
    /// Look what there is at a location before snapshots are taken there.
    FindSnapshots {
        /// Where.
        location: String,
    },
    /// Read the newest whole snapshot at a location.
    ReadSnapshot {
        /// Where.
        location: String,
    },
    /// Make a prepared set whole.
    CommitPrepared {
        /// Its folder, as a path or a URL.
        location: String,
        /// What is in it.
        manifest: Box<Manifest>,
    },
    /// Make shards; each is reported by itself.
    MakeShards(Box<MakeShards>),
    /// Ask something of the primary of a shard.
    Shard(ShardIo),
    /// Ask all shards something.
    Ask {
        /// Which question it is.
        ticket: Ticket,
        /// Where they are.
        places: Vec<pb::ShardPlace>,
        /// What.
        question: AskRequest,
    },
    /// Forget the weights under a tag.
    Untag {
        /// Where.
        places: Vec<pb::ShardPlace>,
        /// The tag.
        tag: u64,
    },
    /// Take a snapshot.
    Snapshot(Box<SnapshotRequest>),
    /// Forget what is kept of the replicas of an executor.
    ForgetReplicas {
        /// The parameter servers.
        servers: Vec<String>,
        /// The executor.
        executor: MemberId,
    },
    /// Forget the shards of a job that others have replaced.
    DropReplaced {
        /// The parameter servers.
        servers: Vec<String>,
        /// Where the shards are now.
        places: Vec<pb::ShardPlace>,
    },
    /// Forget the shards of a job.
    DropShards {
        /// The parameter servers.
        servers: Vec<String>,
    },
}

/// What all shards are asked, with what the answer is made from.
#[derive(Debug, Clone, PartialEq)]
pub enum AskRequest {
    /// Which steps they have.
    Marks,
    /// To keep the weights under a tag.
    Tag(u64),
    /// For what the model is made from.
    Collect(Box<Collect>),
}

/// What the model is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Collect {
    /// The tag of the weights.
    pub tag: u64,
    /// Whether the weights count batches.
    pub counting: bool,
    /// What was set for the job.
    pub settings: Arc<TrainSettings>,
    /// What happens to a picture, with the parameters that were found.
    pub pipeline: Pipeline,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Values in a sample.
    pub features: u32,
}

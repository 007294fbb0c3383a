use std::sync::Arc;

use bytes::Bytes;
use howdah_executor::learn::Network;
use howdah_proto::{
    ContextId, JobId, MemberId,
    event::Event,
    pb,
    settings::{TrainSettings, UpdateRule},
};

use crate::dataset::PictureFile;

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
    /// Create shards and write the initial weights.
    CreateShards {
        /// Where.
        places: Vec<pb::ShardPlace>,
        /// What they do with a push.
        rule: UpdateRule,
        /// What the weights are initialised for; none if they start at zero.
        network: Option<Network>,
        /// What the initial weights depend on.
        seed: u64,
    },
    /// Keep the weights under a tag.
    Tag {
        /// Where.
        places: Vec<pb::ShardPlace>,
        /// The tag.
        tag: u64,
    },
    /// Forget the weights under a tag.
    Untag {
        /// Where.
        places: Vec<pb::ShardPlace>,
        /// The tag.
        tag: u64,
    },
    /// Fetch the weights under a tag, count, and make the model.
    Collect(Box<Collect>),
    /// Forget the shards of a job.
    DropShards {
        /// Where.
        places: Vec<pb::ShardPlace>,
    },
}

/// What the model is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Collect {
    /// Where the shards are.
    pub places: Vec<pb::ShardPlace>,
    /// The tag of the weights.
    pub tag: u64,
    /// Whether the weights count batches.
    pub counting: bool,
    /// What was set for the job.
    pub settings: Arc<TrainSettings>,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Values in a sample.
    pub features: u32,
}

use howdah_paramserver::{client::ParametersError, stores::FolderError};
use howdah_proto::{
    NodeId, Round, WireError,
    event::FailureKind,
    pb::{self, attempt_failed::Kind},
};

use crate::{
    learn::{LearnError, NetworkError, SummaryError},
    prepared::ShardError,
    rdd::{Again, OperatorError, RddError, RegistryError, SamplesError},
    source::SourceError,
};

/// Why an attempt did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It is no longer wanted.
    #[error("cancelled")]
    Cancelled,
    /// A newer attempt of the task has taken over.
    #[error("a newer attempt has taken over")]
    Superseded,
    /// The driver asks for something that the job doesn't have.
    #[error("the job has no {0}")]
    Missing(&'static str),
    /// The lineage doesn't lead to the node.
    #[error("node {0} can't be computed: {1}")]
    Lineage(NodeId, &'static str),
    /// An operator of the lineage can't be built.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An operator stands where it can't work.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// Pictures that can't stand in one block.
    #[error(transparent)]
    Samples(#[from] SamplesError),
    /// Pictures can't be read from the driver.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file is not the shard of a prepared set that it should be.
    #[error("{file}: {error}")]
    Shard {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: ShardError,
    },
    /// Shards can't be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The partition has another number of samples than when it was first computed.
    #[error("the partition has {got} samples now, it had {expected}: the pictures changed while the job ran")]
    Changed {
        /// Samples that the driver knows of.
        expected: u64,
        /// Samples that are there.
        got: u64,
    },
    /// The network can't compute.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// The network can't be made.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A label that no class has, or what are no probabilities.
    #[error(transparent)]
    Summary(#[from] SummaryError),
    /// A shard has lost rounds before the one that the task is of: it was restored.
    #[error("a shard is not at the round before round {0}: it was restored from an older snapshot")]
    Behind(Round),
    /// The shards can't be reached, or refuse.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// A partition of an RDD can't be computed.
    #[error(transparent)]
    Rdd(#[from] RddError),
    /// The driver asks for something that makes no sense.
    #[error("the driver sent a task that makes no sense: {0}")]
    Wire(#[from] WireError),
    /// The attempt panicked: a bug, kept from taking the executor down.
    #[error("the task broke off with an internal error: {0}")]
    Panicked(String),
}

impl TaskError {
    /// Which kind of failure it is: what decides whether it is tried again.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Cancelled => FailureKind::Cancelled,
            Self::Superseded => FailureKind::Superseded,
            Self::Missing(_)
            | Self::Lineage(..)
            | Self::Registry(_)
            | Self::Operator(_)
            | Self::Samples(_)
            | Self::Shard { .. }
            | Self::Changed { .. }
            | Self::Learn(_)
            | Self::Network(_)
            | Self::Wire(_)
            | Self::Summary(_) => FailureKind::BadInput,
            Self::Rdd(error) => kind_of(error),
            Self::Source(_) | Self::Folder(_) | Self::Panicked(_) => FailureKind::Task,
            Self::Behind(_) | Self::Parameters(_) => FailureKind::ShardUnavailable,
        }
    }

    /// Which map outputs could not be had, if it failed by that.
    pub fn fetch_failed(&self) -> Option<pb::FetchFailed> {
        let Self::Rdd(RddError::Fetch(failure)) = self else { return None };
        Some(pb::FetchFailed {
            shuffle: failure.shuffle.0,
            member_id: failure.executor.0,
            partitions: failure.partitions.iter().map(|partition| partition.0).collect(),
        })
    }

    /// The kind as it goes to the driver.
    pub fn wire_kind(&self) -> Kind {
        match self.kind() {
            FailureKind::Task => Kind::Task,
            FailureKind::FetchFailed => Kind::FetchFailed,
            FailureKind::BadInput => Kind::BadInput,
            FailureKind::Superseded => Kind::Superseded,
            FailureKind::ShardUnavailable => Kind::ShardUnavailable,
            FailureKind::Cancelled => Kind::Cancelled,
            FailureKind::ExecutorLost => Kind::ExecutorDraining,
        }
    }
}

/// Which kind of failure it is that a partition can't be computed.
fn kind_of(error: &RddError) -> FailureKind {
    match error {
        RddError::Cancelled => FailureKind::Cancelled,
        RddError::Fetch(_) => FailureKind::FetchFailed,
        RddError::Function { again: Again::No, .. }
        | RddError::Codec { .. }
        | RddError::Registry(_)
        | RddError::RecordTooLarge(_)
        | RddError::ResultTooLarge { .. }
        | RddError::Lineage { .. } => FailureKind::BadInput,
        RddError::Function { again: Again::Yes, .. }
        | RddError::File { .. }
        | RddError::Frame(_)
        | RddError::Memory { .. }
        | RddError::Driver { .. } => FailureKind::Task,
    }
}

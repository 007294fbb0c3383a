use serde::{Deserialize, Serialize};

use crate::Epoch;

/// The role of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It computes tasks.
    Executor,
    /// It holds shards.
    Paramserver,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Executor => "executor",
            Self::Paramserver => "parameter server",
        })
    }
}

/// What a stage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "stage_kind", rename_all = "snake_case")]
pub enum StageKind {
    /// Pictures are decoded and prepared, and the blocks cached.
    Prepare,
    /// What an operator is fitted to is gathered from training pictures.
    Fit {
        /// The operator's place in the pipeline.
        operator: u32,
    },
    /// What was prepared is written as the shards of a prepared set.
    Save,
    /// Replicas train for one epoch.
    Train {
        /// Which.
        epoch: Epoch,
    },
    /// The held-out pictures are classified with the weights after an epoch.
    Evaluate {
        /// Which.
        epoch: Epoch,
    },
}

impl std::fmt::Display for StageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prepare => f.write_str("prepare"),
            Self::Fit { operator } => write!(f, "fit operator {operator}"),
            Self::Save => f.write_str("save"),
            Self::Train { epoch } => write!(f, "train epoch {epoch}"),
            Self::Evaluate { epoch } => write!(f, "evaluate epoch {epoch}"),
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The task's own error.
    Task,
    /// The input is wrong; trying again can't help.
    BadInput,
    /// A newer attempt has taken over.
    Superseded,
    /// A shard did not answer.
    ShardUnavailable,
    /// It was cancelled.
    Cancelled,
    /// The executor was lost, or drained.
    ExecutorLost,
    /// Map outputs that it needed could not be fetched.
    FetchFailed,
}

use std::path::{Path, PathBuf};

use howdah_proto::{MemberId, NodeId, Partition};

use super::{FrameError, RecordTooLarge, RegistryError};

/// Why a partition could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum RddError {
    /// It is no longer wanted.
    #[error("cancelled")]
    Cancelled,
    /// A user's function says that it can't go on.
    #[error("`{function}` failed: {message}")]
    Function {
        /// The function.
        function: &'static str,
        /// What it says.
        message: String,
        /// Whether another attempt could do better.
        again: Again,
    },
    /// A record can't be encoded, or is not what its type says.
    #[error("`{function}`: {reason}")]
    Codec {
        /// Whose record it is.
        function: String,
        /// What is wrong.
        reason: String,
    },
    /// A function can't be built.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A record doesn't fit.
    #[error(transparent)]
    RecordTooLarge(#[from] RecordTooLarge),
    /// The lineage can't be computed as it stands.
    #[error("node {node} can't be computed: {reason}")]
    Lineage {
        /// The node.
        node: NodeId,
        /// Why not.
        reason: String,
    },
    /// A file can't be written or read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A batch was damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Map outputs of a shuffle can't be had: they must be computed again.
    #[error(transparent)]
    Fetch(#[from] FetchFailure),
    /// Something that was asked for needs more memory than there is.
    #[error("{what} needs {bytes} bytes: {hint}")]
    Memory {
        /// What.
        what: String,
        /// How much.
        bytes: u64,
        /// What the user can do.
        hint: &'static str,
    },
    /// The result of a task is larger than the program allows.
    #[error(
        "the result of a task takes {bytes} bytes or more, and {limit} are allowed: \
         raise the limit of results, take fewer records, or save them to files"
    )]
    ResultTooLarge {
        /// How much it takes at least.
        bytes: u64,
        /// How much it may take.
        limit: u64,
    },
    /// The driver can't be asked for what the partition needs.
    #[error("the driver did not give {what}: {reason}")]
    Driver {
        /// What was asked for.
        what: String,
        /// Why it wasn't given.
        reason: String,
    },
}

/// Whether another attempt could do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It could.
    Yes,
    /// It couldn't: the job fails at once.
    No,
}

/// Map outputs that could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} map outputs of shuffle {shuffle} can't be fetched from executor {executor} at {address}: {reason}", partitions.len())]
pub struct FetchFailure {
    /// The node of the shuffle.
    pub shuffle: NodeId,
    /// Who should have them.
    pub executor: MemberId,
    /// Where that is.
    pub address: String,
    /// The map partitions.
    pub partitions: Vec<Partition>,
    /// Why they can't be had.
    pub reason: String,
}

impl RddError {
    /// Says what the system says about a file.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.to_owned(), reason: error.to_string() }
    }
}

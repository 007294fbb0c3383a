use std::time::Duration;

use howdah_proto::ShardIndex;

use super::PlacesError;

/// Something that went wrong between a client and a shard.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParametersError {
    /// The parameter server doesn't answer, however often it is asked.
    #[error("shard {shard} at {address} can't be reached: {reason}")]
    Unreachable {
        /// The shard.
        shard: ShardIndex,
        /// Where it should be.
        address: String,
        /// What went wrong the last time.
        reason: String,
    },
    /// The parameter server refuses what it was asked for.
    #[error("shard {shard} at {address} refuses: {reason}")]
    Rejected {
        /// The shard.
        shard: ShardIndex,
        /// Where it is.
        address: String,
        /// The kind of refusal; `NotFound` when the server doesn't have the shard.
        code: tonic::Code,
        /// Why.
        reason: String,
    },
    /// What came from the parameter server makes no sense.
    #[error("shard {shard} at {address} answers wrongly: {reason}")]
    Protocol {
        /// The shard.
        shard: ShardIndex,
        /// Where it is.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// No answer came in time.
    #[error("shard {shard} at {address} didn't answer within {} s", deadline.as_secs_f64())]
    Timeout {
        /// The shard.
        shard: ShardIndex,
        /// Where it is.
        address: String,
        /// How long the client waited.
        deadline: Duration,
    },
    /// The parameters are cut into other shards now. [`Parameters`](super::Parameters) begins such a call again.
    #[error("shard {shard} is cut in another way now")]
    Recut {
        /// The shard as it was.
        shard: ShardIndex,
    },
    /// The shard was made anew, and may lack what the call builds upon. A [replica](super::ReplicaClient) encodes such a
    /// push anew.
    #[error("shard {shard} was made anew")]
    Remade {
        /// The shard.
        shard: ShardIndex,
    },
    /// The caller's buffer doesn't have the length of the parameters.
    #[error("a buffer of {given} values was given for {parameters} parameters")]
    Buffer {
        /// The length of the buffer.
        given: u64,
        /// The number of parameters.
        parameters: u64,
    },
    /// The places of the shards make no sense.
    #[error(transparent)]
    Places(#[from] PlacesError),
}

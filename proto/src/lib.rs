//! The wire of Howdah: protobuf services, ids, and the validated types that travel in them.
//!
//! Nothing here decides anything. What arrives is a [`pb`] message; the modules beside it turn it into a type
//! that can be trusted, or into a [`WireError`] that names the field.

mod error;
mod ids;
mod refusal;

pub mod event;
pub mod exchange;
pub mod fence;
pub mod lineage;
pub mod registry;
pub mod settings;
pub mod transport;

pub use error::{WireError, required};
pub use ids::{
    AccumulatorId, Attempt, AttemptId, BlockId, ContextId, Epoch, JobId, MemberId, NodeId, ObjectId,
    Partition, ReplicaId, Round, SessionId, ShardIndex, SnapshotId, StageId, Step, TaskIndex, Term, Version,
};
pub use refusal::Refusal;

/// The version of the protocol between the roles; members with another one are refused at registration.
pub const PROTOCOL_VERSION: u32 = 9;

/// The version of the software, as users see it.
pub const SOFTWARE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The generated messages, clients and servers.
#[allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]
pub mod pb {
    tonic::include_proto!("howdah.v1");
}

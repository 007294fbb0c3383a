//! A training job from its submission to its model: a pure state machine, as the scheduler below it.

mod check;
mod choice;
mod closing;
mod command;
mod cut;
mod epochs;
mod finish;
mod fits;
mod job;
mod listing;
mod moves;
mod prepare;
mod prepared;
mod progress;
mod resume;
mod rounds;
mod saves;
mod shards;
mod sharing;
mod training;
mod work;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use check::Implausible;
pub use closing::{Answer, Question, Ticket};
pub use command::{ClusterView, Collected, Ending, JobCommand, MakeShards, Origin, StageTask};
pub use cut::{Cut, Layout, PartitionUse};
pub use fits::{FitRequest, ToFit, operators_to_fit};
pub use job::TrainJob;
pub use progress::StageProgress;
pub use saves::{CutKind, Durable, Position, SnapshotFault, SnapshotRequest};
pub use shards::{OpId, ShardFault, ShardIo};
pub use sharing::FitKey;

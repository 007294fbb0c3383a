//! A training job from its submission to its model: a pure state machine, as the scheduler below it.

mod check;
mod command;
mod cut;
mod epochs;
mod finish;
mod job;
mod prepare;
mod progress;
mod training;
mod work;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use check::Implausible;
pub use command::{ClusterView, Collected, Ending, JobCommand, StageTask};
pub use cut::{Cut, PartitionUse};
pub use job::TrainJob;
pub use progress::StageProgress;

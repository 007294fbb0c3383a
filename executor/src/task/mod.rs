//! What a task slot does: compute a block, train an epoch on it, or evaluate with it.

mod batches;
mod block;
mod compute;
mod error;
mod evaluate;
mod exchange;
mod job;
mod peer;
mod slot;
mod spec;
mod train;
mod updates;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use howdah_proto::{BlockId, pb};
use tokio::runtime::Handle;
use tonic::transport::Channel;

use crate::{rdd::Registry, store::BlockStore};

pub use batches::steps;
pub use error::TaskError;
pub use job::{JobContext, TrainContext};
pub use slot::Slot;
pub use spec::{Task, Work};

/// What every task of an executor shares.
#[derive(Clone)]
pub struct Environment {
    /// The blocks of this executor.
    pub store: Arc<BlockStore>,
    /// The operators this executor knows.
    pub registry: Arc<Registry>,
    /// Where requests to others run; tasks block on it from their own threads.
    pub runtime: Handle,
}

/// Set once, when an attempt is no longer wanted.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks the attempt to stop at its next record or step.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends the attempt here if it is no longer wanted.
    ///
    /// # Errors
    /// [`TaskError::Cancelled`].
    pub fn check(&self) -> Result<(), TaskError> {
        if self.0.load(Ordering::Relaxed) { Err(TaskError::Cancelled) } else { Ok(()) }
    }
}

/// One attempt as it runs.
pub struct Run<'a> {
    /// What all tasks share.
    pub environment: &'a Environment,
    /// The driver, for pictures that can't be seen here.
    pub driver: &'a Channel,
    /// What the tasks of the job share.
    pub job: &'a JobContext,
    /// The task.
    pub task: &'a Task,
    /// Whether it is still wanted.
    pub cancel: &'a CancelFlag,
    /// Takes what is done and of how much.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What an attempt gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The result, as it goes to the driver.
    pub result: pb::attempt_succeeded::Result,
    /// A block that this attempt put into the store.
    pub stored: Option<BlockId>,
    /// Blocks that had to leave the store for it.
    pub evicted: Vec<BlockId>,
}

/// Runs one attempt to its end in the calling thread, with the replica of that thread's slot.
///
/// # Errors
/// [`TaskError`], which says whether another attempt can help.
pub fn run(run: &Run<'_>, slot: &mut Slot) -> Result<Outcome, TaskError> {
    match run.task.work {
        Work::Compute { node } => compute::run(run, node),
        Work::Train { node, epoch, samples } => train::run(run, node, epoch, samples, slot),
        Work::Evaluate { node, tag } => evaluate::run(run, node, tag, slot),
    }
}

//! What a task slot does: compute a block, fit an operator to it, write it, train an epoch on it, or evaluate with it.

mod batches;
mod block;
mod compute;
mod context;
mod error;
mod evaluate;
mod fit;
mod job;
mod payload;
mod peer;
mod pictures;
mod rdd;
mod save;
mod slot;
mod spec;
mod train;
mod wait;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use howdah_proto::{BlockId, MemberId, ReplicaId, pb};
use tokio::runtime::Handle;
use tonic::transport::Channel;

use crate::{
    memory::Memory,
    rdd::{Registry, scope::BroadcastCache},
    service::Peers,
    shuffle::{OutputStore, Workspace},
    store::{BlockStore, Scratch},
};

use train::Input;

pub use batches::steps;
pub use context::{ContextView, Holder, OutputPlaces};
pub use error::TaskError;
pub use job::{JobContext, TrainContext};
pub use slot::Slot;
pub use spec::{FitWork, RddOutput, RddWork, SaveWork, Task, Work};

/// What every task of an executor shares.
#[derive(Clone)]
pub struct Environment {
    /// The memory that tasks, blocks and map outputs share.
    pub memory: Memory,
    /// Where what doesn't fit goes.
    pub scratch: Arc<Scratch>,
    /// The blocks of this executor.
    pub store: Arc<BlockStore>,
    /// Its map outputs.
    pub outputs: Arc<OutputStore>,
    /// The broadcast values that its tasks have read.
    pub broadcasts: Arc<BroadcastCache>,
    /// The connections to other executors.
    pub peers: Peers,
    /// The operators this executor knows.
    pub registry: Arc<Registry>,
    /// Where requests to others run; tasks block on it from their own threads.
    pub runtime: Handle,
}

impl Environment {
    /// Makes that of an executor that has computed nothing yet.
    pub fn new(memory: Memory, scratch: Arc<Scratch>, registry: Registry, runtime: Handle) -> Self {
        Self {
            store: BlockStore::new(&memory, &scratch),
            outputs: OutputStore::new(&memory, &scratch),
            memory,
            scratch,
            broadcasts: Arc::default(),
            peers: Peers::default(),
            registry: Arc::new(registry),
            runtime,
        }
    }

    /// Where a task sorts and merges.
    fn workspace(&self, cancel: &CancelFlag) -> Workspace {
        Workspace { memory: self.memory.clone(), scratch: self.scratch.clone(), cancel: cancel.clone() }
    }
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

/// What the tasks of a job or a context share.
#[derive(Debug, Clone)]
pub enum Shared {
    /// A training job.
    Job(Arc<JobContext>),
    /// A context of a program.
    Context(Arc<ContextView>),
}

/// One attempt as it is given to a slot.
pub struct Assigned<'a> {
    /// What all tasks share.
    pub environment: &'a Environment,
    /// The driver, for what can only be had there.
    pub driver: &'a Channel,
    /// Who this executor is to the driver.
    pub member: MemberId,
    /// What the tasks of its job share.
    pub shared: &'a Shared,
    /// The task.
    pub task: &'a Task,
    /// Whether it is still wanted.
    pub cancel: &'a CancelFlag,
    /// Takes what is done and of how much.
    pub progress: &'a dyn Fn(u64, u64),
}

/// One attempt of a training job's task as it runs.
pub struct Run<'a> {
    /// What all tasks share.
    pub environment: &'a Environment,
    /// The driver, for pictures that can't be seen here.
    pub driver: &'a Channel,
    /// Who the replica of its slot is to the shards.
    pub replica: ReplicaId,
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
    /// Blocks that this attempt put into the store.
    pub stored: Vec<BlockId>,
}

/// Runs one attempt to its end in the calling thread, with the replica of that thread's slot.
///
/// # Errors
/// [`TaskError`], which says whether another attempt can help.
pub fn run(attempt: &Assigned<'_>, slot: &mut Slot) -> Result<Outcome, TaskError> {
    let Assigned { environment, driver, member, shared, task, cancel, progress } = *attempt;
    let job = match (shared, &task.work) {
        (Shared::Context(view), Work::Rdd(work)) => return rdd::run(attempt, view, work),
        (Shared::Job(job), _) => job,
        (Shared::Context(_), _) => return Err(TaskError::Missing("training context")),
    };
    let replica = ReplicaId { member, slot: slot.number() };
    let run = &Run { environment, driver, replica, job, task, cancel, progress };
    match task.work {
        Work::Compute { node } => compute::run(run, node),
        Work::Train { node, epoch, samples } => train::stream(run, Input { node, epoch, samples }, slot),
        Work::Round { node, epoch, samples, part, first, last } => {
            train::round(run, Input { node, epoch, samples }, part, first..=last, slot)
        }
        Work::Evaluate { node, tag } => evaluate::run(run, node, tag, slot),
        Work::Fit(ref work) => fit::run(run, work),
        Work::Save(ref work) => save::run(run, work),
        Work::Rdd(_) => Err(TaskError::Missing("context")),
    }
}

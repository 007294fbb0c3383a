//! What a user's function reaches beside its records: accumulators and broadcast values of the task it runs in.

mod accumulator;
mod broadcast;
mod cache;

use std::{any::Any, cell::RefCell, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use howdah_proto::ObjectId;
use tokio::runtime::Handle;

pub use accumulator::{Accumulator, AccumulatorValue};
pub use broadcast::Broadcast;
pub use cache::{BroadcastCache, ContextKey};
pub use howdah_proto::AccumulatorId;

use super::{RddError, Registry};

/// Gives the objects that a program left with the driver.
pub trait Objects: Send + Sync {
    /// Gives an object.
    ///
    /// # Errors
    /// [`RddError`], naming the object.
    fn object(&self, id: ObjectId) -> Result<Bytes, RddError>;
}

/// What functions of a task may reach.
pub struct Reach {
    /// The context whose broadcast values they are.
    pub context: ContextKey,
    /// Gives what is not in the cache.
    pub objects: Arc<dyn Objects>,
    /// The decoded values of the executor.
    pub cache: Arc<BroadcastCache>,
    /// What else is there.
    pub surroundings: Surroundings,
}

/// What is there where a task runs.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// The functions that the executor knows.
    pub registry: Arc<Registry>,
    /// What drives its connections; a task may block on it.
    pub runtime: Option<Handle>,
}

/// Values that this thread has looked up already: a look that costs no lock.
type Seen = Vec<(ObjectId, Arc<dyn Any + Send + Sync>)>;

struct Inner {
    reach: Reach,
    updates: Vec<(AccumulatorId, AccumulatorValue)>,
    seen: Seen,
}

thread_local! {
    static CURRENT: RefCell<Option<Inner>> = const { RefCell::new(None) };
}

/// The scope of a task. While it lives, functions that run on this thread reach what it has.
pub struct Scope {
    before: Option<Inner>,
    /// It belongs to its thread.
    here: PhantomData<*const ()>,
}

impl Scope {
    /// Begins the scope of a task on this thread.
    pub fn enter(reach: Reach) -> Self {
        let inner = Inner { reach, updates: Vec::new(), seen: Vec::new() };
        Self { before: CURRENT.with(|current| current.replace(Some(inner))), here: PhantomData }
    }

    /// Takes what was added to accumulators since the scope began, or since the last time.
    pub fn take_updates(&self) -> Vec<(AccumulatorId, AccumulatorValue)> {
        CURRENT.with(|current| {
            current.borrow_mut().as_mut().map(|inner| std::mem::take(&mut inner.updates)).unwrap_or_default()
        })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let ended = CURRENT.with(|current| current.replace(self.before.take()));
        drop(ended);
    }
}

#[cfg(test)]
mod tests;

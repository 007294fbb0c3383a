use std::{marker::PhantomData, sync::Arc};

use howdah_proto::ObjectId;
use serde::{Deserialize, Serialize};

use super::{CURRENT, Surroundings};
use crate::rdd::{Again, Data, Failure, RddError, codec};

/// A value that a program gave to all its tasks: a field of the functions that use it. An executor fetches and reads
/// it once.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Broadcast<T> {
    object: ObjectId,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Broadcast<T> {}

impl<T: Data + Sync> Broadcast<T> {
    /// Makes a handle of an object that the driver keeps: the encoded value.
    pub fn new(object: ObjectId) -> Self {
        Self { object, of: PhantomData }
    }

    /// Which object it is.
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Gives the value.
    ///
    /// # Errors
    /// [`Failure`] if it can't be had, or outside of a task.
    pub fn value(&self) -> Result<Arc<T>, Failure> {
        CURRENT.with(|current| {
            let mut current = current.borrow_mut();
            let inner = current.as_mut().ok_or_else(|| {
                Failure::fatal(format!("broadcast value {} can be read in a task alone", self.object))
            })?;
            let seen = inner.seen.iter().filter(|(id, _)| *id == self.object);
            if let Some(value) = seen.map(|(_, value)| value.clone()).find_map(|value| value.downcast().ok())
            {
                return Ok(value);
            }
            let reach = &inner.reach;
            let value = reach.cache.get_or_read(reach.context, self.object, || {
                let bytes = reach.objects.object(self.object)?;
                codec::decode::<T>(&bytes).map_err(|error| error.of(&format!("broadcast {}", self.object)))
            });
            let value =
                value.map_err(|error| Failure { again: again(&error), message: error.to_string() })?;
            inner.seen.push((self.object, value.clone()));
            Ok(value)
        })
    }

    /// Gives what is made of the value, which an executor makes once. The value itself is not kept.
    ///
    /// # Errors
    /// [`Failure`] if it can't be had or made, or outside of a task.
    pub(crate) fn made<M: Send + Sync + 'static>(
        &self,
        make: impl FnOnce(&T, &Surroundings) -> Result<M, Failure>,
    ) -> Result<Arc<M>, Failure> {
        CURRENT.with(|current| {
            let current = current.borrow();
            let inner = current.as_ref().ok_or_else(|| {
                Failure::fatal(format!("broadcast value {} can be read in a task alone", self.object))
            })?;
            let reach = &inner.reach;
            let mut failed = None;
            let made = reach.cache.get_or_read(reach.context, self.object, || {
                let of = format!("broadcast {}", self.object);
                let bytes = reach.objects.object(self.object)?;
                let value = codec::decode::<T>(&bytes).map_err(|error| error.of(&of))?;
                make(&value, &reach.surroundings).map_err(|failure| {
                    let reason = failure.message.clone();
                    failed = Some(failure);
                    RddError::Codec { function: of, reason }
                })
            });
            made.map_err(|error| {
                failed.unwrap_or_else(|| Failure { again: again(&error), message: error.to_string() })
            })
        })
    }
}

/// Whether a value that can't be had may be had another time.
fn again(error: &RddError) -> Again {
    if matches!(error, RddError::Codec { .. }) { Again::No } else { Again::Yes }
}

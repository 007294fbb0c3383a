use std::{marker::PhantomData, sync::Arc};

use howdah_proto::ObjectId;
use serde::{Deserialize, Serialize};

use super::CURRENT;
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
}

/// Whether a value that can't be had may be had another time.
fn again(error: &RddError) -> Again {
    if matches!(error, RddError::Codec { .. }) { Again::No } else { Again::Yes }
}

//! What programs gave to the driver for their executors: slices of collections and broadcast values.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use howdah_proto::{ContextId, ObjectId};

/// The most that the objects of all contexts may take together.
const LIMIT_BYTES: u64 = 16 << 30;

/// The objects of all open contexts, shared between the services and the engine.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    open: BTreeSet<ContextId>,
    objects: BTreeMap<(ContextId, ObjectId), Bytes>,
    bytes: u64,
}

/// An object that can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The context isn't open.
    #[error("context {0} is not open")]
    Closed(ContextId),
    /// The id has been used for something else.
    #[error("object {1} of context {0} is there already, with other content")]
    Twice(ContextId, ObjectId),
    /// There is no room.
    #[error(
        "{bytes} more bytes of objects are more than the {LIMIT_BYTES} that the driver keeps: put large data into files and load it"
    )]
    Full {
        /// What was to be added.
        bytes: u64,
    },
}

impl Objects {
    /// Lets a context keep objects.
    pub fn open(&self, context: ContextId) {
        self.lock().open.insert(context);
    }

    /// Drops the objects of a context.
    pub fn close(&self, context: ContextId) {
        let mut kept = self.lock();
        kept.open.remove(&context);
        let last = (context, ObjectId(u64::MAX));
        let gone: Vec<_> = kept.objects.range((context, ObjectId(0))..=last).map(|(id, _)| *id).collect();
        gone.into_iter().for_each(|(context, object)| kept.remove(context, object));
    }

    /// Checks that an object of so many bytes could be kept, or is.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn check(&self, context: ContextId, object: ObjectId, bytes: u64) -> Result<(), ObjectError> {
        let kept = self.lock();
        if !kept.open.contains(&context) {
            return Err(ObjectError::Closed(context));
        }
        let is_there = kept.objects.contains_key(&(context, object));
        if !is_there && kept.bytes.saturating_add(bytes) > LIMIT_BYTES {
            return Err(ObjectError::Full { bytes });
        }
        Ok(())
    }

    /// Keeps an object. One that comes again, as it does when nobody waited for the answer, stays as it is.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn put(&self, context: ContextId, object: ObjectId, content: Bytes) -> Result<(), ObjectError> {
        self.check(context, object, content.len() as u64)?;
        let mut kept = self.lock();
        if let Some(known) = kept.objects.get(&(context, object)) {
            return if *known == content { Ok(()) } else { Err(ObjectError::Twice(context, object)) };
        }
        kept.bytes += content.len() as u64;
        kept.objects.insert((context, object), content);
        Ok(())
    }

    /// Drops an object.
    pub fn drop_object(&self, context: ContextId, object: ObjectId) {
        self.lock().remove(context, object);
    }

    /// The object, if it is there.
    pub fn get(&self, context: ContextId, object: ObjectId) -> Option<Bytes> {
        self.lock().objects.get(&(context, object)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Bytes and objects are changed together at the end of each method.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, context: ContextId, object: ObjectId) {
        if let Some(content) = self.objects.remove(&(context, object)) {
            self.bytes -= content.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_live_as_long_as_their_context() {
        let (objects, context, object) = (Objects::default(), ContextId(1), ObjectId(2));
        assert_eq!(objects.put(context, object, "a".into()), Err(ObjectError::Closed(context)));
        objects.open(context);
        objects.open(ContextId(2));
        objects.put(context, object, "abc".into()).unwrap();
        objects.put(ContextId(2), object, "d".into()).unwrap();
        objects.put(context, object, "abc".into()).unwrap();
        assert_eq!(objects.put(context, object, "abd".into()), Err(ObjectError::Twice(context, object)));
        objects.close(context);
        assert_eq!(objects.get(context, object), None);
        assert_eq!(objects.get(ContextId(2), object), Some("d".into()));
        assert_eq!(objects.lock().bytes, 1);
    }

    #[test]
    fn more_than_the_driver_can_keep_is_refused_before_it_comes() {
        let objects = Objects::default();
        objects.open(ContextId(1));
        let refused = objects.check(ContextId(1), ObjectId(1), u64::MAX);
        assert_eq!(refused, Err(ObjectError::Full { bytes: u64::MAX }));
    }
}

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::ObjectId;

use crate::rdd::RddError;

/// A context, as the one who keeps values apart names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContextKey(pub u64);

type Key = (ContextKey, ObjectId, TypeId);
/// A value, once it is there: its lock is held while it is read, so that it is read once.
type Place = Arc<Mutex<Option<Arc<dyn Any + Send + Sync>>>>;

/// The decoded broadcast values of an executor.
#[derive(Default)]
pub struct BroadcastCache {
    values: Mutex<HashMap<Key, Place>>,
}

impl BroadcastCache {
    /// Makes an empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all values of a context that has ended.
    pub fn clear(&self, context: ContextKey) {
        lock(&self.values).retain(|(of, ..), _| *of != context);
    }

    /// Forgets everything.
    pub fn clear_all(&self) {
        lock(&self.values).clear();
    }

    /// Forgets one object.
    pub fn remove(&self, context: ContextKey, object: ObjectId) {
        lock(&self.values).retain(|(of, id, _), _| (*of, *id) != (context, object));
    }

    pub(super) fn get_or_read<T: Send + Sync + 'static>(
        &self,
        context: ContextKey,
        object: ObjectId,
        read: impl FnOnce() -> Result<T, RddError>,
    ) -> Result<Arc<T>, RddError> {
        let key = (context, object, TypeId::of::<T>());
        let place = lock(&self.values).entry(key).or_default().clone();
        let mut place = lock(&place);
        if let Some(value) = place.as_ref().and_then(|value| value.clone().downcast().ok()) {
            return Ok(value);
        }
        let value = Arc::new(read()?);
        *place = Some(value.clone());
        Ok(value)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

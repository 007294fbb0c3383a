use std::marker::PhantomData;

use howdah_proto::AccumulatorId;
use serde::{Deserialize, Serialize};

use super::CURRENT;
use crate::rdd::function::{Number, Widened};

/// What was added to an accumulator.
pub type AccumulatorValue = Widened;

/// A sum that tasks add to and the driver reads: a field of the functions that add. What a task added counts once, when
/// it has succeeded, in an action; a transformation that is computed again adds again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Accumulator<N> {
    id: AccumulatorId,
    #[serde(skip)]
    of: PhantomData<fn() -> N>,
}

impl<N> Clone for Accumulator<N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Accumulator<N> {}

impl<N: Number> Accumulator<N> {
    /// Makes a handle of an accumulator that the driver keeps.
    pub fn new(id: AccumulatorId) -> Self {
        Self { id, of: PhantomData }
    }

    /// Which one it is.
    pub fn id(&self) -> AccumulatorId {
        self.id
    }

    /// Adds a number. Integers stop at the largest 64-bit number. Outside of a task, nothing is added.
    pub fn add(&self, number: N) {
        CURRENT.with(|current| {
            let mut current = current.borrow_mut();
            let Some(inner) = current.as_mut() else { return };
            let number = number.widen();
            match inner.updates.iter_mut().find(|(id, _)| *id == self.id) {
                Some((_, sum)) => *sum = sum.plus(number),
                None => inner.updates.push((self.id, number)),
            }
        });
    }
}

use std::collections::BTreeMap;

use bytes::Bytes;
use howdah_executor::rdd::{
    Data, Number,
    scope::{Accumulator, AccumulatorValue, Broadcast},
};
use howdah_proto::{AccumulatorId, pb};

use super::{Context, lock};
use crate::rdd::{ContextError, records};

/// What the tasks of a context's jobs have added to its accumulators.
#[derive(Debug, Default)]
pub(super) struct Sums {
    last: u64,
    values: BTreeMap<AccumulatorId, AccumulatorValue>,
}

impl Sums {
    pub(super) fn add(&mut self, updates: &[pb::AccumulatorUpdate]) {
        for update in updates {
            let Some(more) = update.value.map(AccumulatorValue::from) else { continue };
            self.values
                .entry(AccumulatorId(update.accumulator_id))
                .and_modify(|sum| *sum = sum.plus(more))
                .or_insert(more);
        }
    }
}

impl Context {
    /// Gives a value to all executors: they fetch it once each, when a function first asks for it. The handle goes into
    /// a field of that function.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn broadcast<T: Data + Sync>(&self, value: &T) -> Result<Broadcast<T>, ContextError> {
        let bytes = Bytes::from(records::encode("broadcast", value)?);
        let object = self.graph().next_object();
        self.connection().put_object(object, bytes).await?;
        Ok(Broadcast::new(object))
    }

    /// Lets the driver forget a broadcast value; functions that still use it fail.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn forget<T: Data + Sync>(&self, broadcast: Broadcast<T>) -> Result<(), ContextError> {
        self.connection().drop_object(broadcast.object()).await
    }

    /// Makes a sum that tasks add to: each task once, however often it is tried. The handle goes into a field of a
    /// function.
    pub fn accumulator<N: Number>(&self) -> Accumulator<N> {
        let mut sums = lock(&self.inner.sums);
        sums.last += 1;
        Accumulator::new(AccumulatorId(sums.last))
    }

    /// What the tasks of the jobs that have ended well added to an accumulator.
    pub fn value<N: Number>(&self, accumulator: &Accumulator<N>) -> AccumulatorValue {
        let zero = N::default().widen();
        lock(&self.inner.sums).values.get(&accumulator.id()).copied().unwrap_or(zero)
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::pb::accumulator_update::Value;

    use super::*;

    #[test]
    fn the_sums_of_several_jobs_add_up() {
        let update =
            |id, value| pb::AccumulatorUpdate { accumulator_id: id, value: Some(Value::Unsigned(value)) };
        let mut sums = Sums::default();
        sums.add(&[update(1, 2), update(2, 5)]);
        sums.add(&[update(1, 3)]);
        assert_eq!(sums.values[&AccumulatorId(1)], AccumulatorValue::Unsigned(5));
        assert_eq!(sums.values[&AccumulatorId(2)], AccumulatorValue::Unsigned(5));
    }
}

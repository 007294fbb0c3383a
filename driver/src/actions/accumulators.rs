use std::{collections::BTreeMap, mem::discriminant};

use howdah_executor::rdd::scope::AccumulatorValue;
use howdah_proto::{AccumulatorId, WireError, pb, required};

/// The sums of the accumulators that a job's tasks have added to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Accumulators(BTreeMap<AccumulatorId, AccumulatorValue>);

impl Accumulators {
    /// Adds what a task has added.
    ///
    /// # Errors
    /// [`WireError`] if an accumulator has no value, or one of another type than before; nothing is added then.
    pub fn add(&mut self, updates: &[pb::AccumulatorUpdate]) -> Result<(), WireError> {
        let mut sums = self.clone();
        for update in updates {
            let id = AccumulatorId(update.accumulator_id);
            let value = AccumulatorValue::from(required(update.value, "accumulators.value")?);
            let sum = match sums.0.get(&id) {
                None => value,
                Some(sum) if discriminant(sum) == discriminant(&value) => sum.plus(value),
                Some(_) => {
                    let reason = format!("accumulator {id} has changed its type");
                    return Err(WireError::invalid("accumulators.value", reason));
                }
            };
            sums.0.insert(id, sum);
        }
        *self = sums;
        Ok(())
    }

    /// The sums as they go to the program.
    pub fn to_wire(&self) -> Vec<pb::AccumulatorUpdate> {
        let update = |(id, value): (&AccumulatorId, &AccumulatorValue)| pb::AccumulatorUpdate {
            accumulator_id: id.0,
            value: Some((*value).into()),
        };
        self.0.iter().map(update).collect()
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::pb::accumulator_update::Value;

    use super::*;

    fn update(id: u64, value: Value) -> pb::AccumulatorUpdate {
        pb::AccumulatorUpdate { accumulator_id: id, value: Some(value) }
    }

    #[test]
    fn updates_add_up_by_accumulator() {
        let mut sums = Accumulators::default();
        sums.add(&[update(1, Value::Unsigned(2)), update(2, Value::Float(0.5))]).unwrap();
        sums.add(&[update(1, Value::Unsigned(3))]).unwrap();
        assert_eq!(sums.to_wire(), [update(1, Value::Unsigned(5)), update(2, Value::Float(0.5))]);
    }

    #[test]
    fn an_update_of_another_type_is_refused_whole() {
        let mut sums = Accumulators::default();
        sums.add(&[update(1, Value::Signed(-2))]).unwrap();
        assert!(sums.add(&[update(2, Value::Unsigned(1)), update(1, Value::Unsigned(3))]).is_err());
        assert_eq!(sums.to_wire(), [update(1, Value::Signed(-2))]);
    }
}

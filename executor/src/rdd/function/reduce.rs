use super::{
    Data, Failure, Function,
    slots::Slots,
    step::{decode, failed},
};
use crate::rdd::{AnyCombiner, RddError, Slot};

/// Makes one value of two, in any grouping.
pub trait Reduce: Function {
    /// What it takes and gives.
    type Value: Data;

    /// Makes one value of two.
    ///
    /// # Errors
    /// [`Failure`].
    fn reduce(&mut self, left: Self::Value, right: Self::Value) -> Result<Self::Value, Failure>;
}

pub(crate) struct Reducer<F: Reduce> {
    function: F,
    slots: Slots<F::Value>,
}

impl<F: Reduce> Reducer<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, slots: Slots::new() }
    }
}

impl<F: Reduce> AnyCombiner for Reducer<F> {
    fn begin(&mut self, value: &[u8]) -> Result<Slot, RddError> {
        Ok(self.slots.insert(decode::<F, _>(value)?))
    }

    fn add(&mut self, slot: Slot, value: &[u8]) -> Result<(), RddError> {
        let value = decode::<F, _>(value)?;
        let function = &mut self.function;
        self.slots.replace::<F>(slot, |sum| function.reduce(sum, value).map_err(failed::<F>))
    }

    fn begin_combined(&mut self, combined: &[u8]) -> Result<Slot, RddError> {
        self.begin(combined)
    }

    fn merge(&mut self, slot: Slot, combined: &[u8]) -> Result<(), RddError> {
        self.add(slot, combined)
    }

    fn finish(&mut self, slot: Slot, out: &mut Vec<u8>) -> Result<(), RddError> {
        self.slots.finish::<F>(slot, out)
    }
}

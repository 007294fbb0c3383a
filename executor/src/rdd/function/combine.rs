use super::{
    Data, Failure, Function,
    slots::Slots,
    step::{decode, failed},
};
use crate::rdd::{AnyCombiner, RddError, Slot};

/// Gathers values in something of another type, which begins with the first value.
pub trait Combine: Function {
    /// What is gathered.
    type Value: Data;
    /// What it is gathered in.
    type Combined: Data;

    /// Begins with a value.
    ///
    /// # Errors
    /// [`Failure`].
    fn create(&mut self, value: Self::Value) -> Result<Self::Combined, Failure>;

    /// Adds a value.
    ///
    /// # Errors
    /// [`Failure`].
    fn add(&mut self, combined: &mut Self::Combined, value: Self::Value) -> Result<(), Failure>;

    /// Merges what was gathered elsewhere.
    ///
    /// # Errors
    /// [`Failure`].
    fn merge(&mut self, combined: &mut Self::Combined, other: Self::Combined) -> Result<(), Failure>;
}

pub(crate) struct Gatherer<F: Combine> {
    function: F,
    slots: Slots<F::Combined>,
}

impl<F: Combine> Gatherer<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, slots: Slots::new() }
    }
}

impl<F: Combine> AnyCombiner for Gatherer<F> {
    fn begin(&mut self, value: &[u8]) -> Result<Slot, RddError> {
        let combined = self.function.create(decode::<F, _>(value)?).map_err(failed::<F>)?;
        Ok(self.slots.insert(combined))
    }

    fn add(&mut self, slot: Slot, value: &[u8]) -> Result<(), RddError> {
        let combined = self.slots.get::<F>(slot)?;
        self.function.add(combined, decode::<F, _>(value)?).map_err(failed::<F>)
    }

    fn begin_combined(&mut self, combined: &[u8]) -> Result<Slot, RddError> {
        Ok(self.slots.insert(decode::<F, _>(combined)?))
    }

    fn merge(&mut self, slot: Slot, combined: &[u8]) -> Result<(), RddError> {
        let into = self.slots.get::<F>(slot)?;
        self.function.merge(into, decode::<F, _>(combined)?).map_err(failed::<F>)
    }

    fn finish(&mut self, slot: Slot, out: &mut Vec<u8>) -> Result<(), RddError> {
        self.slots.finish::<F>(slot, out)
    }
}

use super::{
    Data, Failure, Function,
    slots::Slots,
    step::{decode, failed},
};
use crate::rdd::{AnyCombiner, RddError, Slot};

/// Gathers values in an accumulator, which begins at zero.
pub trait Aggregate: Function {
    /// What is gathered.
    type Value: Data;
    /// What it is gathered in.
    type Accumulator: Data;

    /// What an accumulator begins with.
    ///
    /// # Errors
    /// [`Failure`].
    fn zero(&mut self) -> Result<Self::Accumulator, Failure>;

    /// Adds a value.
    ///
    /// # Errors
    /// [`Failure`].
    fn add(&mut self, accumulator: &mut Self::Accumulator, value: Self::Value) -> Result<(), Failure>;

    /// Merges what was gathered elsewhere.
    ///
    /// # Errors
    /// [`Failure`].
    fn merge(&mut self, accumulator: &mut Self::Accumulator, other: Self::Accumulator)
    -> Result<(), Failure>;
}

pub(crate) struct Aggregator<F: Aggregate> {
    function: F,
    slots: Slots<F::Accumulator>,
}

impl<F: Aggregate> Aggregator<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, slots: Slots::new() }
    }
}

impl<F: Aggregate> AnyCombiner for Aggregator<F> {
    fn begin(&mut self, value: &[u8]) -> Result<Slot, RddError> {
        let mut accumulator = self.function.zero().map_err(failed::<F>)?;
        self.function.add(&mut accumulator, decode::<F, _>(value)?).map_err(failed::<F>)?;
        Ok(self.slots.insert(accumulator))
    }

    fn add(&mut self, slot: Slot, value: &[u8]) -> Result<(), RddError> {
        let accumulator = self.slots.get::<F>(slot)?;
        self.function.add(accumulator, decode::<F, _>(value)?).map_err(failed::<F>)
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

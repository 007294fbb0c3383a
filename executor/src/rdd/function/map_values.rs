use super::{
    Data, Failure, Function,
    step::{Step, Typed, decode, each, failed, pair, push_keyed},
};
use crate::rdd::{Batch, RddError};

/// Makes another value of the value of each pair. The key stays, and is not even read.
pub trait MapValues: Function {
    /// The value it takes.
    type Input: Data;
    /// The value it gives.
    type Output: Data;

    /// Makes a value.
    ///
    /// # Errors
    /// [`Failure`].
    fn map_value(&mut self, value: Self::Input) -> Result<Self::Output, Failure>;
}

pub(crate) struct ValuesMapped;

impl<F: MapValues> Step for Typed<F, ValuesMapped> {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        each(input, from, out, |row, out| {
            let row = pair::<F>(row)?;
            let value = self.function.map_value(decode::<F, _>(row.value())?).map_err(failed::<F>)?;
            push_keyed::<F, _>(out, row.key(), &value)
        })
    }
}

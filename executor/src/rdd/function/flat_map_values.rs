use super::{
    Data, Failure, Function,
    step::{Step, Typed, decode, each, failed, pair, push_keyed},
};
use crate::rdd::{Batch, RddError};

/// Makes any number of pairs of each, with the same key, which is not even read.
pub trait FlatMapValues: Function {
    /// The value it takes.
    type Input: Data;
    /// The value it gives, several times.
    type Output: Data;

    /// Makes values.
    ///
    /// # Errors
    /// [`Failure`].
    fn flat_map_value(
        &mut self,
        value: Self::Input,
    ) -> Result<impl IntoIterator<Item = Self::Output>, Failure>;
}

pub(crate) struct ValuesFlatMapped;

impl<F: FlatMapValues> Step for Typed<F, ValuesFlatMapped> {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        each(input, from, out, |row, out| {
            let row = pair::<F>(row)?;
            let values = self.function.flat_map_value(decode::<F, _>(row.value())?).map_err(failed::<F>)?;
            values.into_iter().try_for_each(|value| push_keyed::<F, _>(out, row.key(), &value))
        })
    }
}

use super::{
    Data, Failure, Function,
    step::{Step, Typed, decode, each, failed, push},
};
use crate::rdd::{Batch, RddError};

/// Makes one record of each.
pub trait Map: Function {
    /// What it takes.
    type Input: Data;
    /// What it gives.
    type Output: Data;

    /// Makes a record.
    ///
    /// # Errors
    /// [`Failure`].
    fn map(&mut self, input: Self::Input) -> Result<Self::Output, Failure>;
}

pub(crate) struct Mapped;

impl<F: Map> Step for Typed<F, Mapped> {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        each(input, from, out, |row, out| {
            let output = self.function.map(decode::<F, _>(row.bytes())?).map_err(failed::<F>)?;
            push::<F, _>(out, &output)
        })
    }
}

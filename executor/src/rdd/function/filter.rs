use super::{
    Data, Failure, Function,
    step::{Step, Typed, decode, each, failed},
};
use crate::rdd::{Batch, RddError};

/// Keeps some of the records.
pub trait Filter: Function {
    /// What it looks at.
    type Record: Data;

    /// Says whether a record is kept.
    ///
    /// # Errors
    /// [`Failure`].
    fn keeps(&mut self, record: &Self::Record) -> Result<bool, Failure>;
}

pub(crate) struct Filtered;

impl<F: Filter> Step for Typed<F, Filtered> {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        each(input, from, out, |row, out| {
            if self.function.keeps(&decode::<F, _>(row.bytes())?).map_err(failed::<F>)? {
                out.push(row)?;
            }
            Ok(())
        })
    }
}

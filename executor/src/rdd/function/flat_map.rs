use super::{
    Data, Failure, Function,
    step::{Step, Typed, decode, each, failed, push},
};
use crate::rdd::{Batch, RddError};

/// Makes any number of records of each. Those of one record lie in memory together, as encoded bytes; what may be
/// more than that is a task for [`MapPartitions`](super::MapPartitions).
pub trait FlatMap: Function {
    /// What it takes.
    type Input: Data;
    /// What it gives, several times.
    type Output: Data;

    /// Makes records.
    ///
    /// # Errors
    /// [`Failure`].
    fn flat_map(&mut self, input: Self::Input) -> Result<impl IntoIterator<Item = Self::Output>, Failure>;
}

pub(crate) struct FlatMapped;

impl<F: FlatMap> Step for Typed<F, FlatMapped> {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        each(input, from, out, |row, out| {
            let outputs = self.function.flat_map(decode::<F, _>(row.bytes())?).map_err(failed::<F>)?;
            outputs.into_iter().try_for_each(|output| push::<F, _>(out, &output))
        })
    }
}

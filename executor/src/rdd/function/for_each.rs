use super::{
    Data, Failure, Function,
    step::{Typed, decode, failed},
};
use crate::rdd::{Batch, RddError};

/// Does something with each record, for its effects alone. A task that is tried again does it again.
pub trait ForEach: Function {
    /// What it takes.
    type Record: Data;

    /// Does something with a record.
    ///
    /// # Errors
    /// [`Failure`].
    fn for_each(&mut self, record: Self::Record) -> Result<(), Failure>;
}

/// A [`ForEach`] whose type has been forgotten.
pub trait AnyForEach: Send {
    /// Does it with each record of a batch.
    ///
    /// # Errors
    /// [`RddError`].
    fn for_batch(&mut self, batch: &Batch) -> Result<(), RddError>;
}

pub(crate) struct Visited;

impl<F: ForEach> AnyForEach for Typed<F, Visited> {
    fn for_batch(&mut self, batch: &Batch) -> Result<(), RddError> {
        batch
            .rows()
            .try_for_each(|row| self.function.for_each(decode::<F, _>(row.bytes())?).map_err(failed::<F>))
    }
}

use super::{
    Data, Failure, Function,
    step::{Step, Typed, decode, each, failed},
};
use crate::rdd::{Batch, RddError, codec};

/// Finds the key of each record, and makes a pair of both.
pub trait KeyBy: Function {
    /// What it looks at.
    type Record: Data;
    /// The key.
    type Key: Data;

    /// Finds the key of a record.
    ///
    /// # Errors
    /// [`Failure`].
    fn key(&mut self, record: &Self::Record) -> Result<Self::Key, Failure>;
}

pub(crate) struct Keyed;

impl<F: KeyBy> Step for Typed<F, Keyed> {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        each(input, from, out, |row, out| {
            let key = self.function.key(&decode::<F, _>(row.bytes())?).map_err(failed::<F>)?;
            let written = out.push_with(|bytes| {
                let start = bytes.len();
                codec::encode(&key, bytes)?;
                let key_len = bytes.len() - start;
                bytes.extend_from_slice(row.bytes());
                bytes.extend_from_slice(&(key_len as u32).to_be_bytes());
                Ok(key_len)
            });
            written.map_err(|error: codec::CodecError| error.of(F::NAME))
        })
    }
}

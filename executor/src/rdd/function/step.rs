use std::marker::PhantomData;

use super::{Data, Failure, Function};
use crate::rdd::{Batch, RddError, Row, codec};

/// Something that is done to records one by one, whose types have been forgotten.
pub trait Step: Send {
    /// Takes the records of `input` from place `from` on until `out` is full, and says where it stopped.
    ///
    /// # Errors
    /// [`RddError`].
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError>;
}

/// Hands records to `one` until `out` is full.
pub(crate) fn each(
    input: &Batch,
    from: usize,
    out: &mut Batch,
    mut one: impl FnMut(Row<'_>, &mut Batch) -> Result<(), RddError>,
) -> Result<usize, RddError> {
    let mut at = from;
    while !out.is_full()
        && let Some(row) = input.row(at)
    {
        one(row, out)?;
        at += 1;
    }
    Ok(at)
}

/// A user's function as a [`Step`] of a kind: `K` is one of the markers beside the function traits.
pub(crate) struct Typed<F, K> {
    pub(crate) function: F,
    kind: PhantomData<fn() -> K>,
}

impl<F: Function, K> Typed<F, K> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, kind: PhantomData }
    }
}

/// Reads what function `F` takes.
pub(super) fn decode<F: Function, T: Data>(bytes: &[u8]) -> Result<T, RddError> {
    codec::decode(bytes).map_err(|error| error.of(F::NAME))
}

/// Adds what function `F` gives.
pub(super) fn push<F: Function, T: Data>(out: &mut Batch, record: &T) -> Result<(), RddError> {
    codec::push(out, record).map_err(|error| error.of(F::NAME))
}

/// Says that function `F` failed.
pub(super) fn failed<F: Function>(failure: Failure) -> RddError {
    failure.of(F::NAME)
}

/// Takes a record as a pair.
pub(super) fn pair<'a, F: Function>(row: Row<'a>) -> Result<Row<'a>, RddError> {
    if row.is_pair() {
        Ok(row)
    } else {
        Err(RddError::Codec { function: F::NAME.to_owned(), reason: "a record is no pair".to_owned() })
    }
}

/// Adds a pair with this encoded key.
pub(super) fn push_keyed<F: Function, V: Data>(
    out: &mut Batch,
    key: &[u8],
    value: &V,
) -> Result<(), RddError> {
    let written = out.push_with(|bytes| {
        bytes.extend_from_slice(key);
        codec::encode(value, bytes)?;
        bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
        Ok(key.len())
    });
    written.map_err(|error: codec::CodecError| error.of(F::NAME))
}

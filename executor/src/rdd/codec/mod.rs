//! Records to bytes and back. The bytes compare as the values do, and none is the beginning of another's.
//!
//! | value | bytes |
//! |---|---|
//! | integers | big-endian, the sign bit of signed ones flipped |
//! | `f32`, `f64` | big-endian in their total order: negative ones inverted, of others the sign bit |
//! | `bool`, `char` | one byte; the code point as four |
//! | strings, bytes | as they are, 0x00 as 0x00 0xFF, then 0x00 0x00 |
//! | `Option` | 0x00, or 0x01 and the value |
//! | structs, tuples | one field after the other; nothing for `()` |
//! | a tuple of two, anywhere | its fields, then the length of the first one's bytes (`u32`, big-endian) |
//! | sequences, maps | 0x01 before each element or entry, then 0x00 |
//! | enums | the variant's place as one byte below 0xFF, or 0xFF and a `u32`, then its fields |
//!
//! It is an encoding in the manner of `FoundationDB`'s tuple layer: <https://apple.github.io/foundationdb/data-modeling.html>.
//! A hash map or set has no order of its own: equal ones may differ in their bytes, so they make no good keys.

mod decoder;
mod encoder;
mod error;
#[cfg(test)]
mod tests;

use serde::{Serialize, de::DeserializeOwned};

pub use error::CodecError;

use super::Batch;

/// How deep values may lie in each other: what a thread's stack can certainly hold.
pub const MAX_DEPTH: u32 = 128;

/// Stands before each element of a sequence, and before the value of an `Option`.
pub(crate) const PRESENT: u8 = 1;
/// Ends a sequence, and is an `Option` without a value.
pub(crate) const ABSENT: u8 = 0;

/// Appends a value to `out`, and says how many of its bytes are its key: the first element of a tuple of two, and all
/// of anything else.
///
/// # Errors
/// [`CodecError`]; `out` may have got a part of the value then.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<usize, CodecError> {
    encoder::encode(value, out)
}

/// Encodes a value on its own.
///
/// # Errors
/// [`CodecError`].
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode(value, &mut out)?;
    Ok(out)
}

/// Reads a value that takes all of `bytes`.
///
/// # Errors
/// [`CodecError`] if the bytes are not exactly those of a `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decoder::decode(bytes)
}

/// Appends a value to a batch: a tuple of two as a pair, and anything else as one that is all key.
///
/// # Errors
/// [`CodecError`]; the batch is as before then.
pub fn push<T: Serialize + ?Sized>(batch: &mut Batch, value: &T) -> Result<(), CodecError> {
    batch.push_with(|out| encode(value, out))
}

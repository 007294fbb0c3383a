//! Encodings: how values become bytes on the wire, one file each.
//!
//! What an encoding loses can be kept as a residual, which is added to the next values (error feedback; Stich et al.
//! 2018, "Sparsified SGD with memory", algorithm 1). A value that isn't finite is not finite after decoding either,
//! and one that is finite stays so: a shard's check of what it is pushed sees what was computed.

mod bf16;
mod decoder;
mod f16;
mod half;
mod int8;
mod plain;
mod source;
mod top_k;

use howdah_proto::settings::Encoding;

pub use decoder::{Decoder, PIECE_VALUES, has_units};
pub(crate) use half::HALF_BYTES;
pub use half::Half;
pub use source::{BLOCK_VALUES, Source, blocks};

/// Bytes that are no values in the encoding they claim to be in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DecodeError {
    /// What is wrong.
    pub reason: String,
}

/// The most bytes that `values` values take.
pub fn max_bytes(encoding: Encoding, values: usize) -> u64 {
    match encoding {
        Encoding::F32 => plain::bytes(values),
        Encoding::Bf16 | Encoding::F16 => half::bytes(values),
        Encoding::Int8 => int8::bytes(values),
        Encoding::TopK { permille } => top_k::max_bytes(values, permille),
    }
}

/// Whether what an encoding loses has to be made good by later pushes.
///
/// bf16 has the range of f32, and is off by no more than 1 in 512 of a value, however small it is: that is far below what a
/// batch says of its gradient. The others lose all of small values, or of many.
pub fn needs_feedback(encoding: Encoding) -> bool {
    match encoding {
        Encoding::F32 | Encoding::Bf16 => false,
        Encoding::F16 | Encoding::Int8 | Encoding::TopK { .. } => true,
    }
}

/// What encodings lose, as long as the values.
#[derive(Debug)]
pub struct Residual<'a> {
    /// What was lost so far: it is added to the values.
    pub before: &'a [f32],
    /// What is lost then, in the place of what it has.
    pub after: &'a mut [f32],
}

/// Encodes values in the place of what `out` has, and notes what is lost by it, if it is to be noted.
///
/// The sum of the values and what was lost before is rounded to an f32; the difference between that and what is decoded is
/// exact, but where [`Encoding::F16`] replaces a value by the largest.
pub fn encode(encoding: Encoding, values: &[f32], residual: Option<Residual<'_>>, out: &mut Vec<u8>) {
    let fits = |Residual { before, after }: &Residual<'_>| [before.len(), after.len()] == [values.len(); 2];
    debug_assert!(residual.as_ref().is_none_or(fits));
    match encoding {
        Encoding::F32 => plain::encode(values, residual, out),
        Encoding::Bf16 => Half::Bf16.encode_all(values, residual, out),
        Encoding::F16 => Half::F16.encode_all(values, residual, out),
        Encoding::Int8 => int8::encode(values, residual, out),
        Encoding::TopK { permille } => top_k::encode(values, permille, residual, out),
    }
}

/// Decodes into `values`, all of which are set.
///
/// # Errors
/// [`DecodeError`]; the contents of `values` are then unspecified.
pub fn decode(encoding: Encoding, bytes: &[u8], values: &mut [f32]) -> Result<(), DecodeError> {
    match encoding {
        Encoding::F32 => plain::decode(bytes, values),
        Encoding::Bf16 => Half::Bf16.decode_all(bytes, values),
        Encoding::F16 => Half::F16.decode_all(bytes, values),
        Encoding::Int8 => int8::decode(bytes, values),
        Encoding::TopK { permille } => top_k::decode(bytes, permille, values),
    }
}

/// Checks that there are as many bytes as the values take, for the encodings that always take as many.
fn check_len(bytes: &[u8], values: usize, expected: u64) -> Result<(), DecodeError> {
    let given = bytes.len();
    if given as u64 == expected {
        return Ok(());
    }
    Err(DecodeError { reason: format!("{given} bytes came where {values} values take {expected}") })
}

#[cfg(test)]
mod tests;

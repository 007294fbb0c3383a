//! From the bytes of a picture file to its pixels.

mod error;
mod general;
mod jpeg;
mod limit;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use self::error::DecodeError;
pub use self::limit::MAX_PIXELS;
use super::take;
use crate::rdd::{Function, Operator, OperatorError, Picture, Record, RecordContext, Spare};

/// Decodes a picture file: JPEG, PNG, BMP, GIF (the first frame), WebP, TIFF or PNM, told apart by content.
///
/// Gray is the luma of ITU-R BT.601: what a JPEG stores anyway, and computed alike for the other formats.
/// Sixteen bits become eight; what is transparent is laid over white. The orientation in EXIF is not heeded.
/// A file that is empty, cut off, announces more than [`MAX_PIXELS`] or is no picture is unusable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decode {
    /// What the pixels become.
    pub color: Color,
}

/// What a decoded pixel is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// One byte, the luma.
    Gray,
    /// Three bytes: red, green and blue.
    Rgb,
}

impl Function for Decode {
    const NAME: &'static str = "decode";
    const VERSION: u32 = 1;
}

impl Operator for Decode {
    fn apply(
        &mut self,
        record: Record,
        _: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError> {
        let Record::Encoded { meta, bytes } = record else {
            return Err(take::mismatch::<Self>("an encoded picture", &record));
        };
        let picture = decode(&bytes, self.color, spare);
        let picture = picture.map_err(|error| OperatorError::Unusable(error.to_string()))?;
        Ok(Record::Picture { meta, picture })
    }
}

fn decode(bytes: &[u8], color: Color, spare: &mut Spare) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let decoder = if jpeg::is_jpeg(bytes) { jpeg::decode } else { general::decode };
    // Decoders meet whatever people keep in folders; one that panics has met an unusable picture, no more.
    catch_unwind(AssertUnwindSafe(|| decoder(bytes, color, spare))).unwrap_or(Err(DecodeError::Panicked))
}

#[cfg(test)]
mod tests;

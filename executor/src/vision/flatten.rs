use serde::{Deserialize, Serialize};

use super::take;
use crate::rdd::{Function, Operator, OperatorError, PictureView, Record, RecordContext, Spare};

/// Turns the pixels of a picture into features: each byte, in the picture's order, as a number from 0 to 255.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Function for Flatten {
    const NAME: &'static str = "flatten";
    const VERSION: u32 = 1;
}

impl Operator for Flatten {
    fn apply(
        &mut self,
        record: Record,
        _: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError> {
        let (meta, picture) = take::picture::<Self>(record)?;
        let mut values = spare.values(picture.pixels.len());
        values.extend(picture.pixels.iter().map(|&byte| f32::from(byte)));
        spare.keep_pixels(picture.pixels);
        Ok(Record::Features { meta, values })
    }

    fn write_features(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<bool, OperatorError> {
        let fits = picture.pixels.len() == out.len();
        if fits {
            out.iter_mut().zip(picture.pixels).for_each(|(value, byte)| *value = f32::from(*byte));
        }
        Ok(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::{PLAIN, gray, meta};

    #[test]
    fn the_features_are_the_bytes_row_by_row() {
        let picture = gray(2, 2, |x, y| (100 * y + 55 * x) as u8);
        let out = Flatten {}
            .apply(Record::Picture { meta: meta(3), picture }, &PLAIN, &mut Spare::default())
            .unwrap();
        assert_eq!(out, Record::Features { meta: meta(3), values: vec![0.0, 55.0, 100.0, 155.0] });
    }

    #[test]
    fn what_is_not_a_picture_is_a_mismatch() {
        let error = Flatten {}
            .apply(Record::Features { meta: meta(3), values: vec![] }, &PLAIN, &mut Spare::default())
            .unwrap_err();
        assert_eq!(error.to_string(), "operator `flatten` takes a decoded picture, not features");
    }
}

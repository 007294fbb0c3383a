use serde::{Deserialize, Serialize};

use super::take;
use crate::rdd::{Function, Operator, OperatorError, Picture, Record, RecordContext, Spare};

/// Turns a picture gray; one that is gray already stays as it is.
///
/// The weights are those of ITU-R BT.601, `0.299 R + 0.587 G + 0.114 B`, as in JPEG itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grayscale {}

impl Function for Grayscale {
    const NAME: &'static str = "grayscale";
    const VERSION: u32 = 1;
}

impl Operator for Grayscale {
    fn apply(
        &mut self,
        record: Record,
        _: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError> {
        let (meta, picture) = take::picture::<Self>(record)?;
        Ok(Record::Picture { meta, picture: gray(picture, spare) })
    }
}

/// Turns a picture gray, if it is not.
pub(super) fn gray(picture: Picture, spare: &mut Spare) -> Picture {
    if picture.channels != 3 {
        return picture;
    }
    let mut pixels = spare.pixels(picture.pixels.len() / 3);
    luma(&picture.pixels, &mut pixels);
    spare.keep_pixels(picture.pixels);
    Picture { channels: 1, pixels, ..picture }
}

/// Writes the BT.601 luma of interleaved red, green and blue to `gray`.
pub(super) fn luma(rgb: &[u8], gray: &mut Vec<u8>) {
    gray.clear();
    gray.extend(rgb.as_chunks::<3>().0.iter().map(|&pixel| weigh(pixel)));
}

/// The BT.601 luma of red, green and blue, in 16-bit fixed point.
#[inline]
pub(super) fn weigh([red, green, blue]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue) + 32_768) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::{PLAIN, apply, gray};

    #[test]
    fn red_green_and_blue_weigh_as_in_bt_601() {
        let mut gray = vec![7];
        luma(&[255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0], &mut gray);
        assert_eq!(gray, [76, 150, 29, 255, 0]);
    }

    #[test]
    fn a_colour_picture_turns_gray_and_a_gray_one_stays() {
        let colour = Picture { width: 2, height: 1, channels: 3, pixels: vec![255, 0, 0, 9, 9, 9] };
        let expected = Picture { width: 2, height: 1, channels: 1, pixels: vec![76, 9] };
        assert_eq!(apply(&mut Grayscale {}, 0, &colour, PLAIN), expected);
        let plain = gray(3, 2, |x, y| (x + y) as u8);
        assert_eq!(apply(&mut Grayscale {}, 0, &plain, PLAIN), plain);
    }
}

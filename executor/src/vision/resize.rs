use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use serde::{Deserialize, Serialize};

use super::take;
use crate::rdd::{Function, Operator, OperatorError, Picture, Record, RecordContext};

/// The longest side that a picture can be resized to, in pixels.
pub const MAX_SIDE: u32 = 8_192;

/// Stretches a picture to `width` x `height` pixels, whatever its shape was.
///
/// The filter is a triangle as wide as the step from pixel to pixel in the larger of both pictures: bilinear
/// when it grows, antialiased when it shrinks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Pixels in a row, from 1 to [`MAX_SIDE`].
    pub width: u32,
    /// Rows, from 1 to [`MAX_SIDE`].
    pub height: u32,
    #[serde(skip)]
    resizer: Resizer,
}

impl Resize {
    /// Makes the operator.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, resizer: Resizer::new() }
    }

    fn stretch(&mut self, picture: &Picture) -> Result<Vec<u8>, OperatorError> {
        let impossible = |reason: String| {
            let Picture { width, height, channels, .. } = picture;
            OperatorError::Unusable(format!("{width} x {height} x {channels} can't be resized: {reason}"))
        };
        let pixel = match picture.channels {
            1 => PixelType::U8,
            3 => PixelType::U8x3,
            _ => return Err(impossible("it must have 1 or 3 channels".to_owned())),
        };
        let from = ImageRef::new(picture.width, picture.height, &picture.pixels, pixel)
            .map_err(|error| impossible(error.to_string()))?;
        let mut to = Image::new(self.width, self.height, pixel);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.resizer.resize(&from, &mut to, &options).map_err(|error| impossible(error.to_string()))?;
        Ok(to.into_vec())
    }
}

impl Function for Resize {
    const NAME: &'static str = "resize";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        let good = |side| (1..=MAX_SIDE).contains(&side);
        if good(self.width) && good(self.height) {
            Ok(())
        } else {
            Err(format!("{} x {}: each side must be from 1 to {MAX_SIDE} pixels", self.width, self.height))
        }
    }
}

impl Operator for Resize {
    fn apply(&mut self, record: Record, _: &RecordContext) -> Result<Record, OperatorError> {
        let (meta, mut picture) = take::picture::<Self>(record)?;
        if (picture.width, picture.height) != (self.width, self.height) {
            let pixels = self.stretch(&picture)?;
            picture = Picture { width: self.width, height: self.height, channels: picture.channels, pixels };
        }
        Ok(Record::Picture { meta, picture })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rdd::{Registry, spec_of},
        vision::testing::{PLAIN, apply, gray},
    };

    #[test]
    fn a_single_pixel_fills_the_whole_picture() {
        let out = apply(&mut Resize::new(4, 3), 0, &gray(1, 1, |_, _| 77), PLAIN);
        assert_eq!(out, gray(4, 3, |_, _| 77));
    }

    #[test]
    fn shrinking_averages_instead_of_dropping_pixels() {
        let stripes = gray(64, 64, |x, _| if x % 2 == 0 { 0 } else { 200 });
        let out = apply(&mut Resize::new(8, 8), 0, &stripes, PLAIN);
        assert!(out.pixels.iter().all(|&pixel| pixel.abs_diff(100) <= 4), "{:?}", out.pixels);
    }

    #[test]
    fn a_picture_is_stretched_and_keeps_its_channels() {
        let wide = Picture { width: 40, height: 2, channels: 3, pixels: [10, 20, 30].repeat(80) };
        let out = apply(&mut Resize::new(5, 5), 0, &wide, PLAIN);
        assert_eq!(out, Picture { width: 5, height: 5, channels: 3, pixels: [10, 20, 30].repeat(25) });
    }

    #[test]
    fn a_side_of_nothing_or_too_much_is_refused() {
        let mut registry = Registry::new();
        registry.register::<Resize>();
        assert!(registry.build(&spec_of(&Resize::new(128, 128))).is_ok());
        for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1)] {
            assert!(registry.build(&spec_of(&Resize::new(width, height))).is_err());
        }
    }

    #[test]
    fn a_picture_whose_bytes_do_not_fit_its_size_is_unusable() {
        let short = Picture { pixels: vec![1; 5], ..gray(3, 2, |_, _| 0) };
        let meta = crate::vision::testing::meta(0);
        let out = Resize::new(2, 2).apply(Record::Picture { meta, picture: short }, &PLAIN);
        assert!(matches!(out, Err(OperatorError::Unusable(_))));
    }
}

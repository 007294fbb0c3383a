use std::mem;

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use serde::{Deserialize, Serialize};

use super::{pad::pad, take};
use crate::rdd::{Function, Operator, OperatorError, Picture, Record, RecordContext, Spare};

/// The longest side that a picture can be resized to, in pixels.
pub const MAX_SIDE: u32 = 8_192;

/// Brings a picture to `width` x `height` pixels.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Pixels in a row, from 1 to [`MAX_SIDE`].
    pub width: u32,
    /// Rows, from 1 to [`MAX_SIDE`].
    pub height: u32,
    /// How a pixel is computed from those of the picture before.
    #[serde(default)]
    pub filter: Filter,
    /// What is done with a picture of another shape.
    #[serde(default)]
    pub fit: Fit,
    #[serde(skip)]
    resizer: Resizer,
}

/// How a pixel of the new picture is computed from those of the old one.
///
/// All but the nearest are as wide as the step from pixel to pixel in the larger of both pictures, so a picture that
/// shrinks is antialiased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The one pixel that is nearest.
    Nearest,
    /// The mean of those that the new pixel covers: OpenCV's `INTER_AREA`.
    Area,
    /// A triangle.
    #[default]
    Bilinear,
    /// A cubic that goes through the old pixels (Catmull and Rom 1974).
    CatmullRom,
    /// A sinc in a window of three lobes (Lanczos), the sharpest.
    Lanczos3,
}

/// What becomes of a picture whose shape is not that of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It is stretched.
    #[default]
    Stretch,
    /// Its middle is kept: what hangs over on the longer side is cut off.
    Crop,
    /// All of it is kept in the middle; where it doesn't reach, its edge pixels go on.
    Pad,
}

impl Resize {
    /// Makes the operator that stretches with a triangle.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, filter: Filter::default(), fit: Fit::default(), resizer: Resizer::new() }
    }

    /// Changes the filter.
    pub fn with_filter(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// Changes what is done with a picture of another shape.
    pub fn with_fit(self, fit: Fit) -> Self {
        Self { fit, ..self }
    }

    /// Brings `picture` to the size.
    fn scale(&mut self, picture: &mut Picture, spare: &mut Spare) -> Result<(), OperatorError> {
        let (width, height) = match self.fit {
            Fit::Stretch | Fit::Crop => (self.width, self.height),
            Fit::Pad => self.inside(picture.width, picture.height),
        };
        if (picture.width, picture.height) != (width, height) {
            let mut scaled = spare.pixels(width as usize * height as usize * picture.channels as usize);
            self.resample(picture, width, height, &mut scaled).map_err(|reason| {
                OperatorError::Unusable(format!("{} can't be resized: {reason}", size(picture)))
            })?;
            spare.keep_pixels(mem::replace(&mut picture.pixels, scaled));
            (picture.width, picture.height) = (width, height);
        }
        if (width, height) != (self.width, self.height) {
            let mut padded =
                spare.pixels(self.width as usize * self.height as usize * picture.channels as usize);
            pad(picture, self.width, self.height, &mut padded);
            spare.keep_pixels(mem::replace(&mut picture.pixels, padded));
            (picture.width, picture.height) = (self.width, self.height);
        }
        Ok(())
    }

    /// The largest size of that shape that has room in the result.
    fn inside(&self, width: u32, height: u32) -> (u32, u32) {
        let (from, to) =
            ([u64::from(width), u64::from(height)], [u64::from(self.width), u64::from(self.height)]);
        // Rounded; a side that is very short keeps a pixel.
        let scaled = |side: u64, by: u64, of: u64| ((2 * side * by + of) / (2 * of)).max(1);
        if from[0] * to[1] >= from[1] * to[0] {
            (self.width, scaled(from[1], to[0], from[0].max(1)).min(to[1]) as u32)
        } else {
            (scaled(from[0], to[1], from[1].max(1)).min(to[0]) as u32, self.height)
        }
    }

    /// Writes `picture` at another size to `scaled`.
    fn resample(
        &mut self,
        picture: &Picture,
        width: u32,
        height: u32,
        scaled: &mut Vec<u8>,
    ) -> Result<(), String> {
        let pixel = match picture.channels {
            1 => PixelType::U8,
            3 => PixelType::U8x3,
            _ => return Err("it must have 1 or 3 channels".to_owned()),
        };
        let from = ImageRef::new(picture.width, picture.height, &picture.pixels, pixel)
            .map_err(|error| error.to_string())?;
        scaled.resize(width as usize * height as usize * picture.channels as usize, 0);
        let mut to = Image::from_slice_u8(width, height, scaled, pixel).map_err(|error| error.to_string())?;
        let mut options = ResizeOptions::new().resize_alg(self.filter.algorithm());
        if self.fit == Fit::Crop {
            options = options.fit_into_destination(None);
        }
        self.resizer.resize(&from, &mut to, &options).map_err(|error| error.to_string())
    }
}

fn size(picture: &Picture) -> String {
    format!("{} x {} x {}", picture.width, picture.height, picture.channels)
}

impl Filter {
    fn algorithm(self) -> ResizeAlg {
        ResizeAlg::Convolution(match self {
            Self::Nearest => return ResizeAlg::Nearest,
            Self::Area => FilterType::Box,
            Self::Bilinear => FilterType::Bilinear,
            Self::CatmullRom => FilterType::CatmullRom,
            Self::Lanczos3 => FilterType::Lanczos3,
        })
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
    fn apply(
        &mut self,
        record: Record,
        _: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError> {
        let (meta, mut picture) = take::picture::<Self>(record)?;
        if (picture.width, picture.height) != (self.width, self.height) {
            self.scale(&mut picture, spare)?;
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

    fn fitted(fit: Fit, width: u32, height: u32) -> Resize {
        Resize::new(width, height).with_fit(fit)
    }

    #[test]
    fn cropping_keeps_the_middle_in_its_shape() {
        let crop = |side| fitted(Fit::Crop, side, side).with_filter(Filter::Area);
        let thirds = gray(12, 4, |x, _| (x / 4 * 100) as u8);
        assert_eq!(apply(&mut crop(4), 0, &thirds, PLAIN), gray(4, 4, |_, _| 100));
        let standing = gray(4, 12, |_, y| (y / 4 * 100) as u8);
        let out = apply(&mut crop(2), 0, &standing, PLAIN);
        assert_eq!(out, gray(2, 2, |_, _| 100));
    }

    #[test]
    fn padding_keeps_all_in_its_shape_and_lets_the_edges_go_on() {
        let rows = gray(8, 4, |_, y| (y * 50) as u8);
        let out = apply(&mut fitted(Fit::Pad, 8, 8), 0, &rows, PLAIN);
        assert_eq!(out, gray(8, 8, |_, y| (y.saturating_sub(2).min(3) * 50) as u8));
        let columns = Picture { width: 1, height: 4, channels: 3, pixels: [1, 2, 3].repeat(4) };
        let out = apply(&mut fitted(Fit::Pad, 5, 2), 0, &columns, PLAIN);
        assert_eq!(out, Picture { width: 5, height: 2, channels: 3, pixels: [1, 2, 3].repeat(10) });
    }

    #[test]
    fn padding_makes_a_picture_as_large_as_there_is_room() {
        let resize = fitted(Fit::Pad, 128, 100);
        assert_eq!(resize.inside(256, 200), (128, 100));
        assert_eq!(resize.inside(500, 375), (128, 96));
        assert_eq!(resize.inside(375, 500), (75, 100));
        assert_eq!(resize.inside(100_000, 1), (128, 1));
        assert_eq!(resize.inside(1, 100_000), (1, 100));
    }

    #[test]
    fn each_filter_weighs_pixels_in_its_own_way() {
        let step = gray(4, 1, |x, _| if x < 2 { 0 } else { 200 });
        let out =
            |filter, width| apply(&mut Resize::new(width, 1).with_filter(filter), 0, &step, PLAIN).pixels;
        assert_eq!(out(Filter::Nearest, 8), [0, 0, 0, 0, 200, 200, 200, 200]);
        assert_eq!(out(Filter::Area, 2), [0, 200]);
        assert_eq!(out(Filter::Bilinear, 8), [0, 0, 0, 50, 150, 200, 200, 200]);
        // Both overshoot at the edge, which is cut off at black; Lanczos rings on.
        let (cubic, lanczos) = (out(Filter::CatmullRom, 8), out(Filter::Lanczos3, 8));
        assert!(cubic[3] < 50 && cubic[4] > 150 && cubic[5] > 200, "{cubic:?}");
        assert!(lanczos[3] < 50 && lanczos[4] > 150 && lanczos != cubic, "{lanczos:?}");
    }

    #[test]
    fn a_model_from_before_there_was_a_choice_stretches_with_a_triangle() {
        let resize: Resize = serde_json::from_str(r#"{"width":4,"height":3}"#).unwrap();
        assert_eq!((resize.filter, resize.fit), (Filter::Bilinear, Fit::Stretch));
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
        let out =
            Resize::new(2, 2).apply(Record::Picture { meta, picture: short }, &PLAIN, &mut Spare::default());
        assert!(matches!(out, Err(OperatorError::Unusable(_))));
    }
}

use std::mem;

use serde::{Deserialize, Serialize};

use super::{chance::Chance, take};
use crate::rdd::{Function, Operator, OperatorError, Picture, Record, RecordContext};

/// Fractional bits of a place in the picture.
const FRACTION_BITS: u32 = 16;

/// Turns each picture about its centre by an angle of its own, in training only.
///
/// The angle is drawn evenly and depends on the job's seed, the epoch and the picture's key alone. Pixels are
/// interpolated bilinearly; where the turned picture doesn't reach, its edge pixels go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// The largest angle to either side in degrees, from 0 to 180.
    pub max_degrees: f32,
    #[serde(skip)]
    turned: Vec<u8>,
}

impl Rotate {
    /// Makes the operator.
    pub fn new(max_degrees: f32) -> Self {
        Self { max_degrees, turned: Vec::new() }
    }
}

impl Function for Rotate {
    const NAME: &'static str = "rotate";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        if (0.0..=180.0).contains(&self.max_degrees) {
            Ok(())
        } else {
            Err(format!("max_degrees is {}, it must be from 0 to 180", self.max_degrees))
        }
    }
}

impl Operator for Rotate {
    fn apply(&mut self, record: Record, context: &RecordContext) -> Result<Record, OperatorError> {
        let (meta, mut picture) = take::picture::<Self>(record)?;
        if let Some(augmentation) = context.augmentation
            && !picture.pixels.is_empty()
        {
            let mut chance = Chance::of_picture(augmentation, meta.key, Self::NAME);
            let degrees = chance.between(-self.max_degrees, self.max_degrees);
            turn(&picture, f64::from(degrees).to_radians(), &mut self.turned);
            mem::swap(&mut picture.pixels, &mut self.turned);
        }
        Ok(Record::Picture { meta, picture })
    }

    fn augments(&self) -> bool {
        true
    }
}

/// Writes `picture`, turned clockwise, to `to`.
fn turn(picture: &Picture, radians: f64, to: &mut Vec<u8>) {
    match picture.channels {
        1 => turn_pixels::<1>(picture, radians, to),
        3 => turn_pixels::<3>(picture, radians, to),
        _ => to.clone_from(&picture.pixels),
    }
}

fn turn_pixels<const CHANNELS: usize>(picture: &Picture, radians: f64, to: &mut Vec<u8>) {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let (pixels, _) = picture.pixels.as_chunks::<CHANNELS>();
    let fixed = |place: f64| (place * f64::from(1u32 << FRACTION_BITS)).round() as i64;
    let (sin, cos) = radians.sin_cos();
    let (step_x, step_y) = (fixed(cos), fixed(sin));
    let centre = ((width - 1) as f64 / 2.0, (height - 1) as f64 / 2.0);
    to.resize(picture.pixels.len(), 0);
    let (rows, _) = to.as_chunks_mut::<CHANNELS>();
    for (y, row) in rows.chunks_exact_mut(width).enumerate() {
        let down = y as f64 - centre.1;
        let mut from_x = fixed(centre.0 - centre.0 * cos + down * sin);
        let mut from_y = fixed(centre.1 + centre.0 * sin + down * cos);
        for pixel in row {
            let (left, right, across) = neighbours(from_x, width);
            let (above, below, along) = neighbours(from_y, height);
            let (above, below) = (above * width, below * width);
            let corners =
                [pixels[above + left], pixels[above + right], pixels[below + left], pixels[below + right]];
            *pixel = std::array::from_fn(|channel| {
                let [upper_left, upper_right, lower_left, lower_right] =
                    corners.map(|corner| u32::from(corner[channel]));
                let upper = upper_left * (256 - across) + upper_right * across;
                let lower = lower_left * (256 - across) + lower_right * across;
                ((upper * (256 - along) + lower * along + (1 << 15)) >> 16) as u8
            });
            from_x += step_x;
            from_y -= step_y;
        }
    }
}

/// The pixels before and after a place on a side of `size` pixels, and how far it is from one to the other in
/// 256ths.
#[inline]
fn neighbours(place: i64, size: usize) -> (usize, usize, u32) {
    let last = size as i64 - 1;
    let place = place.clamp(0, last << FRACTION_BITS);
    let before = place >> FRACTION_BITS;
    let after = (before + 1).min(last);
    (before as usize, after as usize, (place >> (FRACTION_BITS - 8)) as u32 & 255)
}

#[cfg(test)]
mod tests {
    use image::GrayImage;
    use imageproc::geometric_transformations::{Border, Interpolation, rotate_about_center};

    use super::*;
    use crate::vision::testing::{PLAIN, apply, gray, training};

    fn blob(width: u32, height: u32) -> Picture {
        gray(width, height, |x, y| (2 * x + 3 * y + (x / 8 + y / 8) % 2 * 60) as u8)
    }

    #[test]
    fn a_picture_turned_by_nothing_is_itself() {
        let picture = blob(31, 17);
        assert_eq!(apply(&mut Rotate::new(0.0), 5, &picture, training(1)), picture);
    }

    #[test]
    fn a_quarter_turn_moves_every_pixel_clockwise() {
        let picture = gray(2, 2, |x, y| (10 * y + x) as u8);
        let mut out = Vec::new();
        turn(&picture, std::f64::consts::FRAC_PI_2, &mut out);
        assert_eq!(out, [10, 0, 11, 1]);
    }

    #[test]
    fn each_channel_turns_like_a_picture_of_its_own() {
        let alone = blob(20, 12);
        let pixels = alone.pixels.iter().flat_map(|&value| [value, 7, 255 - value]).collect();
        let colour = Picture { channels: 3, pixels, ..alone };
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        turn(&colour, 0.15, &mut out);
        turn(&alone_of(&colour), 0.15, &mut expected);
        assert!(out.chunks_exact(3).map(|pixel| pixel[0]).eq(expected));
        assert!(out.chunks_exact(3).all(|pixel| pixel[1] == 7));
    }

    fn alone_of(colour: &Picture) -> Picture {
        let pixels = colour.pixels.iter().step_by(3).copied().collect();
        Picture { channels: 1, pixels, ..*colour }
    }

    #[test]
    fn a_picture_is_turned_as_imageproc_turns_it() {
        let picture = gray(65, 65, |x, y| (x * 3 / 2 + y * 2) as u8);
        let theirs = GrayImage::from_raw(65, 65, picture.pixels.clone()).unwrap();
        let theirs = rotate_about_center(&theirs, 0.17, Interpolation::Bilinear, Border::Replicate);
        let mut ours = Vec::new();
        turn(&picture, 0.17, &mut ours);
        let far = ours.iter().zip(theirs.as_raw()).map(|(ours, theirs)| ours.abs_diff(*theirs)).max();
        assert!(far <= Some(3), "{far:?}");
    }

    #[test]
    fn edges_go_on_instead_of_turning_black() {
        let picture = gray(40, 40, |_, _| 200);
        assert_eq!(apply(&mut Rotate::new(180.0), 1, &picture, training(1)), picture);
    }

    #[test]
    fn the_angle_depends_on_epoch_and_key_alone() {
        let picture = blob(32, 32);
        let mut rotate = Rotate::new(10.0);
        let first = apply(&mut rotate, 1, &picture, training(1));
        assert_ne!(first, picture);
        assert_ne!(apply(&mut rotate, 1, &picture, training(2)), first);
        assert_ne!(apply(&mut rotate, 2, &picture, training(1)), first);
        assert_eq!(apply(&mut Rotate::new(10.0), 1, &picture, training(1)), first);
        assert_eq!(apply(&mut rotate, 1, &picture, PLAIN), picture);
    }
}

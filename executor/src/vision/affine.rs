use std::mem;

use serde::{Deserialize, Serialize};

use super::{chance::Chance, take};
use crate::rdd::{Function, Operator, OperatorError, Picture, Record, RecordContext, Spare};

/// Fractional bits of a place in the picture.
const FRACTION_BITS: u32 = 16;
/// The most that a picture is magnified or shrunk.
const MOST_SCALE: f32 = 10.0;

/// Turns, scales and shifts each picture in one pass, by amounts of its own, in training only.
///
/// The amounts are drawn evenly, that of the scale on a logarithmic axis, and depend on the job's seed, the epoch and
/// the picture's key alone. Pixels are interpolated bilinearly; where the picture doesn't reach, its edge pixels go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    /// The largest angle to either side in degrees, from 0 to 180.
    #[serde(default)]
    pub max_degrees: f32,
    /// How far a picture is shifted at most to each side, as a fraction of its width and height, from 0 to 1.
    #[serde(default)]
    pub max_shift: f32,
    /// How many times larger or smaller a picture becomes at most, from 1 to 10.
    #[serde(default = "unscaled")]
    pub max_scale: f32,
}

fn unscaled() -> f32 {
    1.0
}

impl Affine {
    /// Makes the operator that turns pictures and does nothing else.
    pub fn rotation(max_degrees: f32) -> Self {
        Self { max_degrees, max_shift: 0.0, max_scale: 1.0 }
    }
}

impl Function for Affine {
    const NAME: &'static str = "affine";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        let Self { max_degrees, max_shift, max_scale } = self;
        if !(0.0..=180.0).contains(max_degrees) {
            Err(format!("max_degrees is {max_degrees}, it must be from 0 to 180"))
        } else if !(0.0..=1.0).contains(max_shift) {
            Err(format!("max_shift is {max_shift}, it must be from 0 to 1"))
        } else if !(1.0..=MOST_SCALE).contains(max_scale) {
            Err(format!("max_scale is {max_scale}, it must be from 1 to {MOST_SCALE}"))
        } else {
            Ok(())
        }
    }
}

impl Operator for Affine {
    fn apply(
        &mut self,
        record: Record,
        context: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError> {
        let (meta, mut picture) = take::picture::<Self>(record)?;
        if let Some(augmentation) = context.augmentation
            && !picture.pixels.is_empty()
        {
            let mut chance = Chance::of_picture(augmentation, meta.key, Self::NAME);
            let motion = self.draw(&mut chance, picture.width, picture.height);
            let mut moved = spare.pixels(picture.pixels.len());
            move_picture(&picture, motion, &mut moved);
            spare.keep_pixels(mem::replace(&mut picture.pixels, moved));
        }
        Ok(Record::Picture { meta, picture })
    }

    fn augments(&self) -> bool {
        true
    }
}

impl Affine {
    fn draw(&self, chance: &mut Chance, width: u32, height: u32) -> Motion {
        let mut either_side = |most: f32| f64::from(chance.between(-most, most));
        let (degrees, scale) = (either_side(self.max_degrees), either_side(self.max_scale.ln()));
        let (right, down) = (either_side(self.max_shift), either_side(self.max_shift));
        Motion {
            radians: degrees.to_radians(),
            scale: scale.exp(),
            right: right * f64::from(width),
            down: down * f64::from(height),
        }
    }
}

/// What becomes of a picture: it is turned clockwise and scaled about its centre, and then shifted by so many pixels.
#[derive(Debug, Clone, Copy)]
struct Motion {
    radians: f64,
    scale: f64,
    right: f64,
    down: f64,
}

/// Writes `picture`, moved, to `to`.
fn move_picture(picture: &Picture, motion: Motion, to: &mut Vec<u8>) {
    match picture.channels {
        1 => move_pixels::<1>(picture, motion, to),
        3 => move_pixels::<3>(picture, motion, to),
        _ => to.clone_from(&picture.pixels),
    }
}

fn move_pixels<const CHANNELS: usize>(picture: &Picture, motion: Motion, to: &mut Vec<u8>) {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let (pixels, _) = picture.pixels.as_chunks::<CHANNELS>();
    let fixed = |place: f64| (place * f64::from(1u32 << FRACTION_BITS)).round() as i64;
    let (sin, cos) = motion.radians.sin_cos();
    let (sin, cos) = (sin / motion.scale, cos / motion.scale);
    let (step_x, step_y) = (fixed(cos), fixed(sin));
    let centre = ((width - 1) as f64 / 2.0, (height - 1) as f64 / 2.0);
    let across = -centre.0 - motion.right;
    to.resize(picture.pixels.len(), 0);
    let (rows, _) = to.as_chunks_mut::<CHANNELS>();
    for (y, row) in rows.chunks_exact_mut(width).enumerate() {
        let down = y as f64 - centre.1 - motion.down;
        let mut from_x = fixed(centre.0 + across * cos + down * sin);
        let mut from_y = fixed(centre.1 - across * sin + down * cos);
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

    const STILL: Motion = Motion { radians: 0.0, scale: 1.0, right: 0.0, down: 0.0 };

    fn all() -> Affine {
        Affine { max_shift: 0.1, max_scale: 1.2, ..Affine::rotation(10.0) }
    }

    fn blob(width: u32, height: u32) -> Picture {
        gray(width, height, |x, y| (2 * x + 3 * y + (x / 8 + y / 8) % 2 * 60) as u8)
    }

    fn moved(picture: &Picture, motion: Motion) -> Picture {
        let mut pixels = Vec::new();
        move_picture(picture, motion, &mut pixels);
        Picture { pixels, ..*picture }
    }

    #[test]
    fn a_picture_moved_by_nothing_is_itself() {
        let picture = blob(31, 17);
        assert_eq!(apply(&mut Affine::rotation(0.0), 5, &picture, training(1)), picture);
    }

    #[test]
    fn a_quarter_turn_moves_every_pixel_clockwise() {
        let picture = gray(2, 2, |x, y| (10 * y + x) as u8);
        let out = moved(&picture, Motion { radians: std::f64::consts::FRAC_PI_2, ..STILL });
        assert_eq!(out.pixels, [10, 0, 11, 1]);
    }

    #[test]
    fn a_shift_moves_every_pixel_right_and_down() {
        let picture = gray(4, 3, |x, y| (10 * y + x) as u8);
        let out = moved(&picture, Motion { right: 2.0, down: 1.0, ..STILL });
        assert_eq!(out.pixels, [0, 0, 0, 1, 0, 0, 0, 1, 10, 10, 10, 11]);
    }

    #[test]
    fn scaling_keeps_the_centre_and_spreads_the_rest() {
        let line = gray(9, 1, |x, _| (20 * x) as u8);
        assert_eq!(
            moved(&line, Motion { scale: 2.0, ..STILL }).pixels,
            [40, 50, 60, 70, 80, 90, 100, 110, 120]
        );
        let smaller = moved(&line, Motion { scale: 0.5, ..STILL }).pixels;
        assert_eq!(smaller, [0, 0, 0, 40, 80, 120, 160, 160, 160]);
    }

    #[test]
    fn each_channel_moves_like_a_picture_of_its_own() {
        let alone = blob(20, 12);
        let pixels = alone.pixels.iter().flat_map(|&value| [value, 7, 255 - value]).collect();
        let colour = Picture { channels: 3, pixels, ..alone };
        let motion = Motion { radians: 0.15, scale: 1.1, right: 1.5, down: -0.7 };
        let out = moved(&colour, motion);
        let expected = moved(&alone, motion);
        assert!(out.pixels.iter().step_by(3).eq(&expected.pixels));
        assert!(out.pixels.chunks_exact(3).all(|pixel| pixel[1] == 7));
    }

    #[test]
    fn a_picture_is_turned_as_imageproc_turns_it() {
        let picture = gray(65, 65, |x, y| (x * 3 / 2 + y * 2) as u8);
        let theirs = GrayImage::from_raw(65, 65, picture.pixels.clone()).unwrap();
        let theirs = rotate_about_center(&theirs, 0.17, Interpolation::Bilinear, Border::Replicate);
        let ours = moved(&picture, Motion { radians: 0.17, ..STILL }).pixels;
        let far = ours.iter().zip(theirs.as_raw()).map(|(ours, theirs)| ours.abs_diff(*theirs)).max();
        assert!(far <= Some(3), "{far:?}");
    }

    #[test]
    fn edges_go_on_instead_of_turning_black() {
        let picture = gray(40, 40, |_, _| 200);
        let mut most = Affine { max_shift: 1.0, max_scale: 10.0, ..Affine::rotation(180.0) };
        for key in 0..20 {
            assert_eq!(apply(&mut most, key, &picture, training(1)), picture);
        }
    }

    #[test]
    fn what_is_drawn_stays_in_bounds_and_fills_them() {
        let affine = all();
        let (mut least, mut most) = ([f64::MAX; 4], [f64::MIN; 4]);
        for seed in 0..2_000 {
            let motion = affine.draw(&mut Chance::new(&[seed]), 100, 200);
            let drawn = [motion.radians.to_degrees(), motion.scale, motion.right, motion.down];
            for (place, value) in drawn.into_iter().enumerate() {
                least[place] = least[place].min(value);
                most[place] = most[place].max(value);
            }
        }
        for (place, (low, high)) in
            [(-10.0, 10.0), (1.0 / 1.2, 1.2), (-10.0, 10.0), (-20.0, 20.0)].into_iter().enumerate()
        {
            let slack = 0.01 * (high - low);
            assert!((low - 1e-6..low + slack).contains(&least[place]), "{place}: {least:?}");
            assert!((high - slack..high + 1e-6).contains(&most[place]), "{place}: {most:?}");
        }
    }

    #[test]
    fn the_motion_depends_on_epoch_and_key_alone() {
        let picture = blob(32, 32);
        let mut affine = all();
        let first = apply(&mut affine, 1, &picture, training(1));
        assert_ne!(first, picture);
        assert_ne!(apply(&mut affine, 1, &picture, training(2)), first);
        assert_ne!(apply(&mut affine, 2, &picture, training(1)), first);
        assert_eq!(apply(&mut all(), 1, &picture, training(1)), first);
        assert_eq!(apply(&mut affine, 1, &picture, PLAIN), picture);
    }

    #[test]
    fn bounds_that_make_no_sense_are_refused() {
        assert!(all().validate().is_ok());
        for bad in [
            Affine::rotation(-1.0),
            Affine::rotation(f32::NAN),
            Affine { max_shift: 1.1, ..all() },
            Affine { max_scale: 0.9, ..all() },
            Affine { max_scale: f32::INFINITY, ..all() },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}

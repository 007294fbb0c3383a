use serde::{Deserialize, Serialize};

use super::{chance::Chance, take};
use crate::rdd::{Function, Operator, OperatorError, Record, RecordContext, Spare};

/// Mirrors some pictures left to right, in training only, and those of the mirrored view.
///
/// Which ones depends on the job's seed, the epoch and the picture's key alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// How often a picture is mirrored, from 0 to 1.
    pub probability: f32,
}

impl Function for Flip {
    const NAME: &'static str = howdah_proto::settings::FLIP;
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        if (0.0..=1.0).contains(&self.probability) {
            Ok(())
        } else {
            Err(format!("probability is {}, it must be from 0 to 1", self.probability))
        }
    }
}

impl Operator for Flip {
    fn apply(
        &mut self,
        record: Record,
        context: &RecordContext,
        _: &mut Spare,
    ) -> Result<Record, OperatorError> {
        let (meta, mut picture) = take::picture::<Self>(record)?;
        let drawn = context.augmentation.is_some_and(|augmentation| {
            Chance::of_picture(augmentation, meta.key, Self::NAME).happens(self.probability)
        });
        let flipped = context.mirrored != drawn;
        if flipped {
            mirror(&mut picture.pixels, picture.width as usize, picture.channels as usize);
        }
        Ok(Record::Picture { meta, picture })
    }

    fn augments(&self) -> bool {
        true
    }

    fn mirrors(&self) -> bool {
        true
    }
}

fn mirror(pixels: &mut [u8], width: usize, channels: usize) {
    for row in pixels.chunks_exact_mut((width * channels).max(1)) {
        row.reverse();
        if channels > 1 {
            row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::{PLAIN, apply, gray, training};

    #[test]
    fn a_flipped_picture_is_mirrored_left_to_right() {
        let out =
            apply(&mut Flip { probability: 1.0 }, 0, &gray(3, 2, |x, y| (10 * y + x) as u8), training(1));
        assert_eq!(out.pixels, [2, 1, 0, 12, 11, 10]);
    }

    #[test]
    fn the_channels_of_a_pixel_stay_in_order() {
        let mut pixels = [1, 2, 3, 4, 5, 6];
        mirror(&mut pixels, 2, 3);
        assert_eq!(pixels, [4, 5, 6, 1, 2, 3]);
    }

    #[test]
    fn nothing_is_flipped_outside_training_or_at_probability_nought() {
        let picture = gray(3, 2, |x, y| (10 * y + x) as u8);
        assert_eq!(apply(&mut Flip { probability: 1.0 }, 0, &picture, PLAIN), picture);
        assert_eq!(apply(&mut Flip { probability: 0.0 }, 0, &picture, training(1)), picture);
    }

    #[test]
    fn the_mirrored_view_is_mirrored_whatever_the_probability() {
        let picture = gray(2, 1, |x, _| x as u8);
        let out = apply(&mut Flip { probability: 0.0 }, 0, &picture, RecordContext::MIRRORED);
        assert_eq!(out.pixels, [1, 0]);
    }

    #[test]
    fn half_of_the_pictures_are_flipped_and_others_in_the_next_epoch() {
        let picture = gray(2, 1, |x, _| x as u8);
        let flipped = |epoch| -> Vec<bool> {
            let mut flip = Flip { probability: 0.5 };
            (0..1_000).map(|key| apply(&mut flip, key, &picture, training(epoch)) != picture).collect()
        };
        let first = flipped(1);
        assert_eq!(first, flipped(1));
        assert_ne!(first, flipped(2));
        let count = first.iter().filter(|&&flipped| flipped).count();
        assert!((440..=560).contains(&count), "{count}");
    }
}

use serde::{Deserialize, Serialize};

use super::{chance::Chance, take};
use crate::rdd::{Function, Operator, OperatorError, Record, RecordContext, Spare};

/// Middle gray, which a change of contrast leaves as it is.
const MIDDLE: f32 = 127.5;
/// The most that contrast is raised or lowered.
const MOST_CONTRAST: f32 = 10.0;

/// Changes brightness and contrast of each picture, by amounts of its own, in training only.
///
/// A byte `x` becomes `(x - 127.5) * contrast + 127.5 + 255 * brightness`, rounded and cut off at 0 and 255, in all
/// channels alike. The amounts are drawn evenly, that of the contrast on a logarithmic axis, and depend on the job's
/// seed, the epoch and the picture's key alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// How much brighter or darker a picture becomes at most, as a fraction of white, from 0 to 1.
    pub max_brightness: f32,
    /// How many times more or less contrast it gets at most, from 1 to 10.
    pub max_contrast: f32,
}

impl Function for Jitter {
    const NAME: &'static str = "jitter";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        let Self { max_brightness, max_contrast } = self;
        if !(0.0..=1.0).contains(max_brightness) {
            Err(format!("max_brightness is {max_brightness}, it must be from 0 to 1"))
        } else if !(1.0..=MOST_CONTRAST).contains(max_contrast) {
            Err(format!("max_contrast is {max_contrast}, it must be from 1 to {MOST_CONTRAST}"))
        } else {
            Ok(())
        }
    }
}

impl Operator for Jitter {
    fn apply(
        &mut self,
        record: Record,
        context: &RecordContext,
        _: &mut Spare,
    ) -> Result<Record, OperatorError> {
        let (meta, mut picture) = take::picture::<Self>(record)?;
        if let Some(augmentation) = context.augmentation {
            let mut chance = Chance::of_picture(augmentation, meta.key, Self::NAME);
            let brightness = chance.between(-self.max_brightness, self.max_brightness);
            let most = self.max_contrast.ln();
            let table = table(brightness, chance.between(-most, most).exp());
            for byte in &mut picture.pixels {
                *byte = table[usize::from(*byte)];
            }
        }
        Ok(Record::Picture { meta, picture })
    }

    fn augments(&self) -> bool {
        true
    }
}

/// What each byte becomes.
fn table(brightness: f32, contrast: f32) -> [u8; 256] {
    let offset = MIDDLE + 255.0 * brightness;
    // The cast saturates.
    std::array::from_fn(|byte| ((byte as f32 - MIDDLE) * contrast + offset).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::{PLAIN, apply, gray, training};

    fn jitter() -> Jitter {
        Jitter { max_brightness: 0.2, max_contrast: 1.5 }
    }

    #[test]
    fn brightness_moves_all_bytes_and_contrast_spreads_them() {
        let plain = table(0.0, 1.0);
        assert!((0..=255u8).all(|byte| plain[usize::from(byte)] == byte));
        let brighter = table(0.2, 1.0);
        assert_eq!((brighter[0], brighter[100], brighter[250]), (51, 151, 255));
        let harder = table(0.0, 2.0);
        assert_eq!((harder[60], harder[127], harder[128], harder[200]), (0, 127, 129, 255));
    }

    #[test]
    fn the_change_depends_on_epoch_and_key_alone() {
        let picture = gray(16, 16, |x, y| (x * 16 + y) as u8);
        let first = apply(&mut jitter(), 1, &picture, training(1));
        assert_ne!(first, picture);
        assert_eq!(apply(&mut jitter(), 1, &picture, training(1)), first);
        assert_ne!(apply(&mut jitter(), 1, &picture, training(2)), first);
        assert_ne!(apply(&mut jitter(), 2, &picture, training(1)), first);
        assert_eq!(apply(&mut jitter(), 1, &picture, PLAIN), picture);
    }

    #[test]
    fn a_jitter_of_nothing_changes_nothing() {
        let picture = gray(16, 16, |x, y| (x * 16 + y) as u8);
        let mut nothing = Jitter { max_brightness: 0.0, max_contrast: 1.0 };
        assert_eq!(apply(&mut nothing, 1, &picture, training(1)), picture);
    }

    #[test]
    fn bounds_that_make_no_sense_are_refused() {
        assert!(jitter().validate().is_ok());
        for (max_brightness, max_contrast) in
            [(-0.1, 1.0), (1.1, 1.0), (0.0, 0.5), (f32::NAN, 1.0), (0.0, 11.0)]
        {
            assert!(Jitter { max_brightness, max_contrast }.validate().is_err());
        }
    }
}

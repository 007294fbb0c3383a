use serde::{Deserialize, Serialize};

use super::{gaussian::Gaussian, take};
use crate::rdd::{Function, Operator, OperatorError, Record, RecordContext, Spare};

/// The widest blur, in pixels.
pub const MAX_SIGMA: f32 = 100.0;

/// Takes noise out of a picture with a Gaussian blur; the result is rounded to bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denoise {
    /// The standard deviation in pixels, above 0 and up to [`MAX_SIGMA`].
    pub sigma: f32,
    #[serde(skip)]
    gaussian: Option<Gaussian>,
}

impl Denoise {
    /// Makes the operator.
    pub fn new(sigma: f32) -> Self {
        Self { sigma, gaussian: None }
    }
}

impl Function for Denoise {
    const NAME: &'static str = "denoise";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        if self.sigma > 0.0 && self.sigma <= MAX_SIGMA {
            Ok(())
        } else {
            Err(format!("sigma is {}, it must be above 0 and at most {MAX_SIGMA} pixels", self.sigma))
        }
    }
}

impl Operator for Denoise {
    fn apply(&mut self, record: Record, _: &RecordContext, _: &mut Spare) -> Result<Record, OperatorError> {
        let (meta, mut picture) = take::picture::<Self>(record)?;
        let gaussian = self.gaussian.get_or_insert_with(|| Gaussian::new(self.sigma));
        gaussian.blur(&mut picture.pixels, picture.width as usize, picture.channels as usize);
        Ok(Record::Picture { meta, picture })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::{PLAIN, apply, gray};

    #[test]
    fn a_constant_picture_stays_constant() {
        for (value, sigma) in [(0, 1.0), (1, 0.3), (129, 1.0), (255, 4.0)] {
            let picture = gray(40, 30, |_, _| value);
            assert_eq!(apply(&mut Denoise::new(sigma), 0, &picture, PLAIN), picture);
        }
    }

    #[test]
    fn pictures_of_different_sizes_do_not_disturb_each_other() {
        let (small, large) = (gray(5, 7, |x, y| (x * y) as u8), gray(50, 9, |x, y| (x * 5 + y) as u8));
        let alone = apply(&mut Denoise::new(1.0), 0, &small, PLAIN);
        let mut denoise = Denoise::new(1.0);
        apply(&mut denoise, 0, &large, PLAIN);
        assert_eq!(apply(&mut denoise, 0, &small, PLAIN), alone);
    }

    #[test]
    fn a_sigma_that_makes_no_sense_is_refused() {
        assert!(Denoise::new(1.0).validate().is_ok());
        for sigma in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(Denoise::new(sigma).validate().is_err());
        }
    }
}

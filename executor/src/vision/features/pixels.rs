use serde::{Deserialize, Serialize};

use super::Features;
use crate::rdd::PictureView;

/// The bytes of a picture, in its order, as numbers from 0 to 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pixels {}

impl Features for Pixels {
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    fn count(&self, width: u32, height: u32, channels: u32) -> Result<usize, String> {
        Ok(width as usize * height as usize * channels as usize)
    }

    fn compute(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<(), String> {
        for (value, &byte) in out.iter_mut().zip(picture.pixels) {
            *value = f32::from(byte) / 255.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{features::testing::computed, testing::gray};

    #[test]
    fn bytes_become_numbers_up_to_one() {
        let picture = gray(2, 2, |x, y| (100 * y + 55 * x + 100 * x * y) as u8);
        assert_eq!(computed(&mut Pixels {}, &picture), [0.0, 55.0 / 255.0, 100.0 / 255.0, 1.0]);
    }
}

use serde::{Deserialize, Serialize};

use super::take;
use crate::rdd::{Function, Operator, OperatorError, Record, RecordContext, Spare};

/// Brings features into the range a network learns best from: `x` becomes `x * scale + offset`, in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// What each feature is multiplied by.
    pub scale: f32,
    /// What is added to it then.
    pub offset: f32,
}

impl Function for Normalise {
    const NAME: &'static str = "normalise";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        if self.scale.is_finite() && self.offset.is_finite() {
            Ok(())
        } else {
            Err(format!("scale {} and offset {} must be finite", self.scale, self.offset))
        }
    }
}

impl Operator for Normalise {
    fn apply(&mut self, record: Record, _: &RecordContext, _: &mut Spare) -> Result<Record, OperatorError> {
        let Record::Features { meta, mut values } = record else {
            return Err(take::mismatch::<Self>("features", &record));
        };
        self.change_features(&mut values)?;
        Ok(Record::Features { meta, values })
    }

    fn change_features(&mut self, values: &mut [f32]) -> Result<bool, OperatorError> {
        for value in values {
            *value = *value * self.scale + self.offset;
        }
        Ok(true)
    }

    fn keeps_features(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::{PLAIN, gray, meta};

    #[test]
    fn features_are_scaled_and_then_shifted() {
        let features = Record::Features { meta: meta(0), values: vec![0.0, 51.0, 255.0] };
        let out =
            Normalise { scale: 0.5, offset: -1.0 }.apply(features, &PLAIN, &mut Spare::default()).unwrap();
        assert_eq!(out, Record::Features { meta: meta(0), values: vec![-1.0, 24.5, 126.5] });
    }

    #[test]
    fn a_picture_that_was_not_flattened_is_a_mismatch() {
        let picture = Record::Picture { meta: meta(0), picture: gray(1, 1, |_, _| 0) };
        let error =
            Normalise { scale: 1.0, offset: 0.0 }.apply(picture, &PLAIN, &mut Spare::default()).unwrap_err();
        assert_eq!(error.to_string(), "operator `normalise` takes features, not a decoded picture");
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        assert!(Normalise { scale: f32::NAN, offset: 0.0 }.validate().is_err());
        assert!(Normalise { scale: 1.0, offset: f32::INFINITY }.validate().is_err());
    }
}

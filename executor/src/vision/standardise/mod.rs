//! Features with mean 0 and variance 1 over the training pictures.

mod moments;

use serde::{Deserialize, Serialize};

use self::moments::Moments;
use super::take;
use crate::rdd::{
    Fit, FitError, Function, GatherContext, Operator, OperatorError, Packed, Record, RecordContext, Spare,
    Wanted,
};

/// Brings each feature to mean 0 and variance 1 over the training pictures: `x` becomes
/// `(x - mean) / sqrt(variance + epsilon)`.
///
/// Mean and variance are found from every view of every training picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardise {
    /// What is added to each variance, above 0: it keeps features that hardly vary from being blown up.
    pub epsilon: f32,
    /// Where features are cut off then, on either side of 0; nowhere if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f32>,
    /// The mean of each feature; absent until it is fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Packed>,
    /// The variance of each feature; absent until it is fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<Packed>,
    #[serde(skip)]
    scale: Vec<f32>,
}

impl Standardise {
    /// Makes one that is yet to be fitted.
    pub fn new(epsilon: f32, clip: Option<f32>) -> Self {
        Self { epsilon, clip, mean: None, variance: None, scale: Vec::new() }
    }
}

impl Function for Standardise {
    const NAME: &'static str = "standardise";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return Err(format!("epsilon is {}, it must be above 0", self.epsilon));
        }
        if let Some(clip) = self.clip.filter(|clip| !(clip.is_finite() && *clip > 0.0)) {
            return Err(format!("clip is {clip}, it must be above 0"));
        }
        match (&self.mean, &self.variance) {
            (None, None) => Ok(()),
            (Some(mean), Some(variance)) if mean.len() == variance.len() && !mean.is_empty() => {
                let negative = variance.iter().any(|variance| *variance < 0.0);
                if negative { Err("a variance is negative".to_owned()) } else { Ok(()) }
            }
            _ => Err("there must be as many variances as means, and one at least".to_owned()),
        }
    }
}

impl Operator for Standardise {
    fn apply(&mut self, record: Record, _: &RecordContext, _: &mut Spare) -> Result<Record, OperatorError> {
        let Record::Features { meta, mut values } = record else {
            return Err(take::mismatch::<Self>("features", &record));
        };
        self.change_features(&mut values)?;
        Ok(Record::Features { meta, values })
    }

    fn change_features(&mut self, values: &mut [f32]) -> Result<bool, OperatorError> {
        let (Some(mean), Some(variance)) = (&self.mean, &self.variance) else {
            return Err(OperatorError::Unfitted(Self::NAME));
        };
        if values.len() != mean.len() {
            return Err(OperatorError::Mismatch {
                operator: Self::NAME,
                expected: "as many features as it was fitted to",
                got: "another number of features",
            });
        }
        if self.scale.is_empty() {
            self.scale = variance.iter().map(|variance| (variance + self.epsilon).sqrt().recip()).collect();
        }
        let limit = self.clip.unwrap_or(f32::INFINITY);
        for ((value, mean), scale) in values.iter_mut().zip(mean.iter()).zip(&self.scale) {
            *value = ((*value - mean) * scale).clamp(-limit, limit);
        }
        Ok(true)
    }
    fn keeps_features(&self) -> bool {
        true
    }

    fn fit(&self) -> Option<Box<dyn Fit>> {
        let unfitted = self.mean.is_none();
        unfitted
            .then(|| Box::new(FitStandardise { operator: self.clone(), moments: Moments::default() }) as _)
    }
}

/// Finds mean and variance.
struct FitStandardise {
    operator: Standardise,
    moments: Moments,
}

impl Fit for FitStandardise {
    fn wanted(&self) -> Wanted {
        Wanted::All
    }

    fn gather(&mut self, record: &Record, _: &GatherContext) -> Result<(), OperatorError> {
        let Record::Features { values, .. } = record else {
            return Err(take::mismatch::<Standardise>("features", record));
        };
        if self.moments.add(values) {
            return Ok(());
        }
        Err(OperatorError::Mismatch {
            operator: Standardise::NAME,
            expected: "the same number of features of each picture",
            got: "another number of features: the pipeline needs a `resize`",
        })
    }

    fn summary(&self) -> Vec<u8> {
        self.moments.to_bytes()
    }

    fn merge(&mut self, summary: &[u8]) -> Result<(), FitError> {
        self.moments.merge(Moments::from_bytes(summary)?)
    }

    fn finish(&mut self, _: u64) -> Result<serde_json::Value, FitError> {
        let impossible = |reason: &str| FitError::Impossible(reason.to_owned());
        let (mean, variance) =
            self.moments.finish().ok_or_else(|| impossible("no training picture gives features"))?;
        let pack = |values: Vec<f64>| {
            let packed = Packed::new(values.into_iter().map(|value| value as f32).collect());
            packed.ok_or_else(|| impossible("a feature is infinite, or no number, in some picture"))
        };
        let fitted =
            Standardise { mean: Some(pack(mean)?), variance: Some(pack(variance)?), ..self.operator.clone() };
        fitted.validate().map_err(FitError::Impossible)?;
        serde_json::to_value(fitted).map_err(|error| FitError::Impossible(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rdd::{Registry, spec_of},
        vision::testing::{PLAIN, gray, meta},
    };

    const CONTEXT: GatherContext = GatherContext { seed: 1, records: 3 };

    fn features(values: &[f32]) -> Record {
        Record::Features { meta: meta(0), values: values.to_vec() }
    }

    /// Fits `operator` to the records of two partitions.
    fn fitted(operator: &Standardise, partitions: [&[&[f32]]; 2]) -> Result<serde_json::Value, FitError> {
        let mut whole = operator.fit().unwrap();
        for records in partitions {
            let mut part = operator.fit().unwrap();
            records.iter().for_each(|record| part.gather(&features(record), &CONTEXT).unwrap());
            whole.merge(&part.summary())?;
        }
        whole.finish(1)
    }

    #[test]
    fn an_operator_that_was_fitted_gives_mean_0_and_variance_1() {
        let operator = Standardise::new(1e-6, None);
        let params = fitted(&operator, [&[&[1.0, 10.0], &[2.0, 10.0]], &[&[3.0, 10.0]]]).unwrap();
        let mut registry = Registry::new();
        registry.register::<Standardise>();
        let spec = howdah_proto::lineage::OperatorSpec { params, ..spec_of(&operator) };
        let mut built = registry.build(&spec).unwrap();
        assert!(built.fit().is_none());
        let Record::Features { values, .. } =
            built.apply(features(&[3.0, 10.0]), &PLAIN, &mut Spare::default()).unwrap()
        else {
            panic!()
        };
        assert!((values[0] - 1.5f32.sqrt()).abs() < 1e-5, "{values:?}");
        assert_eq!(values[1], 0.0);
        assert!(built.apply(features(&[3.0]), &PLAIN, &mut Spare::default()).is_err());
    }

    #[test]
    fn outliers_are_cut_off_where_the_user_says() {
        let operator = Standardise::new(1e-6, Some(2.5));
        let params = fitted(&operator, [&[&[-1.0]], &[&[1.0]]]).unwrap();
        let mut clipped: Standardise = serde_json::from_value(params).unwrap();
        let mut values = [100.0];
        clipped.change_features(&mut values).unwrap();
        assert_eq!(values, [2.5]);
    }

    #[test]
    fn before_it_is_fitted_it_is_of_no_use_and_says_so() {
        let mut operator = Standardise::new(1e-6, None);
        let error = operator.apply(features(&[1.0]), &PLAIN, &mut Spare::default()).unwrap_err().to_string();
        assert_eq!(error, "operator `standardise` has not been fitted to the training pictures");
        assert!(fitted(&operator, [&[], &[]]).unwrap_err().to_string().contains("no training picture"));
        let infinite: &[&[f32]] = &[&[f32::INFINITY]];
        assert!(fitted(&operator, [infinite, &[]]).unwrap_err().to_string().contains("infinite"));
        let picture = Record::Picture { meta: meta(0), picture: gray(1, 1, |_, _| 0) };
        assert!(operator.fit().unwrap().gather(&picture, &CONTEXT).is_err());
    }

    #[test]
    fn parameters_that_do_not_fit_together_are_refused() {
        let packed = |values: &[f32]| Packed::new(values.to_vec());
        let with = |mean: &[f32], variance: &[f32]| Standardise {
            mean: packed(mean),
            variance: packed(variance),
            ..Standardise::new(1e-6, None)
        };
        assert_eq!(with(&[0.0], &[1.0]).validate(), Ok(()));
        for wrong in [with(&[0.0], &[-1.0]), with(&[0.0], &[]), with(&[], &[]), Standardise::new(0.0, None)] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
        assert!(Standardise::new(1.0, Some(f32::NAN)).validate().is_err());
    }
}

use super::{
    Describe, Part,
    fisher::{FITTED_PICTURES, FisherFit},
};
use crate::{
    rdd::{Fit, FitError, GatherContext, OperatorError, Record, Wanted},
    vision::take,
};

/// Finds what the parts lack; their summaries stand one after the other, each after its length in eight bytes.
pub(super) struct DescribeFit {
    describe: Describe,
    /// The places of parts, and what fits them.
    parts: Vec<(usize, FisherFit)>,
}

impl DescribeFit {
    /// Begins to fit the parts that are not; none if all are.
    pub(super) fn new(describe: &Describe) -> Option<Self> {
        let fits = describe.parts.iter().enumerate().filter_map(|(place, part)| match part {
            Part::Fisher(fisher) => fisher.fit().map(|fit| (place, fit)),
            Part::Pixels(_) | Part::Hog(_) | Part::ColorGrid(_) => None,
        });
        let parts: Vec<_> = fits.collect();
        (!parts.is_empty()).then(|| Self { describe: describe.clone(), parts })
    }
}

impl Fit for DescribeFit {
    fn wanted(&self) -> Wanted {
        Wanted::Records(FITTED_PICTURES)
    }

    fn gather(&mut self, record: &Record, context: &GatherContext) -> Result<(), OperatorError> {
        let Record::Picture { picture, .. } = record else {
            return Err(take::mismatch::<Describe>("a decoded picture", record));
        };
        self.describe.count(picture.view())?;
        for (_, part) in &mut self.parts {
            part.gather(picture.view(), context.seed, context.records).map_err(OperatorError::Unusable)?;
        }
        Ok(())
    }

    fn summary(&self) -> Vec<u8> {
        let framed = self.parts.iter().flat_map(|(_, part)| {
            let summary = part.summary();
            [(summary.len() as u64).to_le_bytes().to_vec(), summary]
        });
        framed.collect::<Vec<_>>().concat()
    }

    fn merge(&mut self, summary: &[u8]) -> Result<(), FitError> {
        let mut rest = summary;
        for (_, part) in &mut self.parts {
            let cut = || FitError::Summary(format!("{} bytes end too early", summary.len()));
            let (length, after) = rest.split_first_chunk().ok_or_else(cut)?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok();
            let (own, others) = length.and_then(|length| after.split_at_checked(length)).ok_or_else(cut)?;
            part.merge(own)?;
            rest = others;
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(FitError::Summary(format!("{} bytes too many", rest.len())))
        }
    }

    fn finish(&mut self, seed: u64) -> Result<serde_json::Value, FitError> {
        let mut describe = self.describe.clone();
        for (place, part) in &self.parts {
            describe.parts[*place] = Part::Fisher(part.finish(seed)?);
        }
        serde_json::to_value(describe).map_err(|error| FitError::Impossible(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::lineage::OperatorSpec;
    use image::imageops::{FilterType, flip_horizontal, resize};

    use super::*;
    use crate::{
        rdd::{Function, Operator, Picture, Spare},
        vision::{
            Fisher, Hog,
            synthetic::{Class, draw},
            testing::{PLAIN, meta},
        },
    };

    const DIMENSIONS: usize = 12;
    const COMPONENTS: usize = 8;

    fn picture(key: u64, mirrored: bool) -> Record {
        let class = if key.is_multiple_of(2) { Class::Cat } else { Class::Dog };
        let drawn = resize(&draw(class, key, 1), 64, 64, FilterType::Triangle);
        let drawn = if mirrored { flip_horizontal(&drawn) } else { drawn };
        let picture = Picture { width: 64, height: 64, channels: 3, pixels: drawn.into_raw() };
        Record::Picture { meta: meta(key), picture }
    }

    fn unfitted() -> Describe {
        let fisher = Fisher::new(4, DIMENSIONS as u32, COMPONENTS as u32);
        Describe { parts: vec![Part::Hog(Hog::new(32)), Part::Fisher(fisher)] }
    }

    fn gathered(keys: std::ops::Range<u64>) -> Vec<u8> {
        let mut fit = unfitted().fit().unwrap();
        for key in keys {
            fit.gather(&picture(key, false), &GatherContext { seed: key, records: 40 }).unwrap();
        }
        fit.summary()
    }

    fn fitted() -> Describe {
        let mut fit = unfitted().fit().unwrap();
        for keys in [0..15, 15..40] {
            fit.merge(&gathered(keys)).unwrap();
        }
        let value = fit.finish(7).unwrap();
        let describe: Describe = serde_json::from_value(value).unwrap();
        describe.validate().unwrap();
        describe
    }

    fn features(describe: &mut Describe, record: Record) -> Vec<f32> {
        match describe.apply(record, &PLAIN, &mut Spare::default()).unwrap() {
            Record::Features { values, .. } => values,
            other => panic!("{} came out", other.kind()),
        }
    }

    #[test]
    fn what_is_not_fitted_says_so_and_is_found_from_pictures() {
        let error = unfitted().apply(picture(0, false), &PLAIN, &mut Spare::default()).unwrap_err();
        assert_eq!(error, OperatorError::Unfitted("describe"));
        let mut describe = fitted();
        assert!(describe.fit().is_none());
        let values = features(&mut describe, picture(50, false));
        assert_eq!(values.len(), 36 + 2 * COMPONENTS * (DIMENSIONS + 2));
        assert!(values.iter().all(|value| value.is_finite()));
        let other = features(&mut describe, picture(51, false));
        assert_ne!(values, other);
    }

    #[test]
    fn the_same_pictures_and_seed_give_the_same_parameters() {
        assert_eq!(gathered(0..4), gathered(0..4));
        let json = |describe: &Describe| serde_json::to_string(describe).unwrap();
        let one = fitted();
        assert_eq!(json(&one), json(&fitted()));
        let mut fit = unfitted().fit().unwrap();
        fit.merge(&gathered(0..40)).unwrap();
        assert_eq!(fit.finish(7).unwrap(), serde_json::to_value(&one).unwrap());
        assert_ne!(fit.finish(8).unwrap(), serde_json::to_value(&one).unwrap());
    }

    #[test]
    fn the_features_of_the_mirror_image_are_put_together_from_those_of_the_picture() {
        let mut describe = fitted();
        let Record::Picture { picture: pixels, .. } = picture(60, false) else { panic!() };
        let plain = features(&mut describe, picture(60, false));
        let mut mirrored = vec![0.0; plain.len()];
        let knows = describe.mirror_features(pixels.view(), &plain, &mut mirrored);
        assert!(!knows, "a part doesn't know how");
        describe.parts.remove(0);
        let plain = features(&mut describe, picture(60, false));
        let expected = features(&mut describe, picture(60, true));
        let mut mirrored = vec![0.0; plain.len()];
        assert!(describe.mirror_features(pixels.view(), &plain, &mut mirrored));
        let scale = plain.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        // The root makes much of what rounding leaves near 0.
        for (mirrored, expected) in mirrored.iter().zip(&expected) {
            assert!((mirrored - expected).abs() < 0.02 * scale, "{mirrored} instead of {expected}");
        }
        assert!(plain.iter().zip(&expected).any(|(one, other)| (one - other).abs() > 0.5 * scale));
        let mut twice = vec![0.0; plain.len()];
        assert!(describe.mirror_features(pixels.view(), &mirrored, &mut twice));
        assert_eq!(twice, plain);
    }

    #[test]
    fn summaries_that_make_no_sense_are_refused() {
        let good = gathered(0..2);
        let mut fit = unfitted().fit().unwrap();
        for bad in [&good[..4], &good[..good.len() - 1], &[good.as_slice(), &[0]].concat()[..], &[0xff; 16]] {
            assert!(matches!(fit.merge(bad), Err(FitError::Summary(_))));
        }
        let mut odd = 3u64.to_le_bytes().to_vec();
        odd.extend([1, 2, 3]);
        assert!(matches!(fit.merge(&odd), Err(FitError::Summary(_))));
        let mut nothing = unfitted().fit().unwrap();
        assert!(matches!(nothing.finish(1), Err(FitError::Impossible(_))));
    }

    #[test]
    fn parameters_that_do_not_fit_together_are_refused() {
        let spec = |describe: &Describe| OperatorSpec {
            name: Describe::NAME.to_owned(),
            version: Describe::VERSION,
            params: serde_json::to_value(describe).unwrap(),
        };
        let mut registry = crate::rdd::Registry::new();
        registry.register::<Describe>();
        let good = spec(&fitted());
        assert!(registry.build(&good).is_ok());
        for (field, value) in [("dimensions", 13), ("components", 6), ("components", 7), ("cell", 0)] {
            let mut bad = good.clone();
            bad.params["parts"][1][field] = value.into();
            assert!(registry.build(&bad).is_err(), "{field}");
        }
        for field in ["variances", "weights", "signs"] {
            let mut bad = good.clone();
            let fitted = &mut bad.params["parts"][1]["fitted"];
            fitted[field] = fitted["mean"].clone();
            assert!(registry.build(&bad).is_err(), "{field}");
        }
    }

    #[test]
    fn a_picture_is_the_same_whatever_came_before_it() {
        let (mut used, mut fresh) = (fitted(), fitted());
        features(&mut used, picture(1, false));
        let pixels = (0..80 * 96 * 3).map(|place| (place * place % 251) as u8).collect();
        let larger = Picture { width: 80, height: 96, channels: 3, pixels };
        features(&mut used, Record::Picture { meta: meta(2), picture: larger });
        assert_eq!(features(&mut used, picture(3, false)), features(&mut fresh, picture(3, false)));
    }
}

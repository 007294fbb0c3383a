//! What a network is told of a picture, instead of or beside its pixels; a file for each kind.

mod color_grid;
mod fisher;
mod fit;
mod gradient;
mod hog;
mod pixels;
mod plane;

use serde::{Deserialize, Serialize};

pub use color_grid::ColorGrid;
pub use fisher::Fisher;
pub use hog::{GradientOf, Hog};
pub use pixels::Pixels;

use self::fit::DescribeFit;
use super::take;
use crate::rdd::{Fit, Function, Operator, OperatorError, PictureView, Record, RecordContext, Spare};

/// The most features that a picture may be described by.
pub const MAX_FEATURES: usize = 1 << 24;

/// Describes a picture by features of several kinds, one after the other.
///
/// It takes pictures of one or three channels. How many features there are depends on the size of the picture, so a
/// `resize` belongs before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Describe {
    /// The kinds, in the order of their features.
    pub parts: Vec<Part>,
}

/// A kind of features.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Part {
    /// The pixels themselves.
    Pixels(Pixels),
    /// Histograms of oriented gradients.
    Hog(Hog),
    /// Mean and deviation of each channel in a grid.
    ColorGrid(ColorGrid),
    /// A Fisher vector of gradient descriptors.
    Fisher(Fisher),
}

/// What computes features of one kind.
trait Features {
    /// Checks the parameters.
    ///
    /// # Errors
    /// What is wrong with them.
    fn validate(&self) -> Result<(), String>;

    /// How many features a picture of this size has.
    ///
    /// # Errors
    /// Why it has none.
    fn count(&self, width: u32, height: u32, channels: u32) -> Result<usize, String>;

    /// Whether it has all that it finds from training pictures.
    fn is_fitted(&self) -> bool {
        true
    }

    /// Writes the features of a picture, as many as [`Self::count`] says, to `out`.
    ///
    /// # Errors
    /// Why there are none.
    fn compute(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<(), String>;

    /// Writes the features of a picture's mirror image to `out`, put together from those of the picture; says no if it doesn't
    /// know how.
    fn mirror(&self, picture: PictureView<'_>, features: &[f32], out: &mut [f32]) -> bool {
        let _ = (picture, features, out);
        false
    }
}

impl Part {
    fn features(&self) -> &dyn Features {
        match self {
            Self::Pixels(part) => part,
            Self::Hog(part) => part,
            Self::ColorGrid(part) => part,
            Self::Fisher(part) => part,
        }
    }

    fn features_mut(&mut self) -> &mut dyn Features {
        match self {
            Self::Pixels(part) => part,
            Self::Hog(part) => part,
            Self::ColorGrid(part) => part,
            Self::Fisher(part) => part,
        }
    }
}

impl Function for Describe {
    const NAME: &'static str = "describe";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), String> {
        if self.parts.is_empty() {
            return Err("it needs at least one part".to_owned());
        }
        self.parts.iter().try_for_each(|part| part.features().validate())
    }
}

impl Operator for Describe {
    fn apply(
        &mut self,
        record: Record,
        _: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError> {
        let (meta, picture) = take::picture::<Self>(record)?;
        let count = self.count(picture.view())?;
        let mut values = spare.values(count);
        values.resize(count, 0.0);
        self.compute(picture.view(), &mut values)?;
        spare.keep_pixels(picture.pixels);
        Ok(Record::Features { meta, values })
    }

    fn write_features(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<bool, OperatorError> {
        let fits = self.count(picture)? == out.len();
        if fits {
            self.compute(picture, out)?;
        }
        Ok(fits)
    }

    fn mirror_features(&self, picture: PictureView<'_>, features: &[f32], out: &mut [f32]) -> bool {
        let (mut rest, mut out) = (features, out);
        for part in &self.parts {
            let count = part.features().count(picture.width, picture.height, picture.channels);
            let split = count.ok().and_then(|count| {
                Some((rest.split_at_checked(count)?, std::mem::take(&mut out).split_at_mut_checked(count)?))
            });
            let Some(((own, others), (to, to_others))) = split else { return false };
            if !part.features().mirror(picture, own, to) {
                return false;
            }
            (rest, out) = (others, to_others);
        }
        true
    }

    fn fit(&self) -> Option<Box<dyn Fit>> {
        DescribeFit::new(self).map(|fit| Box::new(fit) as _)
    }
}

impl Describe {
    /// How many features the parts have together.
    fn count(&self, picture: PictureView<'_>) -> Result<usize, OperatorError> {
        let PictureView { width, height, channels, pixels } = picture;
        let good = matches!(channels, 1 | 3) && width > 0 && height > 0;
        let size = u64::from(width) * u64::from(height) * u64::from(channels);
        let unusable = |reason: &str| {
            OperatorError::Unusable(format!("{width} x {height} x {channels} can't be described{reason}"))
        };
        if !good || pixels.len() as u64 != size {
            return Err(unusable(""));
        }
        let mut total = 0;
        for part in &self.parts {
            total += part.features().count(width, height, channels).map_err(OperatorError::Unusable)?;
            if total > MAX_FEATURES {
                return Err(unusable(&format!(": it would have more than {MAX_FEATURES} features")));
            }
        }
        Ok(total)
    }

    /// Writes the features of all parts.
    fn compute(&mut self, picture: PictureView<'_>, mut out: &mut [f32]) -> Result<(), OperatorError> {
        if !self.parts.iter().all(|part| part.features().is_fitted()) {
            return Err(OperatorError::Unfitted(Self::NAME));
        }
        let PictureView { width, height, channels, .. } = picture;
        for part in &mut self.parts {
            let count = part.features().count(width, height, channels).map_err(OperatorError::Unusable)?;
            let (own, others) = out.split_at_mut(count);
            part.features_mut().compute(picture, own).map_err(OperatorError::Unusable)?;
            out = others;
        }
        Ok(())
    }
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rdd::{Picture, Registry, spec_of},
        vision::testing::{PLAIN, gray, meta},
    };

    fn describe(parts: Vec<Part>, picture: Picture) -> Result<Vec<f32>, OperatorError> {
        match (Describe { parts }).apply(
            Record::Picture { meta: meta(2), picture },
            &PLAIN,
            &mut Spare::default(),
        )? {
            Record::Features { meta: kept, values } => {
                assert_eq!(kept, meta(2));
                Ok(values)
            }
            other => panic!("{} came out", other.kind()),
        }
    }

    fn colour(side: u32) -> Picture {
        let pixels = (0..side * side * 3).map(|place| (place * place % 251) as u8).collect();
        Picture { width: side, height: side, channels: 3, pixels }
    }

    #[test]
    fn parts_stand_side_by_side_in_their_order() {
        let (hog, grid) = (Part::Hog(Hog::new(8)), Part::ColorGrid(ColorGrid { cells: 4 }));
        let alone = [hog.clone(), grid.clone()].map(|part| describe(vec![part], colour(32)).unwrap());
        let both = describe(vec![hog, grid], colour(32)).unwrap();
        assert_eq!(both, alone.concat());
        assert_eq!(both.len(), 9 * 36 + 96);
    }

    #[test]
    fn the_parameters_are_read_and_checked_by_kind() {
        let mut registry = Registry::new();
        registry.register::<Describe>();
        let mut spec = spec_of(&Describe { parts: vec![Part::Hog(Hog::new(16))] });
        assert!(registry.build(&spec).is_ok());
        let reason = |params, registry: &Registry, spec: &mut howdah_proto::lineage::OperatorSpec| {
            spec.params = params;
            registry.build(spec).err().map(|error| error.to_string()).unwrap_or_default()
        };
        for (params, told) in [
            (serde_json::json!({ "parts": [] }), "at least one part"),
            (serde_json::json!({ "parts": [{ "kind": "hog", "cell": 0 }] }), "cell is 0"),
            (
                serde_json::json!({ "parts": [{ "kind": "hog", "cell": 8, "cells": 2 }] }),
                "unknown field `cells`",
            ),
            (serde_json::json!({ "parts": [{ "kind": "smell" }] }), "unknown variant `smell`"),
            (serde_json::json!({ "parts": [{ "kind": "color_grid", "cells": 0 }] }), "cells is 0"),
        ] {
            let reason = reason(params, &registry, &mut spec);
            assert!(reason.contains("describe") && reason.contains(told), "{reason}");
        }
    }

    #[test]
    fn a_picture_that_is_too_small_is_unusable() {
        let error = describe(vec![Part::Hog(Hog::new(16))], gray(31, 64, |_, _| 0)).unwrap_err();
        assert!(matches!(&error, OperatorError::Unusable(reason) if reason.contains("31 x 64")), "{error}");
        let short = Picture { pixels: vec![0; 5], ..gray(3, 3, |_, _| 0) };
        assert!(matches!(describe(vec![Part::Pixels(Pixels {})], short), Err(OperatorError::Unusable(_))));
    }

    #[test]
    fn pictures_of_different_sizes_do_not_disturb_each_other() {
        let parts = || vec![Part::Hog(Hog::new(8)), Part::ColorGrid(ColorGrid { cells: 3 })];
        let mut shared = Describe { parts: parts() };
        for side in [16, 40, 16, 24] {
            let picture = colour(side);
            let expected = describe(parts(), picture.clone()).unwrap();
            let mut values = vec![0.0; expected.len()];
            assert_eq!(shared.write_features(picture.view(), &mut values), Ok(true));
            assert_eq!(values, expected);
            assert_eq!(shared.write_features(picture.view(), &mut values[1..]), Ok(false));
        }
    }
}

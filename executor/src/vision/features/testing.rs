//! What the tests of features share.

use super::Features;
use crate::rdd::Picture;

/// The features of a picture.
pub(super) fn computed(features: &mut impl Features, picture: &Picture) -> Vec<f32> {
    let count = features.count(picture.width, picture.height, picture.channels).unwrap();
    let mut out = vec![f32::NAN; count];
    features.compute(picture.view(), &mut out).unwrap();
    assert!(out.iter().all(|value| value.is_finite()));
    out
}

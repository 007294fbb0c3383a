use howdah_proto::settings::Pipeline;

use super::preset::{Augment, Changes, Refused};
use crate::{
    rdd::spec_of,
    vision::{Color, Decode, Denoise, Describe, Flip, Part, Resize, Standardise},
};

/// Pixels in width and height.
pub(super) const SIZE: u32 = 128;
/// Keeps features that hardly vary from being blown up.
const EPSILON: f32 = 1e-6;
/// Where standardised features are cut off.
const CLIP: f32 = 6.0;

/// Makes a pipeline that prepares the features of each picture and of its mirror image, and standardises them.
pub(super) fn described(color: Color, changes: &Changes, parts: Vec<Part>) -> Result<Pipeline, Refused> {
    let size = changes.size.unwrap_or(SIZE);
    let mut prepare = vec![spec_of(&Decode { color }), spec_of(&Resize::new(size, size))];
    if let Some(sigma) = changes.denoise.filter(|sigma| *sigma != 0.0) {
        prepare.push(spec_of(&Denoise::new(sigma)));
    }
    let mirrored = match changes.augment {
        None | Some(Augment::Flip) => true,
        Some(Augment::None) => false,
        Some(Augment::FlipAndRotate) => {
            return Err(Refused("keeps features, so it can mirror pictures but not turn them anew"));
        }
    };
    if mirrored {
        prepare.push(spec_of(&Flip { probability: 0.5 }));
    }
    prepare.push(spec_of(&Describe { parts }));
    let feed = vec![spec_of(&Standardise::new(EPSILON, Some(CLIP)))];
    let views = if mirrored { 2 } else { 0 };
    Ok(Pipeline { prepare, feed, views, mirror_average: mirrored })
}

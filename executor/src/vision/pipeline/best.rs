use howdah_proto::settings::Pipeline;

use super::preset::{Augment, Changes, Preset, Refused};
use crate::{
    rdd::spec_of,
    vision::{Color, ColorGrid, Decode, Denoise, Describe, Flip, Hog, Part, Resize, Standardise},
};

/// What gives the best accuracy.
pub(super) const PRESET: Preset = Preset {
    name: "best",
    about: "colour pictures of 128 x 128 pixels, also mirrored; their oriented gradients and coarse colours",
    build,
};

/// Pixels in width and height.
const SIZE: u32 = 128;
/// Cells of gradients in width and height.
const GRADIENT_CELLS: u32 = 8;
/// Cells of colour in width and height.
const COLOR_CELLS: u32 = 8;

/// Keeps features that hardly vary from being blown up.
const EPSILON: f32 = 1e-6;
/// Where standardised features are cut off.
const CLIP: f32 = 6.0;

fn build(changes: &Changes) -> Result<Pipeline, Refused> {
    let size = changes.size.unwrap_or(SIZE);
    if size < 2 * GRADIENT_CELLS {
        return Err(Refused("takes pictures of at least 16 x 16 pixels"));
    }
    let mut prepare = vec![spec_of(&Decode { color: Color::Rgb }), spec_of(&Resize::new(size, size))];
    if let Some(sigma) = changes.denoise
        && sigma != 0.0
    {
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
    let parts =
        vec![Part::Hog(Hog::new(size / GRADIENT_CELLS)), Part::ColorGrid(ColorGrid { cells: COLOR_CELLS })];
    prepare.push(spec_of(&Describe { parts }));
    let feed = vec![spec_of(&Standardise::new(EPSILON, Some(CLIP)))];
    let views = if mirrored { 2 } else { 0 };
    Ok(Pipeline { prepare, feed, views, mirror_average: mirrored })
}

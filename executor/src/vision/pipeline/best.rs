use howdah_proto::settings::Pipeline;

use super::{
    described::{SIZE, described},
    preset::{Changes, Preset, Refused},
};
use crate::vision::{Color, Fisher, Part};

/// What gives the best accuracy.
pub(super) const PRESET: Preset = Preset {
    name: "best",
    about: "Fisher vectors of the gradients of gray pictures of 128 x 128 pixels, and of their mirror images",
    build,
};

/// Pixels in a side of a cell, in pictures of the usual size.
const CELL: u32 = 4;
/// What descriptors are reduced to.
const DIMENSIONS: u32 = 64;
/// Gaussians in the mixture.
const COMPONENTS: u32 = 64;

fn build(changes: &Changes) -> Result<Pipeline, Refused> {
    if changes.size.is_some_and(|size| size < 4 * CELL) {
        return Err(Refused("takes pictures of at least 16 x 16 pixels"));
    }
    // Larger pictures show the same in larger cells.
    let cell = (changes.size.unwrap_or(SIZE) * CELL / SIZE).max(CELL);
    described(Color::Gray, changes, vec![Part::Fisher(Fisher::new(cell, DIMENSIONS, COMPONENTS))])
}

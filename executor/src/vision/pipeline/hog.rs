use howdah_proto::settings::Pipeline;

use super::{
    described::{SIZE, described},
    preset::{Changes, Preset, Refused},
};
use crate::vision::{Color, ColorGrid, Hog, Part};

/// What costs little and needs no fitting.
pub(super) const PRESET: Preset = Preset {
    name: "hog",
    about: "oriented gradients and coarse colours of pictures of 128 x 128 pixels, and of their mirror images",
    build,
};

/// Cells in width and height, of gradients and of colours.
const CELLS: u32 = 8;

fn build(changes: &Changes) -> Result<Pipeline, Refused> {
    let size = changes.size.unwrap_or(SIZE);
    if size < 2 * CELLS {
        return Err(Refused("takes pictures of at least 16 x 16 pixels"));
    }
    let parts = vec![Part::Hog(Hog::new(size / CELLS)), Part::ColorGrid(ColorGrid { cells: CELLS })];
    described(Color::Rgb, changes, parts)
}

use serde::{Deserialize, Serialize};

use super::{
    Features,
    gradient::{Directions, OrientedGradients, Pooling},
    plane,
};
use crate::rdd::PictureView;

/// Directions that are told apart, over half a circle.
const BINS: usize = 9;
/// Cells in a side of a block.
const BLOCK: usize = 2;
const BLOCK_FEATURES: usize = BLOCK * BLOCK * BINS;
/// What a feature of a block is clipped to, before the block is brought to length one again.
const CLIP: f32 = 0.2;
/// Added to a block's length, so that the noise of flat ground isn't taken for structure; in gray levels.
const NOISE: f32 = 0.5;
/// The largest cell.
const MOST_CELL: u32 = 1_024;

/// Histograms of oriented gradients (Dalal and Triggs 2005, "Histograms of oriented gradients for human detection").
///
/// Nine unsigned directions in cells of `cell` x `cell` pixels; blocks of 2 x 2 cells, one cell apart, each brought to
/// length one, clipped at 0.2, and brought to length one again (L2-Hys). A gradient is shared between the two nearest
/// directions and the nearest cells of each block it belongs to, and weighed by a Gaussian about the block's middle. As
/// many cells are taken as the picture has room for, in its middle. Blocks go from the top left, row by row; in a block
/// its cells do, and each has its nine directions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hog {
    /// Pixels in a side of a cell.
    pub cell: u32,
    /// What the gradients of a colour picture are taken of.
    #[serde(default)]
    pub gradient: GradientOf,
    #[serde(skip)]
    scratch: Box<Scratch>,
}

/// What the gradients of a colour picture are taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradientOf {
    /// Its luma (ITU-R BT.601).
    #[default]
    Luma,
    /// Each pixel's channel that changes most, as in the paper.
    StrongestChannel,
}

#[derive(Debug, Clone, Default)]
struct Scratch {
    gradients: Option<OrientedGradients>,
    planes: Vec<u8>,
    sums: Vec<f32>,
}

impl Hog {
    /// Makes the features of the luma.
    pub fn new(cell: u32) -> Self {
        Self { cell, gradient: GradientOf::default(), scratch: Box::default() }
    }

    /// Blocks in a row along a side of so many pixels; none if there is no room for one.
    fn blocks(&self, side: u32) -> usize {
        ((side / self.cell.max(1)) as usize + 1).saturating_sub(BLOCK)
    }

    /// Gathers a side in the cells of its blocks: of each block its first cell and its second.
    fn pooling(&self, side: u32) -> Pooling {
        let cell = self.cell as f32;
        let start = (side % self.cell) as f32 / 2.0;
        Pooling::new(side as usize, BLOCK * self.blocks(side), |slot, place| {
            let place = place as f32 + 0.5 - start - cell * (slot / BLOCK) as f32;
            if !(0.0..BLOCK as f32 * cell).contains(&place) {
                return 0.0;
            }
            let from_middle = (place - cell) / cell;
            let from_cell = (place / cell - (slot % BLOCK) as f32 - 0.5).abs();
            (1.0 - from_cell).max(0.0) * (-from_middle * from_middle / 2.0).exp()
        })
        .normalised()
    }
}

impl Features for Hog {
    fn validate(&self) -> Result<(), String> {
        if (1..=MOST_CELL).contains(&self.cell) {
            Ok(())
        } else {
            Err(format!("hog: cell is {}, it must be from 1 to {MOST_CELL} pixels", self.cell))
        }
    }

    fn count(&self, width: u32, height: u32, _: u32) -> Result<usize, String> {
        match self.blocks(width) * self.blocks(height) {
            0 => {
                let least = u64::from(self.cell) * BLOCK as u64;
                Err(format!("{width} x {height} is too small for a block of gradients of {least} x {least}"))
            }
            blocks => Ok(blocks * BLOCK_FEATURES),
        }
    }

    fn compute(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<(), String> {
        let (width, height) = (picture.width, picture.height);
        let across = self.blocks(width);
        let fitting = self.scratch.gradients.take().filter(|gradients| gradients.fits(width, height));
        let fitting = fitting.unwrap_or_else(|| {
            let directions = Directions { bins: BINS, signed: false, first: 0.5 };
            OrientedGradients::new(directions, self.pooling(width), self.pooling(height))
        });
        let Scratch { gradients, planes, sums } = &mut *self.scratch;
        let gradients = gradients.insert(fitting);
        match self.gradient {
            GradientOf::Luma => plane::luma(picture, planes),
            GradientOf::StrongestChannel => plane::channels(picture, planes),
        }
        sums.resize(gradients.sums(), 0.0);
        gradients.gather(planes, sums)?;
        for (place, block) in out.as_chunks_mut::<BLOCK_FEATURES>().0.iter_mut().enumerate() {
            gather_block(sums, across, place, block);
            normalise(block);
        }
        Ok(())
    }
}

/// Takes the sums of block `place`, which are [blocks down, 2, bins, blocks across, 2], together.
fn gather_block(sums: &[f32], across: usize, place: usize, block: &mut [f32; BLOCK_FEATURES]) {
    let (row, column) = (place / across, place % across);
    for (cell, features) in block.as_chunks_mut::<BINS>().0.iter_mut().enumerate() {
        let (cell_row, cell_column) = (cell / BLOCK, cell % BLOCK);
        for (bin, feature) in features.iter_mut().enumerate() {
            let line = (row * BLOCK + cell_row) * BINS + bin;
            *feature = sums[(line * across + column) * BLOCK + cell_column];
        }
    }
}

/// Brings a block to length one, clips it, and brings it to length one again.
fn normalise(block: &mut [f32; BLOCK_FEATURES]) {
    let length = |block: &[f32; BLOCK_FEATURES], more: f32| {
        (block.iter().map(|feature| feature * feature).sum::<f32>() + more).sqrt()
    };
    let by = length(block, NOISE * NOISE);
    block.iter_mut().for_each(|feature| *feature = (*feature / by).min(CLIP));
    let by = length(block, f32::EPSILON);
    block.iter_mut().for_each(|feature| *feature /= by);
}

#[cfg(test)]
mod tests {
    use image::GrayImage;
    use imageproc::hog::{HogOptions, hog};

    use super::*;
    use crate::{
        rdd::Picture,
        vision::{features::testing::computed, testing::gray},
    };

    fn noise(width: u32, height: u32) -> Picture {
        gray(width, height, |x, y| (x * x * 3 + y * y * 5 + x * y * 7) as u8)
    }

    /// Which direction of a cell's nine is strongest.
    fn strongest(cell: &[f32]) -> usize {
        (0..BINS).max_by(|&a, &b| cell[a].total_cmp(&cell[b])).unwrap()
    }

    #[test]
    fn there_are_36_features_for_each_2_x_2_cells() {
        for (cell, count) in [(8, 8_100), (16, 1_764), (32, 324)] {
            assert_eq!(computed(&mut Hog::new(cell), &noise(128, 128)).len(), count);
        }
        assert_eq!(Hog::new(16).count(64, 128, 1), Ok(3 * 7 * 36));
        assert_eq!(Hog::new(16).count(79, 33, 3), Ok(3 * 36));
    }

    #[test]
    fn each_block_has_length_one() {
        for block in computed(&mut Hog::new(8), &noise(64, 48)).chunks(BLOCK_FEATURES) {
            let length: f32 = block.iter().map(|feature| feature * feature).sum();
            assert!((length - 1.0).abs() < 1e-4, "{length}");
            assert!(block.iter().all(|&feature| (0.0..0.5).contains(&feature)), "{block:?}");
        }
    }

    #[test]
    fn an_edge_lies_in_the_direction_of_its_gradient() {
        // Directions of 0, 45 and 90 degrees are in the bins of 0 to 20, 40 to 60, and 80 to 100 degrees.
        for (right, down, bin) in [(1, 0, 0), (1, 1, 2), (0, 1, 4)] {
            let slope = gray(32, 32, |x, y| (3 * (x * right + y * down)) as u8);
            for cell in computed(&mut Hog::new(8), &slope).chunks(BINS) {
                let (found, opposite) = (strongest(cell), if bin == 0 { BINS - 1 } else { bin });
                assert!(found == bin || found == opposite, "{found} instead of {bin}: {cell:?}");
            }
        }
    }

    #[test]
    fn brightness_and_contrast_do_not_matter() {
        let plain = gray(32, 32, |x, y| ((x * x + 3 * y * x) % 80) as u8);
        let changed =
            Picture { pixels: plain.pixels.iter().map(|byte| 40 + 2 * byte).collect(), ..plain.clone() };
        let (plain, changed) = (computed(&mut Hog::new(8), &plain), computed(&mut Hog::new(8), &changed));
        for (plain, changed) in plain.iter().zip(&changed) {
            assert!((plain - changed).abs() < 0.01, "{plain} {changed}");
        }
    }

    #[test]
    fn flat_ground_has_no_features() {
        assert!(computed(&mut Hog::new(8), &gray(32, 32, |_, _| 77)).iter().all(|&feature| feature == 0.0));
    }

    #[test]
    fn the_mirrored_picture_has_the_mirrored_features() {
        let picture = noise(48, 32);
        let mirrored = gray(48, 32, |x, y| picture.pixels[(y * 48 + 47 - x) as usize]);
        let (plain, mirrored) = (computed(&mut Hog::new(8), &picture), computed(&mut Hog::new(8), &mirrored));
        let at = |features: &[f32], row: usize, column: usize, cell: (usize, usize), bin: usize| {
            features[((row * 5 + column) * 4 + cell.0 * 2 + cell.1) * BINS + bin]
        };
        for row in 0..3 {
            for column in 0..5 {
                for cell in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    for bin in 0..BINS {
                        let one = at(&plain, row, column, cell, bin);
                        let other = at(&mirrored, row, 4 - column, (cell.0, 1 - cell.1), BINS - 1 - bin);
                        assert!((one - other).abs() < 1e-4, "{one} {other}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_line_in_the_middle_of_a_cell_is_that_cells_alone() {
        // 16 x 8 pixels are two cells of 8, here below each other twice; the line lies in the middle of the left ones.
        let line = gray(16, 16, |x, _| if x == 3 || x == 4 { 255 } else { 0 });
        let features = computed(&mut Hog::new(8), &line);
        let energy = |cell: usize| features[cell * BINS..(cell + 1) * BINS].iter().sum::<f32>();
        assert!(energy(0) > 4.0 * energy(1), "{} {}", energy(0), energy(1));

        // imageproc measures from the corner of a cell instead of its middle, and half of the line goes to the neighbour.
        let theirs = GrayImage::from_raw(16, 16, line.pixels).unwrap();
        let theirs = hog(&theirs, HogOptions::new(BINS, false, 8, BLOCK, 1)).unwrap();
        let energy = |cell: usize| theirs[cell * BINS..(cell + 1) * BINS].iter().sum::<f32>();
        assert!(energy(0) < 1.5 * energy(1), "{} {}", energy(0), energy(1));
    }

    #[test]
    fn gray_and_the_same_gray_in_three_channels_are_alike() {
        let picture = noise(32, 32);
        let pixels = picture.pixels.iter().flat_map(|&byte| [byte; 3]).collect();
        let colour = Picture { channels: 3, pixels, ..picture.clone() };
        let expected = computed(&mut Hog::new(8), &picture);
        assert_eq!(computed(&mut Hog::new(8), &colour), expected);
        let mut strongest = Hog { gradient: GradientOf::StrongestChannel, ..Hog::new(8) };
        assert_eq!(computed(&mut strongest, &colour), expected);
    }

    #[test]
    fn an_edge_between_colours_of_the_same_luma_is_seen_in_the_strongest_channel_only() {
        // Both have a luma of 76.
        let pixels = (0..16 * 16).flat_map(|i| if i % 16 < 8 { [255, 0, 0] } else { [76, 76, 76] }).collect();
        let picture = Picture { width: 16, height: 16, channels: 3, pixels };
        assert!(computed(&mut Hog::new(8), &picture).iter().all(|&feature| feature == 0.0));
        let mut strongest = Hog { gradient: GradientOf::StrongestChannel, ..Hog::new(8) };
        assert!(computed(&mut strongest, &picture).iter().any(|&feature| feature > 0.2));
    }
}

use crate::{
    rdd::PictureView,
    vision::features::{
        gradient::{Directions, OrientedGradients, Pooling},
        plane,
    },
};

/// Directions of gradients, over the whole circle.
const BINS: usize = 8;
/// Cells in a side of a descriptor.
const SIDE: usize = 4;
/// Numbers in a descriptor.
pub(super) const LENGTH: usize = SIDE * SIDE * BINS;
/// What is added to a descriptor's total, so that the noise of flat ground isn't taken for structure: a mean gradient of one
/// gray level per pixel.
const NOISE: f32 = 2.0 * (SIDE * SIDE) as f32;

/// How many descriptors go across and down a picture.
///
/// # Errors
/// That there is room for none.
pub(super) fn count(cell: u32, width: u32, height: u32) -> Result<(usize, usize), String> {
    let along = |side: u32| ((side / cell.max(1)) as usize + 1).saturating_sub(SIDE);
    match (along(width), along(height)) {
        (0, _) | (_, 0) => {
            let least = u64::from(cell) * SIDE as u64;
            Err(format!("{width} x {height} is too small for a gradient descriptor of {least} x {least}"))
        }
        counts => Ok(counts),
    }
}

/// Where each number of a mirrored descriptor stands in the descriptor itself.
pub(super) fn mirrored(place: usize) -> usize {
    let (row, column, bin) = (place / (SIDE * BINS), place / BINS % SIDE, place % BINS);
    // A direction of so many degrees becomes one of 180 less so many.
    (row * SIDE + SIDE - 1 - column) * BINS + (BINS + BINS / 2 - bin) % BINS
}

/// Descriptors of every 4 x 4 neighbouring cells of a picture: the square root of each cell's and direction's share of
/// the gradients.
#[derive(Debug, Clone)]
pub(super) struct Descriptors {
    cell: u32,
    gradients: Option<OrientedGradients>,
    plane: Vec<u8>,
    /// [cells down, bins, cells across].
    sums: Vec<f32>,
    /// [cells down, cells across, bins].
    roots: Vec<f32>,
    /// [cells down, cells across].
    totals: Vec<f32>,
    /// [down, across, [`LENGTH`]].
    values: Vec<f32>,
}

impl Descriptors {
    pub(super) fn new(cell: u32) -> Self {
        Self {
            cell,
            gradients: None,
            plane: Vec::new(),
            sums: Vec::new(),
            roots: Vec::new(),
            totals: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Computes the descriptors of a picture, and says how many go across and down.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) fn compute(&mut self, picture: PictureView<'_>) -> Result<(usize, usize), String> {
        let (width, height) = (picture.width, picture.height);
        let (across, down) = count(self.cell, width, height)?;
        let fitting = self.gradients.take().filter(|gradients| gradients.fits(width, height));
        let directions = Directions { bins: BINS, signed: true, first: 0.0 };
        let fitting = fitting.unwrap_or_else(|| {
            OrientedGradients::new(directions, pooling(self.cell, width), pooling(self.cell, height))
        });
        let gradients = self.gradients.insert(fitting);
        plane::luma(picture, &mut self.plane);
        self.sums.resize(gradients.sums(), 0.0);
        gradients.gather(&self.plane, &mut self.sums)?;
        self.take_roots(across + SIDE - 1);
        self.assemble(across, down);
        Ok((across, down))
    }

    /// The descriptors of the last picture, row by row from the top left.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    fn take_roots(&mut self, cells_across: usize) {
        let Self { sums, roots, totals, .. } = self;
        roots.resize(sums.len(), 0.0);
        totals.resize(sums.len() / BINS, 0.0);
        totals.fill(0.0);
        pulp::Arch::new().dispatch(|| {
            let rows = sums.chunks_exact(cells_across * BINS);
            let targets =
                roots.chunks_exact_mut(cells_across * BINS).zip(totals.chunks_exact_mut(cells_across));
            for (row, (roots, totals)) in rows.zip(targets) {
                for (bin, line) in row.chunks_exact(cells_across).enumerate() {
                    for (cell, (sum, total)) in line.iter().zip(totals.iter_mut()).enumerate() {
                        *total += sum;
                        roots[cell * BINS + bin] = sum.max(0.0).sqrt();
                    }
                }
            }
        });
    }

    fn assemble(&mut self, across: usize, down: usize) {
        let cells_across = across + SIDE - 1;
        let Self { roots, totals, values, .. } = self;
        values.resize(across * down * LENGTH, 0.0);
        let (targets, _) = values.as_chunks_mut::<LENGTH>();
        pulp::Arch::new().dispatch(|| {
            for (place, target) in targets.iter_mut().enumerate() {
                let (y, x) = (place / across, place % across);
                let cells = (0..SIDE).map(|row| (y + row) * cells_across + x);
                let total: f32 =
                    cells.clone().map(|start| totals[start..start + SIDE].iter().sum::<f32>()).sum();
                let scale = 1.0 / (total + NOISE).sqrt();
                let (lines, _) = target.as_chunks_mut::<{ SIDE * BINS }>();
                for (line, start) in lines.iter_mut().zip(cells) {
                    let from = &roots[start * BINS..(start + SIDE) * BINS];
                    for (to, from) in line.iter_mut().zip(from) {
                        *to = scale * from;
                    }
                }
            }
        });
    }
}

/// Gathers a side in its cells: each pixel in the two whose middles are nearest.
fn pooling(cell: u32, side: u32) -> Pooling {
    let start = (side % cell) as f32 / 2.0;
    let cell_pixels = cell as f32;
    Pooling::new(side as usize, (side / cell) as usize, |slot, place| {
        let from_middle = place as f32 + 0.5 - start - cell_pixels * (slot as f32 + 0.5);
        (1.0 - from_middle.abs() / cell_pixels).max(0.0) / cell_pixels
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rdd::Picture, vision::testing::gray};

    fn described(picture: &Picture) -> Vec<f32> {
        let mut descriptors = Descriptors::new(4);
        descriptors.compute(picture.view()).unwrap();
        descriptors.values().to_vec()
    }

    #[test]
    fn every_four_by_four_cells_have_a_descriptor() {
        assert_eq!(count(4, 128, 128), Ok((29, 29)));
        assert_eq!(count(4, 35, 16), Ok((5, 1)));
        assert!(count(4, 15, 128).unwrap_err().contains("16 x 16"));
        assert_eq!(described(&gray(35, 16, |x, y| (x * y) as u8)).len(), 5 * 128);
    }

    #[test]
    fn the_squares_of_a_descriptor_are_shares_of_its_gradients() {
        let strong = described(&gray(32, 32, |x, y| (x * x * 3 + y * y * 5 + x * y * 7) as u8));
        for descriptor in strong.chunks(LENGTH) {
            let total: f32 = descriptor.iter().map(|value| value * value).sum();
            assert!((0.6..1.0).contains(&total), "{total}");
        }
        assert!(described(&gray(32, 32, |_, _| 90)).iter().all(|&value| value == 0.0));
    }

    #[test]
    fn a_rise_to_the_right_is_in_the_first_direction_of_all_cells() {
        let rise = described(&gray(32, 32, |x, _| (4 * x) as u8));
        // In the middle; each pixel has a gradient of eight per two pixels.
        let middle = &rise[(2 * 5 + 2) * LENGTH..(2 * 5 + 3) * LENGTH];
        let expected = (8.0f32 / (16.0 * 8.0 + 32.0)).sqrt();
        for (place, &value) in middle.iter().enumerate() {
            let expected = if place % BINS == 0 { expected } else { 0.0 };
            assert!((value - expected).abs() < 1e-4, "{place}: {value} instead of {expected}");
        }
    }

    #[test]
    fn a_mirrored_picture_has_mirrored_descriptors() {
        let picture = gray(24, 20, |x, y| (x * x * 3 + y * y * 5 + x * y * 7) as u8);
        let mirrored_picture = gray(24, 20, |x, y| picture.pixels[(y * 24 + 23 - x) as usize]);
        let (plain, other) = (described(&picture), described(&mirrored_picture));
        for y in 0..2 {
            for x in 0..3 {
                for place in 0..LENGTH {
                    let one = plain[(y * 3 + x) * LENGTH + mirrored(place)];
                    let other = other[(y * 3 + 2 - x) * LENGTH + place];
                    assert!((one - other).abs() < 1e-4, "{one} {other}");
                }
            }
        }
        assert!((0..LENGTH).all(|place| mirrored(mirrored(place)) == place));
    }
}

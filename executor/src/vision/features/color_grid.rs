use serde::{Deserialize, Serialize};

use super::Features;
use crate::rdd::PictureView;

/// The most cells in a row of the grid.
const MOST_CELLS: u32 = 1_024;

/// Mean and standard deviation of each channel in every cell of a grid, as fractions of white.
///
/// Cells go from the top left, row by row; each has the means of its channels first, and their deviations then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorGrid {
    /// Cells in a row, and rows of cells.
    pub cells: u32,
}

impl Features for ColorGrid {
    fn validate(&self) -> Result<(), String> {
        if (1..=MOST_CELLS).contains(&self.cells) {
            Ok(())
        } else {
            Err(format!("color_grid: cells is {}, it must be from 1 to {MOST_CELLS}", self.cells))
        }
    }

    fn count(&self, width: u32, height: u32, channels: u32) -> Result<usize, String> {
        if width < self.cells || height < self.cells {
            return Err(format!("{width} x {height} is too small for {0} x {0} cells of colour", self.cells));
        }
        let cells = self.cells as usize;
        Ok(cells * cells * channels as usize * 2)
    }

    fn compute(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<(), String> {
        match picture.channels {
            3 => self.statistics::<3>(picture, out),
            _ => self.statistics::<1>(picture, out),
        }
        Ok(())
    }

    fn mirror(&self, picture: PictureView<'_>, features: &[f32], out: &mut [f32]) -> bool {
        // Else a cell and its mirror image don't have the same columns.
        let mirrors = picture.width.is_multiple_of(self.cells);
        let cell = 2 * picture.channels as usize;
        let row = self.cells as usize * cell;
        if mirrors {
            for (row, out) in features.chunks_exact(row).zip(out.chunks_exact_mut(row)) {
                let cells = row.chunks_exact(cell).rev();
                out.chunks_exact_mut(cell).zip(cells).for_each(|(out, cell)| out.copy_from_slice(cell));
            }
        }
        mirrors
    }
}

impl ColorGrid {
    fn statistics<const CHANNELS: usize>(&self, picture: PictureView<'_>, out: &mut [f32]) {
        let (width, height, cells) = (picture.width as usize, picture.height as usize, self.cells as usize);
        let (pixels, _) = picture.pixels.as_chunks::<CHANNELS>();
        let (mut targets, _) = out.as_chunks_mut::<CHANNELS>();
        for row in 0..cells {
            let (top, bottom) = (row * height / cells, (row + 1) * height / cells);
            for column in 0..cells {
                let (left, right) = (column * width / cells, (column + 1) * width / cells);
                let rows = (top..bottom).map(|y| &pixels[y * width + left..y * width + right]);
                let (means, deviations) = moments(rows);
                if let [to_means, to_deviations, rest @ ..] = targets {
                    (*to_means, *to_deviations) = (means, deviations);
                    targets = rest;
                }
            }
        }
    }
}

/// Mean and deviation of each channel, computed from whole numbers so that nothing is lost to rounding.
fn moments<'a, const CHANNELS: usize>(
    rows: impl Iterator<Item = &'a [[u8; CHANNELS]]>,
) -> ([f32; CHANNELS], [f32; CHANNELS]) {
    let (mut sums, mut squares, mut count) = ([0u64; CHANNELS], [0u64; CHANNELS], 0);
    for row in rows {
        // A row of at most 8,192 bytes squared stays below 2^32.
        for part in row.chunks(8_192) {
            let (mut row_sums, mut row_squares) = ([0u32; CHANNELS], [0u32; CHANNELS]);
            for pixel in part {
                for channel in 0..CHANNELS {
                    let byte = u32::from(pixel[channel]);
                    row_sums[channel] += byte;
                    row_squares[channel] += byte * byte;
                }
            }
            for channel in 0..CHANNELS {
                sums[channel] += u64::from(row_sums[channel]);
                squares[channel] += u64::from(row_squares[channel]);
            }
        }
        count += row.len();
    }
    let count = count.max(1) as f64;
    let mean = |channel: usize| sums[channel] as f64 / count;
    let deviation = |channel: usize| {
        let variance = squares[channel] as f64 / count - mean(channel) * mean(channel);
        variance.max(0.0).sqrt()
    };
    let part = |value: f64| (value / 255.0) as f32;
    (
        std::array::from_fn(|channel| part(mean(channel))),
        std::array::from_fn(|channel| part(deviation(channel))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rdd::Picture,
        vision::{features::testing::computed, testing::gray},
    };

    fn close(values: &[f32], expected: &[f32]) {
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{values:?} instead of {expected:?}");
        }
    }

    #[test]
    fn each_cell_has_its_own_mean_and_deviation() {
        let picture = gray(4, 2, |x, y| if x < 2 { 51 } else { (y * 255) as u8 });
        close(&computed(&mut ColorGrid { cells: 2 }, &picture), &[0.2, 0.0, 0.0, 0.0, 0.2, 0.0, 1.0, 0.0]);
        close(&computed(&mut ColorGrid { cells: 1 }, &picture), &[0.35, 0.384_057_3]);
    }

    #[test]
    fn the_channels_of_a_cell_are_told_apart() {
        let pixels = [[255, 0, 51], [0, 0, 51]].concat();
        let picture = Picture { width: 2, height: 1, channels: 3, pixels };
        close(&computed(&mut ColorGrid { cells: 1 }, &picture), &[0.5, 0.0, 0.2, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn cells_that_do_not_come_out_even_share_all_pixels_among_them() {
        let picture = gray(7, 5, |x, y| (x * 30 + y) as u8);
        let values = computed(&mut ColorGrid { cells: 3 }, &picture);
        assert_eq!(values.len(), 18);
        // The last cell has the columns 4, 5 and 6 of the rows 3 and 4.
        close(&values[16..17], &[153.5 / 255.0]);
        assert!(ColorGrid { cells: 6 }.count(7, 5, 1).is_err());
    }

    #[test]
    fn large_white_pictures_do_not_overflow() {
        let picture = gray(10_000, 2, |_, _| 255);
        close(&computed(&mut ColorGrid { cells: 1 }, &picture), &[1.0, 0.0]);
    }
}

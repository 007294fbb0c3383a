//! Gradients of the brightness, by direction and place.

mod pooling;
mod rows;

use gemm::Parallelism;

pub(super) use pooling::Pooling;

use crate::learn::matmul::{Matrix, Target, multiply};
use rows::Rows;

/// How gradients are told apart by their direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Directions {
    /// How many bins the circle, or half of it, is cut into.
    pub(super) bins: usize,
    /// Whether opposite directions are two.
    pub(super) signed: bool,
    /// Where the middle of the first bin lies, in bins.
    pub(super) first: f32,
}

/// Sums of gradients by direction and place: how far the brightness changes per two pixels, shared between the two
/// nearest directions, and gathered in the slots of a grid.
///
/// All passes run over whole rows of numbers, which the compiler turns into vector instructions.
#[derive(Debug, Clone)]
pub(super) struct OrientedGradients {
    directions: Directions,
    down: Pooling,
    across: Pooling,
    rows: Rows,
    /// [slots down, bins, width].
    gathered: Vec<f32>,
}

impl OrientedGradients {
    /// Makes what gathers the gradients of pictures of one size.
    pub(super) fn new(directions: Directions, across: Pooling, down: Pooling) -> Self {
        let width = across.places;
        let rows = Rows::new(width);
        let gathered = vec![0.0; down.slots * directions.bins * width];
        Self { directions, down, across, rows, gathered }
    }

    /// Whether it gathers the gradients of pictures of this size.
    pub(super) fn fits(&self, width: u32, height: u32) -> bool {
        (self.across.places, self.down.places) == (width as usize, height as usize)
    }

    /// How many sums there are.
    pub(super) fn sums(&self) -> usize {
        self.down.slots * self.directions.bins * self.across.slots
    }

    /// Gathers the gradients of `planes`, a picture's channels one after the other; where there are several, each
    /// pixel has the longest of their gradients.
    ///
    /// The sums are [slots down, bins, slots across].
    ///
    /// # Errors
    /// What doesn't fit, if `planes` or `sums` have another size.
    pub(super) fn gather(&mut self, planes: &[u8], sums: &mut [f32]) -> Result<(), String> {
        let (width, height) = (self.across.places, self.down.places);
        let size = width * height;
        if size == 0 || planes.len() < size || !planes.len().is_multiple_of(size) {
            return Err(format!("{} bytes are no picture of {width} x {height}", planes.len()));
        }
        let Self { directions, down, rows, gathered, .. } = self;
        gathered.fill(0.0);
        pulp::Arch::new().dispatch(|| {
            for y in 0..height {
                rows.compute(planes, size, width, y, *directions);
                for bin in 0..directions.bins {
                    rows.share_of(bin, directions.bins);
                    for (slot, weight) in down.of_place(y) {
                        let start = (slot * directions.bins + bin) * width;
                        add(&mut gathered[start..start + width], &rows.share, weight);
                    }
                }
            }
        });
        let wrong = |error: candle_core::Error| error.to_string();
        let rows = self.down.slots * self.directions.bins;
        let left = Matrix::row_major(&self.gathered, rows, width).map_err(wrong)?;
        let right = Matrix::row_major(&self.across.weights, width, self.across.slots).map_err(wrong)?;
        multiply(sums, Target::Overwrite, left, right, Parallelism::None).map_err(wrong)
    }
}

#[inline(always)]
fn add(to: &mut [f32], from: &[f32], weight: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += weight * from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pixel in one slot, and all of them alike.
    fn whole(side: usize) -> Pooling {
        Pooling::new(side, 1, |_, _| 1.0).normalised()
    }

    fn gathered(directions: Directions, width: usize, height: usize, planes: &[u8]) -> Vec<f32> {
        let mut gradients = OrientedGradients::new(directions, whole(width), whole(height));
        let mut sums = vec![f32::NAN; gradients.sums()];
        gradients.gather(planes, &mut sums).unwrap();
        sums
    }

    #[test]
    fn sums_are_those_of_a_plain_computation() {
        let (width, height) = (13, 9);
        let planes: Vec<u8> = (0..2 * width * height).map(|i| (i * i * 7 % 256) as u8).collect();
        for directions in [
            Directions { bins: 9, signed: false, first: 0.5 },
            Directions { bins: 8, signed: true, first: 0.0 },
        ] {
            let weight = |slot: usize, place: usize| 1.0 + (slot * 3 + place) as f32 % 4.0;
            let (across, down) =
                (Pooling::new(width, 3, weight).normalised(), Pooling::new(height, 2, weight).normalised());
            let mut gradients = OrientedGradients::new(directions, across.clone(), down.clone());
            let mut sums = vec![f32::NAN; gradients.sums()];
            gradients.gather(&planes, &mut sums).unwrap();
            let expected = plainly(directions, &across, &down, &planes);
            for (sum, expected) in sums.iter().zip(&expected) {
                assert!((f64::from(*sum) - expected).abs() < 2e-3, "{sums:?} {expected:?}");
            }
        }
    }

    fn plainly(directions: Directions, across: &Pooling, down: &Pooling, planes: &[u8]) -> Vec<f64> {
        let (width, height, bins) = (across.places, down.places, directions.bins);
        let turn = if directions.signed { std::f64::consts::TAU } else { std::f64::consts::PI };
        let mut sums = vec![0.0; down.slots * bins * across.slots];
        for y in 0..height {
            for x in 0..width {
                let gradient = |plane: &[u8]| {
                    let at = |x: usize, y: usize| f64::from(plane[y * width + x]);
                    let right = at((x + 1).min(width - 1), y) - at(x.saturating_sub(1), y);
                    let below = at(x, (y + 1).min(height - 1)) - at(x, y.saturating_sub(1));
                    (right, below)
                };
                let (right, below) = planes
                    .chunks_exact(width * height)
                    .map(gradient)
                    .reduce(|a, b| if b.0.hypot(b.1) > a.0.hypot(a.1) { b } else { a })
                    .unwrap();
                let place = below.atan2(right).rem_euclid(turn) / turn * bins as f64;
                let place = (place - f64::from(directions.first)).rem_euclid(bins as f64);
                let (lower, upper_share) = (place.floor() as usize, place.fract());
                for (bin, share) in [(lower % bins, 1.0 - upper_share), ((lower + 1) % bins, upper_share)] {
                    for (row, row_weight) in down.of_place(y) {
                        for (column, weight) in across.of_place(x) {
                            sums[(row * bins + bin) * across.slots + column] +=
                                share * right.hypot(below) * f64::from(row_weight * weight);
                        }
                    }
                }
            }
        }
        sums
    }

    #[test]
    fn signed_directions_tell_a_rise_from_a_fall_and_unsigned_ones_do_not() {
        let rise: Vec<u8> = (0..6).flat_map(|_| [0, 50, 100, 150]).collect();
        let fall: Vec<u8> = (0..6).flat_map(|_| [150, 100, 50, 0]).collect();
        let signed = Directions { bins: 4, signed: true, first: 0.0 };
        for (picture, expected) in [(&rise, [75.0, 0.0, 0.0, 0.0]), (&fall, [0.0, 0.0, 75.0, 0.0])] {
            let sums = gathered(signed, 4, 6, picture);
            assert!(
                sums.iter().zip(expected).all(|(sum, expected)| (sum - expected).abs() < 1e-3),
                "{sums:?}"
            );
        }
        let unsigned = Directions { signed: false, ..signed };
        assert_eq!(gathered(unsigned, 4, 6, &rise), gathered(unsigned, 4, 6, &fall));
    }

    #[test]
    fn a_direction_between_two_bins_is_shared() {
        // A slope of 45 degrees, with bins in the middle of 0 and 90.
        let slope: Vec<u8> = (0..5).flat_map(|y| (0..5).map(move |x| 20 * (x + y))).collect();
        let sums = gathered(Directions { bins: 2, signed: false, first: 0.0 }, 5, 5, &slope);
        assert!((sums[0] - sums[1]).abs() < 1e-3 && sums[0] > 10.0, "{sums:?}");
    }

    #[test]
    fn each_pixel_has_the_longest_gradient_of_its_channels() {
        let flat = [90; 24];
        let rise: Vec<u8> = (0..6).flat_map(|_| [0, 50, 100, 150]).collect();
        let directions = Directions { bins: 9, signed: false, first: 0.5 };
        let alone = gathered(directions, 4, 6, &rise);
        assert_eq!(gathered(directions, 4, 6, &[&flat[..], &rise, &flat].concat()), alone);
    }

    #[test]
    fn a_single_pixel_has_no_gradient() {
        let directions = Directions { bins: 3, signed: true, first: 0.0 };
        assert_eq!(gathered(directions, 1, 1, &[200]), [0.0; 3]);
    }

    #[test]
    fn bytes_that_are_no_picture_of_that_size_are_refused() {
        let directions = Directions { bins: 3, signed: true, first: 0.0 };
        let mut gradients = OrientedGradients::new(directions, whole(3), whole(2));
        assert!(gradients.gather(&[0; 5], &mut [0.0; 3]).is_err());
        assert!(gradients.gather(&[0; 6], &mut [0.0; 2]).is_err());
        assert!(gradients.gather(&[0; 18], &mut [0.0; 3]).is_ok());
    }
}

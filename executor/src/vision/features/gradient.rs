use std::f32::consts::{FRAC_PI_2, PI};

use gemm::Parallelism;

use crate::learn::matmul::{Matrix, Target, multiply};

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

/// How the pixels along a side are gathered in slots.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pooling {
    places: usize,
    slots: usize,
    /// [places, slots].
    weights: Vec<f32>,
}

impl Pooling {
    /// Gathers `places` pixels in `slots`, each pixel with a weight in each.
    pub(super) fn new(places: usize, slots: usize, weight: impl Fn(usize, usize) -> f32) -> Self {
        let weights = (0..places).flat_map(|place| (0..slots).map(move |slot| (slot, place)));
        let weights = weights.map(|(slot, place)| weight(slot, place)).collect();
        Self { places, slots, weights }
    }

    /// Brings what a slot weighs to a total of one.
    pub(super) fn normalised(mut self) -> Self {
        for slot in 0..self.slots {
            let total: f32 = self.weights.iter().skip(slot).step_by(self.slots).sum();
            let weights = self.weights.iter_mut().skip(slot).step_by(self.slots);
            weights.for_each(|weight| *weight /= total.max(f32::MIN_POSITIVE));
        }
        self
    }

    /// The slots that a place belongs to, and how much of it each takes.
    fn of_place(&self, place: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let row = &self.weights[place * self.slots..(place + 1) * self.slots];
        row.iter().copied().enumerate().filter(|&(_, weight)| weight != 0.0)
    }
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

/// Rows of a picture's width.
#[derive(Debug, Clone, Default)]
struct Rows {
    right: Vec<f32>,
    below: Vec<f32>,
    /// The length of the gradient.
    length: Vec<f32>,
    /// Its direction, in bins from the middle of the first.
    direction: Vec<f32>,
    /// What one bin gets.
    share: Vec<f32>,
}

impl OrientedGradients {
    /// Makes what gathers the gradients of pictures of one size.
    pub(super) fn new(directions: Directions, across: Pooling, down: Pooling) -> Self {
        let width = across.places;
        let row = vec![0.0; width];
        let rows = Rows {
            right: row.clone(),
            below: row.clone(),
            length: row.clone(),
            direction: row.clone(),
            share: row,
        };
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

impl Rows {
    /// Computes lengths and directions of the gradients in row `y`.
    #[inline(always)]
    fn compute(&mut self, planes: &[u8], size: usize, width: usize, y: usize, directions: Directions) {
        for (channel, plane) in planes.chunks_exact(size).enumerate() {
            let row = |y: usize| &plane[y * width..(y + 1) * width];
            let (above, middle, below) =
                (row(y.saturating_sub(1)), row(y), row((y + 1).min(size / width - 1)));
            if channel == 0 {
                differences(&mut self.right, &mut self.below, above, middle, below);
            } else {
                // `length` and `direction` are free until the channels have been compared.
                differences(&mut self.length, &mut self.direction, above, middle, below);
                longer(&mut self.right, &mut self.below, &self.length, &self.direction);
            }
        }
        polar(self, directions);
    }

    /// Computes what bin `bin` gets of each gradient: all of those in its middle, none of those a bin away.
    #[inline(always)]
    fn share_of(&mut self, bin: usize, bins: usize) {
        let (bin, bins) = (bin as f32, bins as f32);
        for ((share, &length), &direction) in self.share.iter_mut().zip(&self.length).zip(&self.direction) {
            let apart = (direction - bin).abs();
            let apart = smaller(apart, bins - apart);
            *share = length * larger(1.0 - apart, 0.0);
        }
    }
}

/// Both differences are those between the neighbours of a pixel; past the edge, the edge pixel goes on.
#[inline(always)]
fn differences(right: &mut [f32], down: &mut [f32], above: &[u8], middle: &[u8], below: &[u8]) {
    let width = middle.len();
    let difference = |to: u8, from: u8| f32::from(i16::from(to) - i16::from(from));
    for ((down, &above), &below) in down.iter_mut().zip(above).zip(below) {
        *down = difference(below, above);
    }
    right[0] = difference(middle[1.min(width - 1)], middle[0]);
    right[width - 1] = difference(middle[width - 1], middle[width.saturating_sub(2)]);
    if width > 2 {
        for ((right, &before), &after) in right[1..].iter_mut().zip(middle).zip(&middle[2..]) {
            *right = difference(after, before);
        }
    }
}

/// Keeps the longer of two gradients, the first where they are equal.
#[inline(always)]
fn longer(right: &mut [f32], down: &mut [f32], other_right: &[f32], other_down: &[f32]) {
    let others = other_right.iter().zip(other_down);
    for ((right, down), (&other_right, &other_down)) in right.iter_mut().zip(down).zip(others) {
        let swap = other_right * other_right + other_down * other_down > *right * *right + *down * *down;
        *right = if swap { other_right } else { *right };
        *down = if swap { other_down } else { *down };
    }
}

/// Turns differences into lengths and directions in bins.
#[inline(always)]
fn polar(rows: &mut Rows, directions: Directions) {
    let Rows { right, below, length, direction, .. } = rows;
    let bins = directions.bins as f32;
    let (turn, per_radian) = if directions.signed { (2.0 * PI, bins / (2.0 * PI)) } else { (PI, bins / PI) };
    let values = right.iter().zip(below.iter()).zip(length).zip(direction);
    for (((&right, &down), length), direction) in values {
        *length = (right * right + down * down).sqrt();
        let angle = angle(right, down);
        let angle = if angle < 0.0 { angle + turn } else { angle };
        let place = angle * per_radian - directions.first;
        let place = if place < 0.0 { place + bins } else { place };
        *direction = if place >= bins { place - bins } else { place };
    }
}

/// The direction of a vector in radians, from -pi to pi, as `atan2`, to 4e-6.
///
/// The polynomial is the minimax of degree 11 that GPU libraries use for the arctangent from 0 to 1.
#[inline(always)]
fn angle(right: f32, down: f32) -> f32 {
    let (across, along) = (right.abs(), down.abs());
    let (short, long) = (smaller(across, along), larger(across, along));
    let ratio = short / larger(long, f32::MIN_POSITIVE);
    let square = ratio * ratio;
    let series = -0.013_480_47;
    let series = series * square + 0.057_477_314;
    let series = series * square - 0.121_239_07;
    let series = series * square + 0.195_635_93;
    let series = series * square - 0.332_994_6;
    let series = series * square + 0.999_995_6;
    let angle = ratio * series;
    let angle = if along > across { FRAC_PI_2 - angle } else { angle };
    let angle = if right < 0.0 { PI - angle } else { angle };
    if down < 0.0 { -angle } else { angle }
}

/// As `f32::min` where there is no NaN, in one instruction.
#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// As `f32::max` where there is no NaN, in one instruction.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
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
    fn the_angle_is_that_of_atan2() {
        for step in 0..100_000 {
            let (sin, cos) = (step as f64 * 1e-4 * std::f64::consts::TAU).sin_cos();
            let (right, down) = ((300.0 * cos) as f32, (300.0 * sin) as f32);
            let apart = (angle(right, down) - down.atan2(right)).abs();
            assert!(apart < 4e-6 || (apart - 2.0 * PI).abs() < 4e-6, "{right} {down}: {apart}");
        }
        assert_eq!(angle(0.0, 0.0), 0.0);
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

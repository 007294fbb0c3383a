use std::f32::consts::{FRAC_PI_2, PI};

use super::Directions;

/// Rows of a picture's width.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    right: Vec<f32>,
    below: Vec<f32>,
    /// The length of the gradient.
    length: Vec<f32>,
    /// Its direction, in bins from the middle of the first.
    direction: Vec<f32>,
    /// What one bin gets.
    pub(super) share: Vec<f32>,
}

impl Rows {
    /// Makes rows of so many pixels.
    pub(super) fn new(width: usize) -> Self {
        let row = vec![0.0; width];
        Self {
            right: row.clone(),
            below: row.clone(),
            length: row.clone(),
            direction: row.clone(),
            share: row,
        }
    }

    /// Computes lengths and directions of the gradients in row `y`.
    #[inline(always)]
    pub(super) fn compute(
        &mut self,
        planes: &[u8],
        size: usize,
        width: usize,
        y: usize,
        directions: Directions,
    ) {
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
    pub(super) fn share_of(&mut self, bin: usize, bins: usize) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}

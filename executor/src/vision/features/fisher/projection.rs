use gemm::Parallelism;
use nalgebra::DMatrix;

use super::descriptors::{LENGTH, mirrored};
use crate::learn::matmul::{Matrix, Target, multiply};

/// How many numbers tell where a descriptor lies.
pub(super) const PLACES: usize = 2;
/// What a step from one side of the picture to the other counts, beside whitened numbers of deviation one.
const PLACE_WEIGHT: f32 = 3.5;
/// Added to the variances that descriptors are whitened by.
const FLOOR: f64 = 1e-4;

/// Reduces descriptors to the directions in which they vary most, in each of which they have deviation one then.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Projection {
    /// What becomes of the mean descriptor, with its sign changed.
    offset: Vec<f32>,
    /// [[`LENGTH`], dimensions].
    basis: Vec<f32>,
}

impl Projection {
    /// Makes it of a mean descriptor and of directions, [[`LENGTH`], dimensions].
    pub(super) fn new(mean: &[f32], basis: &[f32]) -> Self {
        let dimensions = basis.len() / LENGTH;
        let mut offset = vec![0.0f64; dimensions];
        for (mean, row) in mean.iter().zip(basis.chunks_exact(dimensions.max(1))) {
            for (offset, weight) in offset.iter_mut().zip(row) {
                *offset -= f64::from(*mean) * f64::from(*weight);
            }
        }
        Self { offset: offset.into_iter().map(|value| value as f32).collect(), basis: basis.to_vec() }
    }

    fn dimensions(&self) -> usize {
        self.offset.len()
    }

    /// Writes descriptors, reduced, to `scratch`; then, with their places, as rows of `[values, squares, 1]` to `rows`.
    ///
    /// # Errors
    /// What doesn't fit.
    pub(super) fn rows(
        &self,
        descriptors: &[f32],
        places: impl Iterator<Item = [f32; PLACES]>,
        scratch: &mut Vec<f32>,
        rows: &mut Vec<f32>,
    ) -> Result<(), String> {
        let (count, dimensions) = (descriptors.len() / LENGTH, self.dimensions());
        scratch.resize(count * dimensions, 0.0);
        let wrong = |error: candle_core::Error| error.to_string();
        let left = Matrix::row_major(descriptors, count, LENGTH).map_err(wrong)?;
        let right = Matrix::row_major(&self.basis, LENGTH, dimensions).map_err(wrong)?;
        multiply(scratch, Target::Overwrite, left, right, Parallelism::None).map_err(wrong)?;
        let values = dimensions + PLACES;
        rows.resize(count * (2 * values + 1), 0.0);
        let targets = rows.chunks_exact_mut(2 * values + 1);
        for ((target, reduced), place) in targets.zip(scratch.chunks_exact(dimensions)).zip(places) {
            let (plain, squares) = target.split_at_mut(values);
            for ((to, value), offset) in plain.iter_mut().zip(reduced).zip(&self.offset) {
                *to = value + offset;
            }
            plain[dimensions..].copy_from_slice(&place);
            for (to, value) in squares.iter_mut().zip(plain.iter()) {
                *to = value * value;
            }
            squares[values] = 1.0;
        }
        Ok(())
    }
}

/// Where the descriptors of a picture lie, row by row from the top left.
pub(super) fn places(across: usize, down: usize) -> impl Iterator<Item = [f32; PLACES]> {
    (0..down).flat_map(move |y| (0..across).map(move |x| place(x, y, across, down)))
}

/// Where one of them lies.
pub(super) fn place(x: usize, y: usize, across: usize, down: usize) -> [f32; PLACES] {
    let along = |place: usize, all: usize| weighed((place as f32 + 0.5) / all as f32);
    [along(x, across), along(y, down)]
}

/// What a place counts, from 0 at one side to 1 at the other.
pub(super) fn weighed(place: f32) -> f32 {
    PLACE_WEIGHT * (place - 0.5)
}

/// What was found: a mean descriptor, directions ([[`LENGTH`], dimensions]), and of each direction 1 if it is its own
/// mirror image, or -1 if it is the opposite of that.
pub(super) type Found = (Vec<f32>, Vec<f32>, Vec<f32>);

/// Finds the directions in which descriptors and their mirror images vary most; none if they don't vary in so many.
pub(super) fn find(descriptors: &[f32], dimensions: usize) -> Option<Found> {
    let count = descriptors.len() / LENGTH;
    if count == 0 {
        return None;
    }
    let mut sums = vec![0.0f64; LENGTH];
    for descriptor in descriptors.chunks_exact(LENGTH) {
        for (sum, value) in sums.iter_mut().zip(descriptor) {
            *sum += f64::from(*value);
        }
    }
    let mean: Vec<f64> =
        (0..LENGTH).map(|place| (sums[place] + sums[mirrored(place)]) / (2 * count) as f64).collect();
    let products = products(descriptors);
    let covariance = DMatrix::from_fn(LENGTH, LENGTH, |row, column| {
        let both = products[row * LENGTH + column] + products[mirrored(row) * LENGTH + mirrored(column)];
        both / (2 * count) as f64 - mean[row] * mean[column]
    });
    let eigen = covariance.symmetric_eigen();
    let mut order: Vec<usize> = (0..LENGTH).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    order.truncate(dimensions);
    let (mut basis, mut signs) = (vec![0.0f32; LENGTH * dimensions], Vec::with_capacity(dimensions));
    for (column, &found) in order.iter().enumerate() {
        let (variance, vector) = (eigen.eigenvalues[found], eigen.eigenvectors.column(found));
        // Rounding alone leaves less.
        if variance.is_nan() || variance < 1e-12 {
            return None;
        }
        // Which of the two opposite vectors it is must not depend on the way it was found.
        let largest = vector
            .iter()
            .copied()
            .fold(0.0f64, |most, value| if value.abs() > most.abs() + 1e-9 { value } else { most });
        let scale = largest.signum() / (variance + FLOOR).sqrt();
        for (row, value) in vector.iter().enumerate() {
            basis[row * dimensions + column] = (value * scale) as f32;
        }
        let with_mirror: f64 = (0..LENGTH).map(|row| vector[row] * vector[mirrored(row)]).sum();
        signs.push(if with_mirror < 0.0 { -1.0 } else { 1.0 });
    }
    Some((mean.into_iter().map(|value| value as f32).collect(), basis, signs))
}

/// The sums of the products of each two numbers of a descriptor.
fn products(descriptors: &[f32]) -> Vec<f64> {
    const BATCH: usize = 1_024;
    let mut sums = vec![0.0f64; LENGTH * LENGTH];
    let mut part = vec![0.0f32; LENGTH * LENGTH];
    for batch in descriptors.chunks(BATCH * LENGTH) {
        let Ok(matrix) = Matrix::row_major(batch, batch.len() / LENGTH, LENGTH) else { continue };
        if multiply(&mut part, Target::Overwrite, matrix.transposed(), matrix, Parallelism::None).is_ok() {
            for (sum, part) in sums.iter_mut().zip(&part) {
                *sum += f64::from(*part);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::chance::Chance;

    /// Descriptors that vary differently in each number.
    fn random(count: usize) -> Vec<f32> {
        let mut chance = Chance::new(&[3]);
        (0..count * LENGTH)
            .map(|place| 0.1 + chance.between(-1.0, 1.0) * (1.0 + (place % LENGTH) as f32) / 128.0)
            .collect()
    }

    #[test]
    fn reduced_descriptors_have_mean_nought_and_deviation_one_with_their_mirror_images() {
        let descriptors = random(4_000);
        let (mean, basis, signs) = find(&descriptors, 16).unwrap();
        let projection = Projection::new(&mean, &basis);
        let mirror: Vec<f32> = descriptors
            .chunks_exact(LENGTH)
            .flat_map(|descriptor| (0..LENGTH).map(|place| descriptor[mirrored(place)]))
            .collect();
        let (mut scratch, mut rows, mut mirrored_rows) = (Vec::new(), Vec::new(), Vec::new());
        let place = || std::iter::repeat_n([0.5, -0.25], 4_000);
        projection.rows(&descriptors, place(), &mut scratch, &mut rows).unwrap();
        projection.rows(&mirror, place(), &mut scratch, &mut mirrored_rows).unwrap();
        for dimension in 0..16 {
            let of = |rows: &[f32], from: usize| {
                rows.iter().skip(from).step_by(37).map(|&x| f64::from(x)).sum::<f64>()
            };
            let mean = (of(&rows, dimension) + of(&mirrored_rows, dimension)) / 8_000.0;
            let square = (of(&rows, 18 + dimension) + of(&mirrored_rows, 18 + dimension)) / 8_000.0;
            assert!(mean.abs() < 1e-3 && (square - 1.0).abs() < 0.02, "{dimension}: {mean} {square}");
        }
        for (row, mirrored) in rows.chunks_exact(37).zip(mirrored_rows.chunks_exact(37)) {
            for dimension in 0..16 {
                assert!((row[dimension] - signs[dimension] * mirrored[dimension]).abs() < 1e-3);
            }
            assert_eq!((row[16], row[17], row[34], row[36]), (0.5, -0.25, 0.25, 1.0));
        }
        assert!(signs.contains(&1.0) && signs.contains(&-1.0));
    }

    #[test]
    fn places_go_from_side_to_side() {
        let places: Vec<_> = places(2, 1).collect();
        assert_eq!(places, [[-0.875, 0.0], [0.875, 0.0]]);
    }

    #[test]
    fn descriptors_that_do_not_vary_are_of_no_use() {
        assert_eq!(find(&vec![0.1; 50 * LENGTH], 4), None);
        assert_eq!(find(&[], 4), None);
    }
}

use std::ops::Range;

use candle_core::{Result, bail};
use gemm::Parallelism;

/// A matrix that is read: values with a shape and strides that stay inside them.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
}

impl<'a> Matrix<'a> {
    /// Reads `values` as [rows, columns], row-major.
    pub fn row_major(values: &'a [f32], rows: usize, columns: usize) -> Result<Self> {
        if rows.checked_mul(columns) != Some(values.len()) {
            bail!("{} values are no matrix of {rows} x {columns}", values.len());
        }
        Ok(Self { values, rows, columns, row_stride: columns as isize, column_stride: 1 })
    }

    /// Some of the columns; nothing is moved.
    pub fn columns(self, range: Range<usize>) -> Result<Self> {
        let is_whole = self.column_stride == 1 && self.row_stride == self.columns as isize;
        if range.is_empty() || range.end > self.columns || !is_whole || self.rows == 0 {
            bail!("a matrix of {} x {} has no such columns as {range:?}", self.rows, self.columns);
        }
        let end = (self.rows - 1) * self.columns + range.end;
        Ok(Self { values: &self.values[range.start..end], columns: range.len(), ..self })
    }

    /// The same values with rows and columns exchanged; nothing is moved.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// What becomes of the values that stand in the target of a product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The product is added to them.
    Add,
    /// They are overwritten, and never read.
    Overwrite,
}

/// Writes the product of `left` and `right` into `out`, row-major.
pub(crate) fn multiply(
    out: &mut [f32],
    target: Target,
    left: Matrix<'_>,
    right: Matrix<'_>,
    parallelism: Parallelism,
) -> Result<()> {
    let (rows, columns, depth) = (left.rows, right.columns, left.columns);
    if right.rows != depth || rows.checked_mul(columns) != Some(out.len()) {
        bail!("{rows} x {depth} times {} x {columns} does not give {} values", right.rows, out.len());
    }
    product(out, target, left, right, parallelism);
    Ok(())
}

#[allow(unsafe_code)]
fn product(out: &mut [f32], target: Target, left: Matrix<'_>, right: Matrix<'_>, parallelism: Parallelism) {
    // SAFETY: a `Matrix` covers no more than its values, in either order of strides, and `multiply`, the only
    // caller, has checked that the shapes fit and that `out` holds rows x columns values. `out` is borrowed
    // mutably, so it overlaps neither factor, and all three are initialised.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            out.as_mut_ptr(),
            1,
            right.columns as isize,
            target == Target::Add,
            left.values.as_ptr(),
            left.column_stride,
            left.row_stride,
            right.values.as_ptr(),
            right.column_stride,
            right.row_stride,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposed_factors_are_read_crosswise() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 2.0, 1.0];
        let mut out = [10.0; 6];
        let left = Matrix::row_major(&a, 2, 3).unwrap().transposed();
        let right = Matrix::row_major(&b, 2, 2).unwrap().transposed();
        multiply(&mut out, Target::Overwrite, left, right, Parallelism::None).unwrap();
        assert_eq!(out, [1.0, 6.0, 2.0, 9.0, 3.0, 12.0]);
        multiply(&mut out, Target::Add, left, right, Parallelism::None).unwrap();
        assert_eq!(out, [2.0, 12.0, 4.0, 18.0, 6.0, 24.0]);
    }

    #[test]
    fn some_columns_are_read_where_they_are() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 10.0];
        let right = Matrix::row_major(&b, 2, 1).unwrap();
        for (range, expected) in [(0..3, &[41.0, 52.0, 63.0][..]), (1..3, &[52.0, 63.0]), (2..3, &[63.0])] {
            let left = Matrix::row_major(&a, 2, 3).unwrap().columns(range).unwrap().transposed();
            let mut out = vec![0.0; expected.len()];
            multiply(&mut out, Target::Overwrite, left, right, Parallelism::None).unwrap();
            assert_eq!(out, expected);
        }
        let whole = Matrix::row_major(&a, 2, 3).unwrap();
        assert!(whole.columns(2..4).is_err() && whole.columns(1..1).is_err());
        assert!(
            whole.transposed().columns(0..1).is_err() && whole.columns(1..2).unwrap().columns(0..1).is_err()
        );
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let a = [0.0; 6];
        assert!(Matrix::row_major(&a, 2, 2).is_err());
        assert!(Matrix::row_major(&a, usize::MAX, 2).is_err());
        let matrix = Matrix::row_major(&a, 2, 3).unwrap();
        let mut out = [0.0; 4];
        assert!(multiply(&mut out, Target::Add, matrix, matrix, Parallelism::None).is_err());
        let mut short = [0.0; 3];
        let crossed = matrix.transposed();
        assert!(multiply(&mut short, Target::Add, matrix, crossed, Parallelism::None).is_err());
        assert!(multiply(&mut out, Target::Add, matrix, crossed, Parallelism::None).is_ok());
    }
}

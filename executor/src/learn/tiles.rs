use std::ops::Range;

use candle_core::Result;
use gemm::Parallelism;

use super::{
    Layer,
    matmul::{Matrix, Target, multiply},
};

/// Values of a tile, of which gradient, weights and moments stay in the nearer caches of a core.
const TILE_VALUES: usize = 32_768;

/// Cuts the inputs of a layer into ranges, the weights of each of which are a tile.
pub(super) fn tiles(layer: &Layer) -> impl Iterator<Item = Range<usize>> {
    let (inputs, rows) = (layer.inputs, (TILE_VALUES / layer.outputs).max(1));
    (0..inputs).step_by(rows).map(move |start| start..inputs.min(start + rows))
}

/// Where the weights of a range of inputs are among those of their layer.
pub(super) fn weights_of(inputs: &Range<usize>, layer: &Layer) -> Range<usize> {
    inputs.start * layer.outputs..inputs.end * layer.outputs
}

/// Writes x W into `out`, tile by tile.
///
/// What is added up for an output is added up in the same order wherever its tiles are multiplied: it is the same to the bit.
pub(super) fn product(
    layer: &Layer,
    x: Matrix<'_>,
    weights: &[f32],
    parallelism: Parallelism,
    out: &mut [f32],
) -> Result<()> {
    for inputs in tiles(layer) {
        let tile = &weights[weights_of(&inputs, layer)];
        tile_product(layer, x, tile, inputs, parallelism, out)?;
    }
    Ok(())
}

/// Adds the part of x W that some inputs have to `out`; that of the first inputs takes the place of what `out` has.
pub(super) fn tile_product(
    layer: &Layer,
    x: Matrix<'_>,
    tile: &[f32],
    inputs: Range<usize>,
    parallelism: Parallelism,
    out: &mut [f32],
) -> Result<()> {
    let target = if inputs.start == 0 { Target::Overwrite } else { Target::Add };
    let weights = Matrix::row_major(tile, inputs.len(), layer.outputs)?;
    multiply(out, target, x.columns(inputs)?, weights, parallelism)
}

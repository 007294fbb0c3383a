use std::ops::Range;

use candle_core::{Result, Tensor};
use gemm::Parallelism;

use crate::learn::{
    Layer, ReplicaOptimizer, buffer,
    matmul::{Matrix, Target, multiply},
};

/// Values of a tile, of which gradient, weights and moments stay in the caches of a core.
const TILE_VALUES: usize = 65_536;

/// The gradient of the first layer's weights, of which only the factors are known.
///
/// It is nearly all of the gradient. Written out, it would go through memory twice before the weights have moved; tile by
/// tile it goes no further than the caches.
#[derive(Debug)]
pub(super) struct Postponed {
    /// The features of the batch, [rows, inputs], if some were dropped.
    pub(super) dropped: Option<Tensor>,
    /// The gradient of what the layer gives, [rows, outputs].
    pub(super) slopes: Vec<f32>,
}

impl Postponed {
    /// Writes the gradient of all weights of the layer, with what `l2` adds.
    pub(super) fn write(
        &self,
        layer: &Layer,
        inputs: &[f32],
        weights: &[f32],
        l2: f32,
        out: &mut [f32],
    ) -> Result<()> {
        self.with_features(layer, inputs, |features| {
            self.tile(layer, features, 0..layer.inputs, out)?;
            shrink(out, weights, l2);
            Ok(())
        })
    }

    /// Moves the weights of the layer, in the step that `optimizer` has begun. `tile` is memory that is kept from step to step.
    pub(super) fn apply(
        &self,
        layer: &Layer,
        inputs: &[f32],
        weights: &mut [f32],
        l2: f32,
        optimizer: &mut dyn ReplicaOptimizer,
        tile: &mut Vec<f32>,
    ) -> Result<()> {
        self.with_features(layer, inputs, |features| {
            let rows = (TILE_VALUES / layer.outputs).max(1);
            for start in (0..layer.inputs).step_by(rows) {
                let range = start..layer.inputs.min(start + rows);
                let values = range.start * layer.outputs..range.end * layer.outputs;
                tile.resize(values.len(), 0.0);
                self.tile(layer, features, range, tile)?;
                let weights = &mut weights[values.clone()];
                shrink(tile, weights, l2);
                optimizer.apply(values, weights, tile);
            }
            Ok(())
        })
    }

    fn with_features(
        &self,
        layer: &Layer,
        inputs: &[f32],
        work: impl FnOnce(Matrix<'_>) -> Result<()>,
    ) -> Result<()> {
        let rows = self.slopes.len() / layer.outputs;
        let work = |values: &[f32]| work(Matrix::row_major(values, rows, layer.inputs)?);
        match &self.dropped {
            Some(tensor) => buffer::read(tensor, work)?,
            None => work(&inputs[..rows * layer.inputs]),
        }
    }

    /// Writes the gradient of the weights of some inputs: x^T g.
    fn tile(&self, layer: &Layer, features: Matrix<'_>, inputs: Range<usize>, out: &mut [f32]) -> Result<()> {
        let slopes = Matrix::row_major(&self.slopes, self.slopes.len() / layer.outputs, layer.outputs)?;
        let features = features.columns(inputs)?.transposed();
        multiply(out, Target::Overwrite, features, slopes, Parallelism::None)
    }
}

/// Adds what `l2` asks for to the gradient of weights.
pub(super) fn shrink(slopes: &mut [f32], weights: &[f32], l2: f32) {
    if l2 != 0.0 {
        for (slope, weight) in slopes.iter_mut().zip(weights) {
            *slope += l2 * weight;
        }
    }
}

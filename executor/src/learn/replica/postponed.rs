use std::ops::Range;

use candle_core::{Result, Tensor};
use gemm::Parallelism;

use super::ahead::with_features;
use crate::learn::{
    Layer, ReplicaOptimizer,
    matmul::{Matrix, Target, multiply},
    tiles::{tile_product, tiles, weights_of},
};

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
    /// With the features of the next step, it writes what they give with the moved weights.
    pub(super) fn apply(
        &self,
        layer: &Layer,
        inputs: &[f32],
        weights: &mut [f32],
        l2: f32,
        (optimizer, tile): (&mut dyn ReplicaOptimizer, &mut Vec<f32>),
        mut next: Option<(Matrix<'_>, &mut [f32])>,
    ) -> Result<()> {
        self.with_features(layer, inputs, |features| {
            for range in tiles(layer) {
                let values = weights_of(&range, layer);
                tile.resize(values.len(), 0.0);
                self.tile(layer, features, range.clone(), tile)?;
                let weights = &mut weights[values.clone()];
                shrink(tile, weights, l2);
                optimizer.apply(values, weights, tile);
                if let Some((x, product)) = &mut next {
                    tile_product(layer, *x, weights, range, Parallelism::None, product)?;
                }
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
        with_features(layer, self.slopes.len() / layer.outputs, &self.dropped, inputs, work)
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

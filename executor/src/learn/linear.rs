use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp2, InplaceOp3, Layout, Result, Shape, Tensor};
use gemm::Parallelism;

use super::{
    Layer,
    buffer::{self, values, values_mut},
    matmul::{Matrix, Target, multiply},
    tiles::product,
};

/// Where a way back leaves the gradient of what a layer gives.
pub(super) type Slopes = Arc<OnceLock<Vec<f32>>>;

/// A dense layer y = x W + b of x [rows, inputs] and the flat parameters, of which it reads its own part.
///
/// Backward writes the gradient of W and b straight into the same place of the flat gradient, and tells candle
/// of none: candle would add it to a buffer of zeros, one more pass over millions of values. The first layer
/// doesn't compute the gradient of x, which nobody needs.
pub(super) struct Linear {
    /// Where the layer stands.
    pub layer: Layer,
    /// The flat gradient, one value per parameter.
    pub gradient: Tensor,
    /// How the products are spread over threads.
    pub parallelism: Parallelism,
    /// x W, if it is known already.
    pub begun: Option<Vec<f32>>,
    /// Where the first layer leaves the gradient of y, instead of writing that of W.
    pub slopes: Option<Slopes>,
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs) = x_layout.shape().dims2()?;
        let parameters = values(parameters, parameters_layout)?;
        let x = Matrix::row_major(values(x, x_layout)?, rows, inputs)?;
        let Layer { weight, bias, outputs, .. } = &self.layer;
        let mut y = self.begun.clone().unwrap_or_else(|| vec![0.0; rows * outputs]);
        if self.begun.is_none() {
            product(&self.layer, x, &parameters[weight.clone()], self.parallelism, &mut y)?;
        }
        for row in y.chunks_exact_mut(*outputs) {
            row.iter_mut().zip(&parameters[bias.clone()]).for_each(|(y, bias)| *y += bias);
        }
        Ok((CpuStorage::F32(y), (rows, self.layer.outputs).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        _y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let Self { layer, parallelism, slopes, .. } = self;
        let (parallelism, of) = (*parallelism, if slopes.is_some() { Of::Bias } else { Of::All });
        self.gradient.inplace_op3(x, &gradient, &ParameterGradient { layer, parallelism, of })?;
        if let Some(slopes) = slopes {
            // Backward goes through a layer once, so it is empty.
            let _ = slopes.set(buffer::read(&gradient, <[f32]>::to_vec)?);
        }
        if layer.is_first() {
            return Ok((None, None));
        }
        let op = InputGradient { layer, parallelism };
        Ok((Some(gradient.apply_op2_no_bwd(parameters, &op)?), None))
    }
}

/// The layer's part of the flat gradient: x^T g for the weights, the column sums of g for the biases.
struct ParameterGradient<'a> {
    layer: &'a Layer,
    parallelism: Parallelism,
    of: Of,
}

/// Of which parameters a gradient is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    All,
    Bias,
}

impl InplaceOp3 for ParameterGradient<'_> {
    fn name(&self) -> &'static str {
        "linear-parameter-gradient"
    }

    fn cpu_fwd(
        &self,
        flat: &mut CpuStorage,
        flat_layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (rows, inputs) = x_layout.shape().dims2()?;
        let flat = values_mut(flat, flat_layout)?;
        let gradient = values(gradient, gradient_layout)?;
        if self.of == Of::All {
            let x = Matrix::row_major(values(x, x_layout)?, rows, inputs)?;
            let y = Matrix::row_major(gradient, rows, self.layer.outputs)?;
            let weight = &mut flat[self.layer.weight.clone()];
            multiply(weight, Target::Overwrite, x.transposed(), y, self.parallelism)?;
        }
        let bias = &mut flat[self.layer.bias.clone()];
        bias.fill(0.0);
        for row in gradient.chunks_exact(self.layer.outputs) {
            for (sum, value) in bias.iter_mut().zip(row) {
                *sum += value;
            }
        }
        Ok(())
    }
}

/// The gradient of x: g W^T.
struct InputGradient<'a> {
    layer: &'a Layer,
    parallelism: Parallelism,
}

impl CustomOp2 for InputGradient<'_> {
    fn name(&self) -> &'static str {
        "linear-input-gradient"
    }

    fn cpu_fwd(
        &self,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, outputs) = gradient_layout.shape().dims2()?;
        let gradient = Matrix::row_major(values(gradient, gradient_layout)?, rows, outputs)?;
        let weight = weight(values(parameters, parameters_layout)?, self.layer)?;
        let mut x = vec![0.0; rows * self.layer.inputs];
        multiply(&mut x, Target::Overwrite, gradient, weight.transposed(), self.parallelism)?;
        Ok((CpuStorage::F32(x), (rows, self.layer.inputs).into()))
    }
}

fn weight<'a>(parameters: &'a [f32], layer: &Layer) -> Result<Matrix<'a>> {
    Matrix::row_major(&parameters[layer.weight.clone()], layer.inputs, layer.outputs)
}

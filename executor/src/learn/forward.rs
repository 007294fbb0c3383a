use candle_core::Tensor;
use gemm::Parallelism;

use super::{
    LearnError, Network,
    activation::{Activation, Dropout},
    buffer,
    linear::{Linear, Slopes},
};

/// What the network needs for a way forward and back.
pub(super) struct Forward<'a> {
    /// Its shape.
    pub network: &'a Network,
    /// Its flat parameters, a variable.
    pub parameters: &'a Tensor,
    /// Where backward leaves the flat gradient.
    pub gradient: &'a Tensor,
    /// How the products are spread over threads.
    pub parallelism: Parallelism,
    /// What the features give in the first layer, without the biases, if it is known already.
    pub begun: Option<Vec<f32>>,
    /// Where backward leaves the gradient of what the first layer gives, instead of writing that of its weights.
    pub slopes: Option<Slopes>,
}

impl Forward<'_> {
    /// Computes the logits [rows, outputs] of `x` [rows, inputs], of which `dropout` has dropped features already.
    ///
    /// # Errors
    /// [`LearnError::Diverged`] if a value that is not finite comes out of a layer.
    pub fn logits(mut self, x: Tensor, dropout: Dropout) -> Result<Tensor, LearnError> {
        let last = self.network.layers().len() - 1;
        let mut values = x;
        for (index, layer) in self.network.layers().iter().enumerate() {
            let linear = Linear {
                layer: layer.clone(),
                gradient: self.gradient.clone(),
                parallelism: self.parallelism,
                begun: self.begun.take(),
                slopes: self.slopes.clone().filter(|_| layer.is_first()),
            };
            values = values.apply_op2(self.parameters, linear)?;
            // ReLU would turn -inf into 0 and hide it, so it is looked for before.
            buffer::read(&values, |values| finite(index, layer.outputs, values))??;
            if index < last {
                values = values.apply_op1(Activation::new(dropout, index))?;
            }
        }
        Ok(values)
    }
}

fn finite(layer: usize, outputs: usize, values: &[f32]) -> Result<(), LearnError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(LearnError::Diverged { layer, row: at / outputs, value: values[at] }),
    }
}

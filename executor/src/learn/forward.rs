use candle_core::Tensor;
use gemm::Parallelism;

use super::{
    LearnError, Network,
    activation::{Activation, Dropout, InputDropout},
    buffer,
    linear::Linear,
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
}

impl Forward<'_> {
    /// Computes the logits [rows, outputs] of `x` [rows, inputs].
    ///
    /// # Errors
    /// [`LearnError::Diverged`] if a value that is not finite comes out of a layer.
    pub fn logits(&self, x: Tensor, dropout: Dropout) -> Result<Tensor, LearnError> {
        let last = self.network.layers().len() - 1;
        let mut values = match InputDropout::new(dropout) {
            Some(input) => x.apply_op1_no_bwd(&input)?,
            None => x,
        };
        for (index, layer) in self.network.layers().iter().enumerate() {
            let linear = Linear {
                layer: layer.clone(),
                gradient: self.gradient.clone(),
                parallelism: self.parallelism,
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

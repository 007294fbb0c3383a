//! A training loop as candle's examples write it: its own layers, loss and optimizer, in this process.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{AdamW, Dropout, Module, Optimizer as _, ParamsAdamW, VarBuilder, VarMap, linear, loss};

const FEATURES: usize = 16_384;
const WARM_UP: usize = 3;
const BUDGET: Duration = Duration::from_secs(10);

/// Trains the seed network on one batch, again and again, as long as the budget allows.
pub fn images_per_second(batch: usize) -> f64 {
    train(batch).expect("candle trains")
}

fn train(batch: usize) -> Result<f64> {
    let variables = VarMap::new();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let sizes = [FEATURES, 256, 128, 1];
    let layers = (0..3)
        .map(|layer| linear(sizes[layer], sizes[layer + 1], builder.pp(layer)))
        .collect::<Result<Vec<_>>>()?;
    let dropout = Dropout::new(0.3);
    let rates = ParamsAdamW { lr: 5e-4, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(variables.all_vars(), rates)?;
    let rows = Tensor::rand(0f32, 1f32, (batch, FEATURES), &Device::Cpu)?;
    let labels: Vec<f32> = (0..batch).map(|row| (row % 2) as f32).collect();
    let labels = Tensor::from_vec(labels, (batch, 1), &Device::Cpu)?;
    let mut step = || {
        let mut values = rows.clone();
        for (index, layer) in layers.iter().enumerate() {
            values = layer.forward(&values)?;
            if index + 1 < layers.len() {
                values = dropout.forward(&values.relu()?, true)?;
            }
        }
        optimizer.backward_step(&loss::binary_cross_entropy_with_logit(&values, &labels)?)
    };
    (0..WARM_UP).try_for_each(|_| step())?;
    let (start, mut steps) = (Instant::now(), 0);
    while start.elapsed() < BUDGET {
        step()?;
        steps += 1;
    }
    Ok((steps * batch) as f64 / start.elapsed().as_secs_f64())
}

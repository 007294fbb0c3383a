//! Times a training step of the seed network, 16384-256-128-1, on one thread: the replica against candle as it
//! comes, in one run, since absolute figures drift from run to run.

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use candle_core::{Device, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer as _, ParamsAdamW, SGD, loss};
use howdah_executor::learn::{Minibatch, Network, Replica, ReplicaOptimizer, initial_weights};
use howdah_proto::settings::{NetworkSettings, Optimizer};

const FEATURES: usize = 16_384;
const RATE: f32 = 1e-4;
const BUDGET: Duration = Duration::from_secs(3);

/// Whether the next step is begun as the weights move.
#[derive(Clone, Copy, PartialEq)]
enum Ahead {
    No,
    Yes,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // candle's own products take the size of rayon's global pool.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let settings = NetworkSettings { hidden: vec![256, 128], dropout: 0.3, input_dropout: 0.0 };
    let network = Network::new(&settings, FEATURES, 2)?;
    println!(
        "{:6} {:5} {:>12} {:>12} {:>12} {:>12} {:>7}",
        "batch", "", "replica ms", "update ms", "ahead ms", "candle ms", "ratio"
    );
    for batch in [32, 128] {
        for (name, optimizer) in [
            ("sgd", Optimizer::Sgd { learning_rate: RATE }),
            ("adam", Optimizer::Adam { learning_rate: RATE }),
        ] {
            let (step, update) = replica(&network, batch, &optimizer, Ahead::No)?;
            let ahead = replica(&network, batch, &optimizer, Ahead::Yes)?;
            let (ours, ahead) = (step + update, ahead.0 + ahead.1);
            let theirs = candle(&network, batch, &optimizer)?;
            let ratio = theirs / ahead;
            println!("{batch:6} {name:5} {ours:12.2} {update:12.2} {ahead:12.2} {theirs:12.2} {ratio:7.2}");
        }
    }
    Ok(())
}

/// The median milliseconds of forward and backward, and of the update, of the replica. What is computed ahead is in the update.
fn replica(network: &Network, batch: usize, optimizer: &Optimizer, ahead: Ahead) -> Outcome<(f64, f64)> {
    let mut replica = Replica::new(network.clone(), batch, 1)?;
    replica.set_weights(&initial_weights(network, 1))?;
    fill(replica.samples_mut())?;
    fill(replica.next_samples_mut()?)?;
    let mut optimizer = <dyn ReplicaOptimizer>::of(optimizer, network);
    let mut step = 0;
    medians(|| {
        step += 1;
        let start = Instant::now();
        replica.step(batch, step)?;
        let middle = Instant::now();
        if ahead == Ahead::Yes {
            replica.look_ahead(batch, step + 1)?;
        }
        replica.update(&mut *optimizer, 1.0)?;
        replica.advance();
        Ok((middle - start, middle.elapsed()))
    })
}

fn fill(samples: &mut Minibatch) -> Outcome<()> {
    for row in 0..samples.batch() {
        samples.input_row(row)?.iter_mut().enumerate().for_each(|(i, x)| *x = feature(row, i));
        samples.set_label(row, (row % 2) as u32)?;
    }
    Ok(())
}

/// The median milliseconds of a step of candle's own layers, loss and optimizer.
fn candle(network: &Network, batch: usize, optimizer: &Optimizer) -> Outcome<f64> {
    let flat = initial_weights(network, 1);
    let mut variables = Vec::new();
    let mut layers = Vec::new();
    for layer in network.layers() {
        let weight =
            Tensor::from_slice(&flat[layer.weight.clone()], (layer.inputs, layer.outputs), &Device::Cpu)?;
        let weight = Var::from_tensor(&weight.t()?.contiguous()?)?;
        let bias = Var::zeros(layer.outputs, candle_core::DType::F32, &Device::Cpu)?;
        layers.push(Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone())));
        variables.extend([weight, bias]);
    }
    let x: Vec<f32> = (0..batch).flat_map(|row| (0..FEATURES).map(move |i| feature(row, i))).collect();
    let x = Tensor::from_vec(x, (batch, FEATURES), &Device::Cpu)?;
    let y: Vec<f32> = (0..batch).map(|row| (row % 2) as f32).collect();
    let y = Tensor::from_vec(y, (batch, 1), &Device::Cpu)?;
    let dropout = candle_nn::Dropout::new(network.dropout());
    let mut sgd = SGD::new(variables.clone(), f64::from(RATE))?;
    let rates = ParamsAdamW { lr: f64::from(RATE), weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(variables, rates)?;
    let (step, _) = medians(|| {
        let start = Instant::now();
        let mut values = x.clone();
        for (index, layer) in layers.iter().enumerate() {
            values = layer.forward(&values)?;
            if index + 1 < layers.len() {
                values = dropout.forward(&values.relu()?, true)?;
            }
        }
        let gradients = loss::binary_cross_entropy_with_logit(&values, &y)?.backward()?;
        match optimizer {
            Optimizer::Sgd { .. } => sgd.step(&gradients)?,
            _ => adam.step(&gradients)?,
        }
        Ok((start.elapsed(), Duration::ZERO))
    })?;
    Ok(step)
}

/// A feature in [0, 1) that looks drawn.
fn feature(row: usize, i: usize) -> f32 {
    ((row * 31 + i * 17) % 257) as f32 / 257.0
}

/// Runs `step` for a while and takes the median of both of its times, in milliseconds.
fn medians(mut step: impl FnMut() -> Outcome<(Duration, Duration)>) -> Outcome<(f64, f64)> {
    let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < BUDGET || firsts.len() < 8 {
        let (first, second) = step()?;
        firsts.push(first);
        seconds.push(second);
    }
    Ok((median(firsts), median(seconds)))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

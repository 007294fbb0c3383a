mod ahead;
mod postponed;

use std::{fmt, sync::Arc};

use candle_core::{Device, Tensor};

use super::{
    BatchReport, LearnError, Minibatch, Network, Objective, ReplicaOptimizer,
    activation::{Dropout, InputDropout},
    buffer::{self, Loan},
    forward::Forward,
    linear::Slopes,
    loss,
    matmul::Matrix,
    threads::Threads,
};
use ahead::{Begun, Next};
use postponed::{Postponed, shrink};

/// A copy of the model in an executor, with the buffers it trains on.
///
/// Weights and gradient are flat, laid out by [`Network::layers`]. They are lent to candle for a step and come
/// back in the same memory: no step allocates anything of the size of the parameters.
pub struct Replica {
    network: Network,
    threads: Threads,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    samples: Minibatch,
    objective: Objective,
    postponed: Option<Postponed>,
    tile: Vec<f32>,
    /// What is computed of the next step, with the weights and samples that there are.
    begun: Option<Begun>,
    /// The step after it.
    next: Option<Next>,
}

impl Replica {
    /// Makes a replica with weights of 0, for batches of up to `batch` samples, that computes on `threads` threads.
    ///
    /// One thread is the caller's own; more are a pool that belongs to the replica.
    ///
    /// # Errors
    /// [`LearnError::Rows`] for a batch of 0, [`LearnError::Batch`] for one that can't be addressed,
    /// [`LearnError::Threads`] if the threads can't be started.
    pub fn new(network: Network, batch: usize, threads: usize) -> Result<Self, LearnError> {
        let samples = Minibatch::new(&network, batch)?;
        Ok(Self {
            threads: Threads::start(threads)?,
            weights: vec![0.0; network.parameters()],
            gradient: vec![0.0; network.parameters()],
            samples,
            objective: Objective::PLAIN,
            postponed: None,
            tile: Vec::new(),
            begun: None,
            next: None,
            network,
        })
    }

    /// Makes the objective of the steps that follow another one than the cross-entropy alone.
    ///
    /// # Errors
    /// [`LearnError::ClassWeights`] if there are more or fewer class weights than classes.
    pub fn set_objective(&mut self, objective: Objective) -> Result<(), LearnError> {
        objective.check(self.network.classes())?;
        self.objective = objective;
        Ok(())
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The samples that a batch may hold.
    pub fn batch(&self) -> usize {
        self.samples.batch()
    }

    /// The samples of the next step, to be written or exchanged.
    pub fn samples_mut(&mut self) -> &mut Minibatch {
        self.begun = None;
        if let Some(next) = &mut self.next {
            next.forget();
        }
        &mut self.samples
    }

    /// The flat weights.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The flat weights, to be written.
    pub fn weights_mut(&mut self) -> &mut [f32] {
        self.forget_begun();
        &mut self.weights
    }

    /// Copies `weights` into the replica.
    ///
    /// # Errors
    /// [`LearnError::Weights`] if there are more or fewer than the network's parameters.
    pub fn set_weights(&mut self, weights: &[f32]) -> Result<(), LearnError> {
        if weights.len() != self.weights.len() {
            return Err(LearnError::Weights { expected: self.weights.len(), got: weights.len() });
        }
        self.weights_mut().copy_from_slice(weights);
        Ok(())
    }

    /// The flat gradient of the objective of the last [`Replica::step`], if its samples and the weights are still what they
    /// were.
    ///
    /// # Errors
    /// [`LearnError::Tensor`] if it can't be computed.
    pub fn gradient(&mut self) -> Result<&[f32], LearnError> {
        let Self { network, weights, gradient, samples, objective, postponed, .. } = self;
        if let (Some(postponed), Some(first)) = (postponed.take(), network.layers().first()) {
            let of = first.weight.clone();
            postponed.write(first, &samples.inputs, &weights[of.clone()], objective.l2, &mut gradient[of])?;
        }
        Ok(gradient)
    }

    /// Goes forward and back over the first `rows` samples, and leaves the gradient of the objective, with what `l2` adds
    /// and no longer than it may be. Where nothing needs the whole gradient, that of the first layer's weights is left to
    /// [`Replica::gradient`] or [`Replica::update`]. The loss that is reported is that of the objective without `l2`.
    ///
    /// The same weights, samples and `dropout_seed` give the same gradient, bit for bit, on the same kind of processor.
    ///
    /// # Errors
    /// [`LearnError::Rows`], or [`LearnError::Diverged`] if a layer's values are not finite; the gradient is
    /// then of no use.
    pub fn step(&mut self, rows: usize, dropout_seed: u64) -> Result<BatchReport, LearnError> {
        let dropout = self.dropout(dropout_seed);
        let begun = self.begun.take().filter(|begun| begun.is_of(rows, dropout));
        let outputs = self.network.outputs();
        self.postponed = None;
        let slopes = self.can_postpone().then(Arc::default);
        let (report, features) =
            self.run(rows, dropout, (begun, slopes.clone()), move |logits, labels, objective| {
                let (report, slopes) =
                    buffer::read(logits, |values| loss::cross_entropy(values, labels, outputs, objective))?;
                // The sum of logits times constant slopes has these slopes as its gradient.
                let slopes = Tensor::from_vec(slopes, logits.shape(), &Device::Cpu)?;
                logits.mul(&slopes)?.sum_all()?.backward()?;
                Ok(report)
            })?;
        let slopes = slopes.and_then(|slopes: Slopes| slopes.get().cloned());
        self.postponed = slopes.map(|slopes| Postponed { dropped: features, slopes });
        for layer in self.network.layers().iter().skip(usize::from(self.postponed.is_some())) {
            let of = layer.weight.clone();
            shrink(&mut self.gradient[of.clone()], &self.weights[of], self.objective.l2);
        }
        self.clip();
        Ok(report)
    }

    /// The dropout of a step.
    fn dropout(&self, seed: u64) -> Dropout {
        match (self.network.dropout(), self.network.input_dropout()) {
            (0.0, 0.0) => Dropout::Off,
            (rate, input_rate) => Dropout::On { rate, input_rate, seed },
        }
    }

    /// Whether the gradient of the first layer's weights may wait: nobody asks for its length, and no other thread
    /// would help to compute it.
    fn can_postpone(&self) -> bool {
        self.objective.clip_norm.is_none() && matches!(self.threads, Threads::Caller)
    }

    /// Scales a gradient that is too long to the longest that it may be.
    fn clip(&mut self) {
        let Some(most) = self.objective.clip_norm else { return };
        let squares = |block: &[f32]| block.iter().map(|slope| slope * slope).sum::<f32>();
        // Blocks keep the sum in single precision short, and become vector instructions.
        let norm = self.gradient.chunks(1024).map(|block| f64::from(squares(block))).sum::<f64>().sqrt();
        if norm > f64::from(most) {
            let factor = (f64::from(most) / norm) as f32;
            self.gradient.iter_mut().for_each(|slope| *slope *= factor);
        }
    }

    /// Moves the weights along the gradient of the last step, at the learning rate times `factor`; after that, the gradient
    /// is of no use.
    ///
    /// # Errors
    /// [`LearnError::Tensor`] if the gradient can't be computed.
    pub fn update(&mut self, optimizer: &mut dyn ReplicaOptimizer, factor: f32) -> Result<(), LearnError> {
        self.forget_begun();
        let Self { network, weights, gradient, samples, objective, postponed, tile, next, .. } = self;
        optimizer.begin(factor);
        let mut written = 0;
        if let (Some(postponed), Some(first)) = (postponed.take(), network.layers().first()) {
            let (inputs, of) = (&samples.inputs, &mut weights[first.weight.clone()]);
            let mut apply = |next: Option<(Matrix<'_>, &mut [f32])>| {
                postponed.apply(first, inputs, of, objective.l2, (&mut *optimizer, tile), next)
            };
            match next {
                Some(next) => next.begin(first, apply)?,
                None => apply(None)?,
            }
            written = first.weight.end;
        }
        optimizer.apply(written..weights.len(), &mut weights[written..], &gradient[written..]);
        Ok(())
    }

    /// The logits [rows, outputs] of the first `rows` samples; labels and gradient stay unread.
    ///
    /// # Errors
    /// [`LearnError::Rows`], or [`LearnError::Diverged`] if a layer's values are not finite.
    pub fn logits(&mut self, rows: usize) -> Result<Vec<f32>, LearnError> {
        Ok(self
            .run(rows, Dropout::Off, (None, None), |logits, _, _| Ok(buffer::read(logits, <[f32]>::to_vec)?))?
            .0)
    }

    /// The probabilities of every class, for each of the first `rows` samples; labels and gradient stay unread.
    ///
    /// # Errors
    /// [`LearnError::Rows`], or [`LearnError::Diverged`] if a layer's values are not finite.
    pub fn probabilities(&mut self, rows: usize) -> Result<Vec<Vec<f32>>, LearnError> {
        let outputs = self.network.outputs();
        let (probabilities, _) = self.run(rows, Dropout::Off, (None, None), move |logits, _, _| {
            let rows = |values: &[f32]| values.chunks_exact(outputs).map(loss::class_probabilities).collect();
            Ok(buffer::read(logits, rows)?)
        })?;
        Ok(probabilities)
    }

    /// Computes the logits of the first `rows` samples and hands them to `finish`, with the labels and the objective; gives
    /// the features too, if some were dropped.
    fn run<R: Send>(
        &mut self,
        rows: usize,
        dropout: Dropout,
        (begun, slopes): (Option<Begun>, Option<Slopes>),
        finish: impl FnOnce(&Tensor, &[u32], &Objective) -> Result<R, LearnError> + Send,
    ) -> Result<(R, Option<Tensor>), LearnError> {
        let Self { network, threads, weights, gradient, samples, objective, .. } = self;
        let Minibatch { inputs, labels, .. } = samples;
        let labels = match rows {
            0 => None,
            _ => labels.get(..rows),
        }
        .ok_or(LearnError::Rows { rows, batch: labels.len() })?;
        threads.run(|parallelism| {
            let (weights, gradient) = (Loan::variable(weights)?, Loan::constant(gradient)?);
            let inputs = Loan::constant(inputs)?;
            let width = network.inputs();
            let x = inputs.tensor().narrow(0, 0, rows * width)?.reshape((rows, width))?;
            let (dropped, begun) = match begun {
                Some(Begun { dropped, product, .. }) => (dropped, Some(product)),
                None => {
                    let drop = |input| x.apply_op1_no_bwd(&input);
                    (InputDropout::new(dropout).map(drop).transpose()?, None)
                }
            };
            let (parameters, gradient) = (weights.tensor(), gradient.tensor());
            let forward = Forward { network, parameters, gradient, parallelism, begun, slopes };
            let logits = forward.logits(dropped.clone().unwrap_or(x), dropout)?;
            Ok((finish(&logits, labels, objective)?, dropped))
        })
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("network", &self.network)
            .field("threads", &self.threads)
            .field("batch", &self.batch())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

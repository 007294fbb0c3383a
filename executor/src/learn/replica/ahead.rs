use candle_core::Tensor;

use crate::learn::{
    Layer, LearnError, Minibatch, Network, Replica,
    activation::{Dropout, InputDropout},
    buffer::{self, Loan},
    matmul::Matrix,
};

/// What is known of a step before it is taken: what its features give in the first layer, without the biases.
///
/// That layer has nearly all the weights. A step would read them from memory once more; computed tile by tile as they have
/// just moved, they come from the caches.
#[derive(Debug)]
pub(super) struct Begun {
    rows: usize,
    dropout: Dropout,
    /// The features, [rows, inputs], if some were dropped.
    pub(super) dropped: Option<Tensor>,
    /// x W of the first layer, [rows, outputs].
    pub(super) product: Vec<f32>,
}

impl Begun {
    /// Whether it is of a step over so many samples.
    pub(super) fn is_of(&self, rows: usize, dropout: Dropout) -> bool {
        (self.rows, self.dropout) == (rows, dropout)
    }
}

/// The step after the one under way.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) samples: Minibatch,
    /// Over how many samples it goes, and what it drops, when that is known.
    pub(super) plan: Option<(usize, Dropout)>,
    /// What was computed of it.
    pub(super) begun: Option<Begun>,
}

impl Next {
    pub(super) fn new(network: &Network, batch: usize) -> Result<Self, LearnError> {
        Ok(Self { samples: Minibatch::new(network, batch)?, plan: None, begun: None })
    }

    /// Forgets what is known of the step, as its samples are to be others.
    pub(super) fn forget(&mut self) {
        (self.plan, self.begun) = (None, None);
    }

    /// Begins the step while `moves` moves the weights of the first layer, which is given the features and the room for what
    /// they give.
    pub(super) fn begin(
        &mut self,
        layer: &Layer,
        moves: impl FnOnce(Option<(Matrix<'_>, &mut [f32])>) -> candle_core::Result<()>,
    ) -> candle_core::Result<()> {
        let Some((rows, dropout)) = self.plan else { return moves(None) };
        let inputs = &mut self.samples.inputs;
        let dropped = match InputDropout::new(dropout) {
            None => None,
            Some(input) => {
                let loan = Loan::constant(inputs)?;
                let x = loan.tensor().narrow(0, 0, rows * layer.inputs)?.reshape((rows, layer.inputs))?;
                Some(x.apply_op1_no_bwd(&input)?)
            }
        };
        let mut product = vec![0.0; rows * layer.outputs];
        with_features(layer, rows, &dropped, inputs, |features| moves(Some((features, &mut product))))?;
        self.begun = Some(Begun { rows, dropout, dropped, product });
        Ok(())
    }
}

impl Replica {
    /// The samples of the step after the next one, to be written before [`Replica::look_ahead`].
    ///
    /// # Errors
    /// As [`Minibatch::new`].
    pub fn next_samples_mut(&mut self) -> Result<&mut Minibatch, LearnError> {
        let next = match self.next.take() {
            Some(next) => next,
            None => Next::new(&self.network, self.batch())?,
        };
        let next = self.next.insert(next);
        next.forget();
        Ok(&mut next.samples)
    }

    /// Says that the step after the next one goes over the first `rows` of the [next samples](Self::next_samples_mut): the
    /// [update](Self::update) before it then begins it, while the first layer's weights are at hand. It gives the same, bit
    /// for bit.
    ///
    /// # Errors
    /// [`LearnError::Rows`] if there aren't so many.
    pub fn look_ahead(&mut self, rows: usize, dropout_seed: u64) -> Result<(), LearnError> {
        let (batch, dropout) = (self.batch(), self.dropout(dropout_seed));
        if rows == 0 || rows > batch {
            return Err(LearnError::Rows { rows, batch });
        }
        if let Some(next) = &mut self.next {
            next.plan = Some((rows, dropout));
        }
        Ok(())
    }

    /// Makes the samples that were looked ahead to those of the next step; tells whether there were any.
    pub fn advance(&mut self) -> bool {
        let Some(next) = self.next.as_mut().filter(|next| next.plan.is_some()) else { return false };
        std::mem::swap(&mut self.samples, &mut next.samples);
        (self.begun, next.plan) = (next.begun.take(), None);
        true
    }

    /// What was computed with the weights is of no use any more.
    pub(super) fn forget_begun(&mut self) {
        self.begun = None;
        if let Some(next) = &mut self.next {
            next.begun = None;
        }
    }
}

/// Gives the features of a batch, [rows, inputs], to `work`: those of which some were dropped, if there are such.
pub(super) fn with_features(
    layer: &Layer,
    rows: usize,
    dropped: &Option<Tensor>,
    inputs: &[f32],
    work: impl FnOnce(Matrix<'_>) -> candle_core::Result<()>,
) -> candle_core::Result<()> {
    let work = |values: &[f32]| work(Matrix::row_major(values, rows, layer.inputs)?);
    match dropped {
        Some(tensor) => buffer::read(tensor, work)?,
        None => work(&inputs[..rows * layer.inputs]),
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::settings::{NetworkSettings, Optimizer};

    use super::{super::tests::replica, *};
    use crate::learn::{Objective, ReplicaOptimizer};

    const BATCH: usize = 5;

    /// More inputs than fit in a tile, and not a multiple of those.
    fn network(input_dropout: f32) -> Network {
        let settings = NetworkSettings { hidden: vec![40, 5], dropout: 0.3, input_dropout };
        Network::new(&settings, 1_000, 3).unwrap()
    }

    fn rows(step: u64) -> usize {
        if step.is_multiple_of(3) { 2 } else { BATCH }
    }

    fn fill(samples: &mut Minibatch, step: u64) {
        for row in 0..BATCH {
            let number = step as usize * 7 + row * 31;
            let feature =
                |(place, value): (usize, &mut f32)| *value = ((number + place * 17) % 257) as f32 / 257.0;
            samples.input_row(row).unwrap().iter_mut().enumerate().for_each(feature);
            samples.set_label(row, (number % 3) as u32).unwrap();
        }
    }

    fn look_ahead(replica: &mut Replica, step: u64) {
        fill(replica.next_samples_mut().unwrap(), step);
        replica.look_ahead(rows(step), step).unwrap();
    }

    fn bits(replica: &Replica) -> Vec<u32> {
        replica.weights().iter().map(|weight| weight.to_bits()).collect()
    }

    #[test]
    fn a_step_that_was_begun_as_the_weights_moved_is_the_same_to_the_bit() {
        let optimizers = [
            Optimizer::Sgd { learning_rate: 0.1 },
            Optimizer::AdamW { learning_rate: 0.01, weight_decay: 0.1 },
            Optimizer::Nesterov { learning_rate: 0.1, momentum: 0.9 },
        ];
        for (threads, input_dropout, optimizer) in [(1, 0.0), (1, 0.2), (2, 0.2)]
            .into_iter()
            .flat_map(|(threads, dropout)| optimizers.map(|optimizer| (threads, dropout, optimizer)))
        {
            let network = network(input_dropout);
            let mut replicas = [1, 2].map(|_| {
                let mut replica = replica(network.clone(), BATCH, threads, 13);
                replica.set_objective(Objective { l2: 0.01, ..Objective::PLAIN }).unwrap();
                (replica, <dyn ReplicaOptimizer>::of(&optimizer, &network))
            });
            for step in 1..=7 {
                let [(plain, _), (ahead, _)] = &mut replicas;
                fill(plain.samples_mut(), step);
                assert_eq!(ahead.advance(), step > 1);
                // Only the thread that moves the weights has them at hand.
                assert_eq!(ahead.begun.is_some(), step > 1 && threads == 1);
                if step == 1 {
                    fill(ahead.samples_mut(), step);
                }
                assert_eq!(plain.step(rows(step), step).unwrap(), ahead.step(rows(step), step).unwrap());
                look_ahead(ahead, step + 1);
                for (replica, optimizer) in &mut replicas {
                    replica.update(&mut **optimizer, 0.5).unwrap();
                }
                let [plain, ahead] = replicas.each_ref().map(|(replica, _)| bits(replica));
                assert_eq!(plain, ahead, "{threads} {input_dropout} {optimizer:?} {step}");
            }
        }
    }

    #[test]
    fn what_was_begun_is_forgotten_with_the_weights_or_the_samples_that_it_was_begun_on() {
        type Change = fn(&mut Replica);
        let changes: [(Change, bool); 5] = [
            (|replica| replica.weights_mut()[7] += 1.0, true),
            (|replica| replica.set_weights(&vec![0.01; replica.weights().len()]).unwrap(), true),
            (|replica| fill(replica.samples_mut(), 9), false),
            (|replica| fill(replica.next_samples_mut().unwrap(), 9), false),
            (|_| {}, true),
        ];
        for (number, (change, goes_on)) in changes.into_iter().enumerate() {
            let mut replica = replica(network(0.2), BATCH, 1, 13);
            let mut optimizer = crate::learn::Sgd::new(0.1);
            fill(replica.samples_mut(), 1);
            replica.step(BATCH, 1).unwrap();
            look_ahead(&mut replica, 2);
            replica.update(&mut optimizer, 1.0).unwrap();
            change(&mut replica);
            assert_eq!(replica.advance(), goes_on, "{number}");
            // It is of no other step either.
            let seed = if number == 4 { 3 } else { 2 };
            let report = replica.step(BATCH, seed).unwrap();
            let mut fresh = super::super::tests::replica(network(0.2), BATCH, 1, 13);
            fresh.set_weights(replica.weights()).unwrap();
            std::mem::swap(fresh.samples_mut(), &mut replica.samples);
            assert_eq!(report, fresh.step(BATCH, seed).unwrap(), "{number}");
        }
    }

    #[test]
    fn rows_that_there_are_not_are_not_looked_ahead_to() {
        let mut replica = replica(network(0.0), BATCH, 1, 13);
        assert!(!replica.advance());
        replica.next_samples_mut().unwrap();
        for rows in [0, BATCH + 1] {
            assert!(matches!(replica.look_ahead(rows, 1), Err(LearnError::Rows { .. })));
        }
        assert!(!replica.advance());
    }
}

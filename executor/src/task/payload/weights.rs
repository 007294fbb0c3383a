use howdah_paramserver::codec::Source;
use howdah_proto::settings::Optimizer;

use super::{Payload, Push};
use crate::learn::{LearnError, Network, Replica, ReplicaOptimizer};

/// The replica's own weights, for elastic averaging (Zhang et al. 2015, "Deep learning with elastic averaging SGD",
/// algorithm 1): at each exchange shards and replica move towards each other by the same share of their distance.
///
/// The replica keeps its weights from one task to the next; a new one begins at the shards'. The shards' weights that
/// it moves towards are those of the last pull, which goes on while it computes.
pub(super) struct Weights {
    optimizer: Box<dyn ReplicaOptimizer>,
    rate: f32,
    own: Option<Vec<f32>>,
}

impl Weights {
    pub(super) fn new(optimizer: &Optimizer, network: &Network, rate: f32) -> Self {
        Self { optimizer: <dyn ReplicaOptimizer>::of(optimizer, network), rate, own: None }
    }

    fn approach(&self, weights: &mut [f32], pulled: Source<'_>) {
        let rate = self.rate;
        pulled.each_block(|range, pulled| {
            for (weight, pulled) in weights[range].iter_mut().zip(pulled) {
                *weight -= rate * (*weight - pulled);
            }
        });
    }
}

impl Payload for Weights {
    fn adds_up(&self) -> bool {
        false
    }

    fn start(&mut self, weights: &mut [f32], pulled: Source<'_>) {
        match &self.own {
            Some(own) => {
                // The last push of the task before is an exchange whose other half comes with this pull.
                weights.copy_from_slice(own);
                self.approach(weights, pulled);
            }
            None => pulled.copy_to(weights),
        }
    }

    fn begin(&mut self, _weights: &[f32]) {}

    fn step(&mut self, replica: &mut Replica, factor: f32) -> Result<(), LearnError> {
        replica.update(self.optimizer.as_mut(), factor)
    }

    fn close(&mut self, replica: &mut Replica, factor: f32, mut push: Push<'_>) -> Result<(), LearnError> {
        self.step(replica, factor)?;
        push.payload.put(0, replica.weights());
        if let Some(pulled) = push.pulled {
            self.approach(replica.weights_mut(), pulled);
        }
        Ok(())
    }

    fn resume(&mut self, weights: &mut [f32], pulled: Source<'_>) {
        self.approach(weights, pulled);
    }

    fn finish(&mut self, weights: &[f32]) {
        match &mut self.own {
            Some(own) => own.copy_from_slice(weights),
            none => *none = Some(weights.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_paramserver::client::Draft;

    use super::{super::replica, *};

    fn weights() -> Weights {
        Weights::new(&Optimizer::Sgd { learning_rate: 1.0 }, replica().network(), 0.25)
    }

    #[test]
    fn the_replica_moves_towards_the_shards_by_the_rate() {
        let close = |pulled: Option<&[f32]>| {
            let (mut replica, mut payload) = (replica(), vec![0.0; 3]);
            replica.step(1, 0).unwrap();
            let pulled = pulled.map(Source::Plain);
            let push = Push { steps: 1, pulled, payload: Draft::plain(&mut payload) };
            weights().close(&mut replica, 1.0, push).unwrap();
            (payload, replica.weights().to_vec())
        };
        // The slope of the loss at a logit of 0 is -1/2.
        let own = vec![0.5, 1.0, 0.5];
        assert_eq!(close(Some(&[4.5, -3.0, 0.5])), (own.clone(), vec![1.5, 0.0, 0.5]));
        assert_eq!(close(None), (own.clone(), own));
    }

    #[test]
    fn the_replica_keeps_its_weights_from_task_to_task() {
        let mut elastic = weights();
        let mut own = [0.0; 2];
        elastic.start(&mut own, Source::Plain(&[4.0, 4.0]));
        assert_eq!(own, [4.0, 4.0]);
        elastic.finish(&[8.0, 0.0]);
        // An evaluation in the same slot.
        own = [99.0; 2];
        elastic.start(&mut own, Source::Plain(&[4.0, 4.0]));
        assert_eq!(own, [7.0, 1.0]);
    }
}

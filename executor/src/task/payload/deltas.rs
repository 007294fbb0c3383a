use howdah_proto::settings::Optimizer;

use super::Payload;
use crate::learn::{LearnError, Network, Replica, ReplicaOptimizer};

/// What the replica's optimizer has moved the weights by since the last push: its share of that, and against its
/// direction for rules that descend.
pub(super) struct Deltas {
    settings: Optimizer,
    network: Network,
    optimizer: Box<dyn ReplicaOptimizer>,
    base: Vec<f32>,
    share: f32,
    sign: f32,
}

impl Deltas {
    pub(super) fn new(settings: &Optimizer, network: &Network, share: f32, sign: f32) -> Self {
        let optimizer = <dyn ReplicaOptimizer>::of(settings, network);
        let base = vec![0.0; network.parameters()];
        Self { settings: *settings, network: network.clone(), optimizer, base, share, sign }
    }
}

impl Payload for Deltas {
    fn reset(&mut self) {
        self.optimizer = <dyn ReplicaOptimizer>::of(&self.settings, &self.network);
    }

    fn begin(&mut self, weights: &[f32]) {
        self.base.copy_from_slice(weights);
    }

    fn step(&mut self, replica: &mut Replica, factor: f32) -> Result<(), LearnError> {
        replica.update(self.optimizer.as_mut(), factor)
    }

    fn take(&mut self, weights: &[f32], _steps: u64, payload: &mut Vec<f32>) {
        let factor = self.share * self.sign;
        for (base, weight) in self.base.iter_mut().zip(weights) {
            *base = factor * (weight - *base);
        }
        std::mem::swap(&mut self.base, payload);
    }

    fn take_and_merge(
        &mut self,
        weights: &mut [f32],
        pulled: Option<&[f32]>,
        steps: u64,
        payload: &mut Vec<f32>,
    ) {
        let Some(pulled) = pulled else {
            self.take(weights, steps, payload);
            return self.merge(weights, None, payload);
        };
        let (factor, sign) = (self.share * self.sign, self.sign);
        let bases = self.base.iter_mut().zip(payload);
        for ((weight, pulled), (base, update)) in weights.iter_mut().zip(pulled).zip(bases) {
            *update = factor * (*weight - *base);
            *weight = pulled + sign * *update;
            *base = *weight;
        }
    }

    fn merge(&mut self, weights: &mut [f32], pulled: Option<&[f32]>, payload: &[f32]) {
        let Some(pulled) = pulled else { return self.base.copy_from_slice(weights) };
        let sign = self.sign;
        for (((weight, base), pulled), update) in
            weights.iter_mut().zip(&mut self.base).zip(pulled).zip(payload)
        {
            *weight = pulled + sign * update;
            *base = *weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::replica, *};

    fn deltas(share: f32, sign: f32) -> Deltas {
        Deltas::new(&Optimizer::Sgd { learning_rate: 1.0 }, replica().network(), share, sign)
    }

    #[test]
    fn a_push_is_what_the_weights_moved_by_and_a_pull_does_not_count_it_twice() {
        let mut deltas = deltas(1.0, 1.0);
        let mut replica = replica();
        let mut payload = vec![9.0; 3];
        deltas.begin(replica.weights());
        replica.step(1, 0).unwrap();
        deltas.step(&mut replica, 1.0).unwrap();
        deltas.take(replica.weights(), 1, &mut payload);
        // The slope of the loss at a logit of 0 is -1/2.
        assert_eq!(payload, [0.5, 1.0, 0.5]);
        deltas.merge(replica.weights_mut(), Some(&[10.0, 10.0, 10.0]), &payload);
        assert_eq!(replica.weights(), [10.5, 11.0, 10.5]);
        deltas.take(replica.weights(), 1, &mut payload);
        assert_eq!(payload, [0.0; 3]);
    }

    #[test]
    fn one_pass_does_what_taking_and_merging_do() {
        for (share, sign) in [(1.0, 1.0), (0.3, -1.0)] {
            for pulled in [None, Some(&[0.7, -3.1, 1e-3][..])] {
                let (mut once, mut twice) = (deltas(share, sign), deltas(share, sign));
                let (mut weights, mut other) = ([4.0, 0.1, -2.7], [4.0, 0.1, -2.7]);
                let (mut payload, mut taken) = (vec![9.0; 3], vec![9.0; 3]);
                once.begin(&[0.3, 0.2, 0.1]);
                twice.begin(&[0.3, 0.2, 0.1]);
                once.take_and_merge(&mut weights, pulled, 1, &mut payload);
                twice.take(&other, 1, &mut taken);
                twice.merge(&mut other, pulled, &taken);
                assert_eq!((weights, payload, once.base), (other, taken, twice.base));
            }
        }
    }

    #[test]
    fn a_replica_pushes_its_share_and_against_the_direction_for_rules_that_descend() {
        let mut deltas = deltas(0.5, -1.0);
        let (mut weights, mut payload) = ([4.0, 0.0, -2.0], vec![9.0; 3]);
        deltas.begin(&[0.0; 3]);
        deltas.take(&weights, 1, &mut payload);
        assert_eq!(payload, [-2.0, 0.0, 1.0]);
        deltas.merge(&mut weights, Some(&[1.0; 3]), &payload);
        assert_eq!(weights, [3.0, 1.0, 0.0]);
    }

    #[test]
    fn after_a_reset_the_optimizer_is_as_new() {
        let mut deltas = Deltas::new(&Optimizer::Adam { learning_rate: 0.1 }, replica().network(), 1.0, 1.0);
        let mut pushes = (0..2).map(|_| {
            let mut replica = replica();
            let mut payload = vec![0.0; 3];
            deltas.reset();
            deltas.begin(replica.weights());
            for _ in 0..3 {
                replica.step(1, 0).unwrap();
                deltas.step(&mut replica, 1.0).unwrap();
            }
            deltas.take(replica.weights(), 3, &mut payload);
            payload
        });
        assert_eq!(pushes.next(), pushes.next());
    }
}

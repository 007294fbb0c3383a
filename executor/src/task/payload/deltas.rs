use std::ops::Range;

use howdah_proto::settings::Optimizer;

use super::{Payload, Push};
use crate::learn::{LearnError, Network, Replica, ReplicaOptimizer};

/// What the replica's optimizer has moved the weights by since the last push: its share of that, and against its
/// direction for rules that descend.
pub(super) struct Deltas {
    settings: Optimizer,
    network: Network,
    optimizer: Box<dyn ReplicaOptimizer>,
    interval: Interval,
    scale: Scale,
}

/// What is pushed of a delta.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// This replica's share.
    pub(super) share: f32,
    /// -1 for rules that descend, else 1.
    pub(super) sign: f32,
}

/// Over how many steps deltas are gathered.
#[derive(Debug)]
pub(super) enum Interval {
    /// Over one. What a weight was before is looked up as it is moved; this is memory for that.
    Step { before: Vec<f32> },
    /// Over several: the weights as of the last push are kept.
    Steps { base: Vec<f32> },
}

impl Interval {
    pub(super) fn of(steps: u64) -> Self {
        if steps == 1 { Self::Step { before: Vec::new() } } else { Self::Steps { base: Vec::new() } }
    }
}

impl Deltas {
    pub(super) fn new(settings: &Optimizer, network: &Network, scale: Scale, interval: Interval) -> Self {
        let optimizer = <dyn ReplicaOptimizer>::of(settings, network);
        Self { settings: *settings, network: network.clone(), optimizer, interval, scale }
    }
}

impl Payload for Deltas {
    fn reset(&mut self) {
        self.optimizer = <dyn ReplicaOptimizer>::of(&self.settings, &self.network);
    }

    fn begin(&mut self, weights: &[f32]) {
        if let Interval::Steps { base } = &mut self.interval {
            base.clear();
            base.extend_from_slice(weights);
        }
    }

    fn step(&mut self, replica: &mut Replica, factor: f32) -> Result<(), LearnError> {
        replica.update(self.optimizer.as_mut(), factor)
    }

    fn close(&mut self, replica: &mut Replica, factor: f32, push: Push<'_>) -> Result<(), LearnError> {
        let Push { pulled, payload, .. } = push;
        let optimizer = self.optimizer.as_mut();
        let mut closing =
            Closing { optimizer, interval: &mut self.interval, scale: self.scale, pulled, payload };
        replica.update(&mut closing, factor)
    }
}

/// The optimizer in the last step before a push: what has moved is written to the payload while it is in the caches, and the
/// weights go on from those that were pulled.
struct Closing<'a> {
    optimizer: &'a mut dyn ReplicaOptimizer,
    interval: &'a mut Interval,
    scale: Scale,
    pulled: Option<&'a [f32]>,
    payload: &'a mut [f32],
}

impl ReplicaOptimizer for Closing<'_> {
    fn begin(&mut self, factor: f32) {
        self.optimizer.begin(factor);
    }

    fn apply(&mut self, range: Range<usize>, weights: &mut [f32], gradient: &[f32]) {
        let base = match self.interval {
            Interval::Steps { base } => &mut base[range.clone()],
            Interval::Step { before } => {
                before.clear();
                before.extend_from_slice(weights);
                before
            }
        };
        self.optimizer.apply(range.clone(), weights, gradient);
        let Scale { share, sign } = self.scale;
        let (factor, payload) = (share * sign, &mut self.payload[range.clone()]);
        let moved = weights.iter_mut().zip(base).zip(payload);
        // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
        pulp::Arch::new().dispatch(|| match self.pulled {
            Some(pulled) => {
                for (((weight, base), update), pulled) in moved.zip(&pulled[range]) {
                    *update = factor * (*weight - *base);
                    *weight = pulled + sign * *update;
                    *base = *weight;
                }
            }
            None => {
                for ((weight, base), update) in moved {
                    *update = factor * (*weight - *base);
                    *base = *weight;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{super::replica, *};

    const ONE: Scale = Scale { share: 1.0, sign: 1.0 };

    fn deltas(scale: Scale, steps: u64) -> Deltas {
        let rate = Optimizer::Sgd { learning_rate: 1.0 };
        Deltas::new(&rate, replica().network(), scale, Interval::of(steps))
    }

    /// Takes a step that ends with a push.
    fn push(deltas: &mut Deltas, replica: &mut Replica, pulled: Option<&[f32]>) -> Vec<f32> {
        let mut payload = vec![9.0; 3];
        replica.step(1, 0).unwrap();
        deltas.close(replica, 1.0, Push { steps: 1, pulled, payload: &mut payload }).unwrap();
        payload
    }

    #[test]
    fn a_push_is_what_the_weights_moved_by_and_a_pull_does_not_count_it_twice() {
        for steps in [1, 2] {
            let (mut deltas, mut replica) = (deltas(ONE, steps), replica());
            deltas.begin(replica.weights());
            // The slope of the loss at a logit of 0 is -1/2.
            let pulled = [-10.0, 5.0, -0.25];
            assert_eq!(push(&mut deltas, &mut replica, Some(&pulled)), [0.5, 1.0, 0.5], "{steps}");
            assert_eq!(replica.weights(), [-9.5, 6.0, 0.25]);
            let before = replica.weights().to_vec();
            let next = push(&mut deltas, &mut replica, None);
            for ((next, before), weight) in next.iter().zip(&before).zip(replica.weights()) {
                assert_eq!(*next, weight - before);
            }
        }
    }

    #[test]
    fn a_push_of_several_steps_is_what_they_moved_the_weights_by_together() {
        let (mut deltas, mut replica) = (deltas(ONE, 2), replica());
        deltas.begin(replica.weights());
        replica.step(1, 0).unwrap();
        deltas.step(&mut replica, 1.0).unwrap();
        let pushed = push(&mut deltas, &mut replica, None);
        assert_eq!(pushed, replica.weights());
        assert!(pushed[0] > 0.5, "{pushed:?}");
    }

    #[test]
    fn a_replica_pushes_its_share_and_against_the_direction_for_rules_that_descend() {
        for steps in [1, 3] {
            let (mut deltas, mut replica) = (deltas(Scale { share: 0.5, sign: -1.0 }, steps), replica());
            deltas.begin(replica.weights());
            assert_eq!(push(&mut deltas, &mut replica, Some(&[1.0; 3])), [-0.25, -0.5, -0.25]);
            assert_eq!(replica.weights(), [1.25, 1.5, 1.25]);
        }
    }

    #[test]
    fn after_a_reset_the_optimizer_is_as_new() {
        let rate = Optimizer::Adam { learning_rate: 0.1 };
        let mut deltas = Deltas::new(&rate, replica().network(), ONE, Interval::of(3));
        let mut pushes = (0..2).map(|_| {
            let mut replica = replica();
            deltas.reset();
            deltas.begin(replica.weights());
            for _ in 0..2 {
                replica.step(1, 0).unwrap();
                deltas.step(&mut replica, 1.0).unwrap();
            }
            push(&mut deltas, &mut replica, None)
        });
        assert_eq!(pushes.next(), pushes.next());
    }
}

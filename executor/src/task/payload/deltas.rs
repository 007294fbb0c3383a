use std::ops::Range;

use howdah_paramserver::{
    client::Draft,
    codec::{BLOCK_VALUES, Source, blocks},
};
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
    /// Over one. What a weight was before is looked up as it is moved.
    Step,
    /// Over several: the weights as of the last push are kept.
    Steps { base: Vec<f32> },
}

impl Interval {
    pub(super) fn of(steps: u64) -> Self {
        if steps == 1 { Self::Step } else { Self::Steps { base: Vec::new() } }
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
        let (interval, scale) = (&mut self.interval, self.scale);
        let rooms = Rooms::default();
        let mut closing = Closing { optimizer, interval, scale, pulled, payload, rooms };
        replica.update(&mut closing, factor)
    }
}

/// The optimizer in the last step before a push: block by block, what has moved is written to the payload while it is in the
/// nearest cache, and the weights go on from those that were pulled.
struct Closing<'a> {
    optimizer: &'a mut dyn ReplicaOptimizer,
    interval: &'a mut Interval,
    scale: Scale,
    pulled: Option<Source<'a>>,
    payload: Draft<'a>,
    rooms: Rooms,
}

/// Memory for a block: what the weights were before it moved, by what they have moved, and what was pulled.
struct Rooms {
    before: [f32; BLOCK_VALUES],
    moved: [f32; BLOCK_VALUES],
    pulled: [f32; BLOCK_VALUES],
}

impl Default for Rooms {
    fn default() -> Self {
        let room = [0.0; BLOCK_VALUES];
        Self { before: room, moved: room, pulled: room }
    }
}

impl ReplicaOptimizer for Closing<'_> {
    fn begin(&mut self, factor: f32) {
        self.optimizer.begin(factor);
    }

    fn apply(&mut self, range: Range<usize>, weights: &mut [f32], gradient: &[f32]) {
        let start = range.start;
        for block in blocks(range) {
            let within = block.start - start..block.end - start;
            self.close(block, &mut weights[within.clone()], &gradient[within]);
        }
    }
}

impl Closing<'_> {
    fn close(&mut self, range: Range<usize>, weights: &mut [f32], gradient: &[f32]) {
        let Self { optimizer, interval, scale: Scale { share, sign }, pulled, payload, rooms } = self;
        let base = match interval {
            Interval::Steps { base } => &mut base[range.clone()],
            Interval::Step => {
                let before = &mut rooms.before[..weights.len()];
                before.copy_from_slice(weights);
                before
            }
        };
        optimizer.apply(range.clone(), weights, gradient);
        let (sign, factor) = (*sign, *share * *sign);
        let updates = &mut rooms.moved[..weights.len()];
        let pulled = pulled.map(|pulled| pulled.part(range.clone()).read(&mut rooms.pulled));
        let moves = weights.iter_mut().zip(base).zip(&mut *updates);
        // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
        pulp::Arch::new().dispatch(|| match pulled {
            Some(pulled) => {
                for (((weight, base), update), pulled) in moves.zip(pulled) {
                    *update = factor * (*weight - *base);
                    *weight = pulled + sign * *update;
                    *base = *weight;
                }
            }
            None => {
                for ((weight, base), update) in moves {
                    *update = factor * (*weight - *base);
                    *base = *weight;
                }
            }
        });
        payload.put(range.start, updates);
    }
}

#[cfg(test)]
mod tests {
    use howdah_paramserver::codec::{self, Half};
    use howdah_proto::settings::Encoding;

    use super::{super::replica, *};
    use crate::learn::Sgd;

    const ONE: Scale = Scale { share: 1.0, sign: 1.0 };

    fn deltas(scale: Scale, steps: u64) -> Deltas {
        let rate = Optimizer::Sgd { learning_rate: 1.0 };
        Deltas::new(&rate, replica().network(), scale, Interval::of(steps))
    }

    /// Takes a step that ends with a push.
    fn push(deltas: &mut Deltas, replica: &mut Replica, pulled: Option<&[f32]>) -> Vec<f32> {
        let mut payload = vec![9.0; 3];
        replica.step(1, 0).unwrap();
        let pulled = pulled.map(Source::Plain);
        deltas.close(replica, 1.0, Push { steps: 1, pulled, payload: Draft::plain(&mut payload) }).unwrap();
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
    fn a_step_that_is_closed_block_by_block_is_the_step_closed_at_once() {
        const VALUES: usize = 2 * BLOCK_VALUES + 37;
        let wave = |rate: f32| (0..VALUES).map(|place| (place as f32 * rate).sin()).collect::<Vec<f32>>();
        let (gradient, start, encoded) = (wave(0.3), wave(0.7), wave(1.1));
        let (mut bytes, mut decoded) = (Vec::new(), vec![0.0; VALUES]);
        codec::encode(Encoding::Bf16, &encoded, None, &mut bytes);
        codec::decode(Encoding::Bf16, &bytes, &mut decoded).unwrap();
        let scale = Scale { share: 0.5, sign: -1.0 };
        for pulled in [None, Some(Source::Plain(&decoded)), Some(Source::Half(Half::Bf16, &bytes))] {
            let mut plain = Sgd::new(0.1);
            let mut expected = start.clone();
            plain.step(&mut expected, &gradient, 1.0);
            let moved = expected.iter().zip(&start).map(|(weight, before)| -0.5 * (weight - before));
            let moved: Vec<f32> = moved.collect();
            if pulled.is_some() {
                let went = decoded.iter().zip(&moved).map(|(pulled, moved)| pulled - moved);
                expected = went.collect();
            }
            for interval in [Interval::Step, Interval::Steps { base: start.clone() }] {
                let (mut optimizer, mut interval) = (Sgd::new(0.1), interval);
                let (mut weights, mut payload) = (start.clone(), vec![9.0; VALUES]);
                let mut closing = Closing {
                    optimizer: &mut optimizer,
                    interval: &mut interval,
                    scale,
                    pulled,
                    payload: Draft::plain(&mut payload),
                    rooms: Rooms::default(),
                };
                closing.begin(1.0);
                for range in [0..5, 5..VALUES] {
                    closing.apply(range.clone(), &mut weights[range.clone()], &gradient[range]);
                }
                assert_eq!((weights, payload), (expected.clone(), moved.clone()));
                if let Interval::Steps { base } = interval {
                    assert_eq!(base, expected);
                }
            }
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

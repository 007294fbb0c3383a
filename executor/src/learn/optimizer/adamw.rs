use std::ops::Range;

use super::{Adam, ReplicaOptimizer};
use crate::learn::Network;

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2):
/// `w <- w - a d w - (the step of` [`Adam`]`)`, where the learning rate `a` is that of the schedule. Biases don't decay.
#[derive(Debug, Clone)]
pub struct AdamW {
    adam: Adam,
    decay: f32,
    /// What is left of a weight before the step.
    kept: f32,
    /// The parameters in their order, and whether they decay.
    parts: Vec<(Range<usize>, bool)>,
}

impl AdamW {
    /// Makes the optimizer with the learning rate `a` and the decay `d`, with moments of 0.
    pub fn new(learning_rate: f32, weight_decay: f32, network: &Network) -> Self {
        let parts = |layer: &crate::learn::Layer| [(layer.weight.clone(), true), (layer.bias.clone(), false)];
        Self {
            adam: Adam::new(learning_rate, network.parameters()),
            decay: learning_rate * weight_decay,
            kept: 1.0,
            parts: network.layers().iter().flat_map(parts).collect(),
        }
    }
}

impl ReplicaOptimizer for AdamW {
    fn begin(&mut self, factor: f32) {
        self.adam.begin(factor);
        self.kept = 1.0 - factor * self.decay;
    }

    fn apply(&mut self, range: Range<usize>, weights: &mut [f32], gradient: &[f32]) {
        for (part, decays) in &self.parts {
            let (start, end) = (part.start.max(range.start), part.end.min(range.end));
            if start < end {
                let own = start - range.start..end - range.start;
                let kept = if *decays { self.kept } else { 1.0 };
                self.adam.apply_to_kept(start..end, &mut weights[own.clone()], &gradient[own], kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::settings::NetworkSettings;

    use super::*;

    fn network() -> Network {
        let settings = NetworkSettings { hidden: vec![3], ..NetworkSettings::default() };
        Network::new(&settings, 2, 2).unwrap()
    }

    #[test]
    fn weights_decay_before_the_step_of_adam_and_biases_do_not() {
        let network = network();
        let (mut decayed, mut plain) = (AdamW::new(0.1, 0.5, &network), Adam::new(0.1, network.parameters()));
        let (mut weights, mut moved) =
            (vec![2.0f32; network.parameters()], vec![0.0f32; network.parameters()]);
        let mut expected = vec![2.0f64; network.parameters()];
        for step in 0..5 {
            let gradient: Vec<f32> =
                (0..network.parameters()).map(|at| ((at * 7 + step * 3) as f32).sin()).collect();
            let before = moved.clone();
            plain.step(&mut moved, &gradient, 0.5);
            decayed.step(&mut weights, &gradient, 0.5);
            for layer in network.layers() {
                for at in layer.weight.start..layer.bias.end {
                    let kept = if layer.weight.contains(&at) { 1.0 - 0.5 * 0.1 * 0.5 } else { 1.0 };
                    expected[at] = kept * expected[at] + f64::from(moved[at] - before[at]);
                }
            }
        }
        for (weight, expected) in weights.iter().zip(&expected) {
            assert!((f64::from(*weight) - expected).abs() < 1e-5, "{weight} is not {expected}");
        }
    }
}

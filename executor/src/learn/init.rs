use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::Network;

/// Draws the initial weights: Glorot uniform, with biases of 0, as Keras does by default.
///
/// A weight is uniform in [-l, l) with l = sqrt(6 / (inputs + outputs)) of its layer (Glorot and Bengio 2010,
/// equation 16). The result depends on the network and the seed alone.
pub fn initial_weights(network: &Network, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = vec![0.0; network.parameters()];
    for layer in network.layers() {
        let limit = (6.0 / (layer.inputs + layer.outputs) as f64).sqrt() as f32;
        for weight in &mut weights[layer.weight.clone()] {
            *weight = limit * (2.0 * unit(random.next_u32()) - 1.0);
        }
    }
    weights
}

/// Turns random bits into one of the 2^24 evenly spaced numbers of [0, 1).
fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 / (1u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use howdah_proto::settings::NetworkSettings;

    use super::*;

    #[test]
    fn weights_fill_the_glorot_range_and_biases_are_zero() {
        let settings = NetworkSettings { hidden: vec![50], ..NetworkSettings::default() };
        let network = Network::new(&settings, 100, 2).unwrap();
        let weights = initial_weights(&network, 7);
        for layer in network.layers() {
            let limit = (6.0 / (layer.inputs + layer.outputs) as f32).sqrt();
            let drawn = &weights[layer.weight.clone()];
            let largest = drawn.iter().fold(0f32, |largest, w| largest.max(w.abs()));
            assert!(largest <= limit && largest > 0.8 * limit, "{largest} of {limit}");
            let mean = drawn.iter().sum::<f32>() / drawn.len() as f32;
            assert!(mean.abs() < limit / 4.0, "{mean}");
            assert!(weights[layer.bias.clone()].iter().all(|b| *b == 0.0));
        }
    }

    #[test]
    fn the_seed_alone_decides() {
        let settings = NetworkSettings { hidden: vec![3], dropout: 0.5, input_dropout: 0.0 };
        let network = Network::new(&settings, 5, 4).unwrap();
        assert_eq!(initial_weights(&network, 1), initial_weights(&network, 1));
        assert_ne!(initial_weights(&network, 1), initial_weights(&network, 2));
    }
}
